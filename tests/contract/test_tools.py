"""The linters mean what they say: each import contract, lint rule and type rule is shown to fail on a planted breach."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
CONTRACTS: list[dict[str, str]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]

IMPORTS: dict[str, list[tuple[str, str, str]]] = {
    "client": [("baton/ops/commands.py", "from services.sales import schema as planted", "services.sales.schema")],
    "client-pure": [("baton/ops/commands.py", "from shared.db import saving as planted_saving", "shared.db.saving")],
    "services": [
        (
            "services/sales/deals/usecases.py",
            "from services.marketing.leads import usecases as planted",
            "services.marketing.leads.usecases",
        )
    ],
    "shared": [
        ("shared/money.py", "from shared.db import types as planted", "shared.db.types"),
        ("shared/loyalty.py", "", "shared.loyalty"),
    ],
    "rooms": [
        ("services/sales/deals/domain.py", "from services.sales.deals import store as planted", "services.sales.deals.store"),
        ("services/sales/deals/notes.py", "", "services.sales.deals.notes"),
    ],
    "marketing": [
        ("services/marketing/sources/usecases.py", "from services.marketing.leads import usecases as planted", "services.marketing.leads")
    ],
    "handoff": [
        (
            "services/handoff/rulesets/usecases.py",
            "from services.handoff.decisions import usecases as planted",
            "services.handoff.decisions",
        )
    ],
    "sales": [
        ("services/sales/leads/usecases.py", "from services.sales.deals import usecases as planted", "services.sales.deals"),
        ("services/sales/quotes/__init__.py", "", "services.sales.quotes"),
    ],
    "distribution": [
        (
            "services/distribution/deals/usecases.py",
            "from services.distribution.orders import usecases as planted",
            "services.distribution.orders",
        )
    ],
    "domain": [
        ("services/sales/offers/domain.py", "import random as planted_random", "random"),
        ("services/sales/offers/domain.py", "import sqlalchemy as planted_sqlalchemy", "sqlalchemy"),
        ("services/sales/offers/domain.py", "from shared.db import types as planted_types", "shared.db.types"),
    ],
    "below-routes": [
        ("services/sales/offers/store.py", "import fastapi as planted", "fastapi"),
        ("services/sales/offers/usecases.py", "from shared.http import bodies as planted_bodies", "shared.http.bodies"),
    ],
    "usecases": [
        ("services/sales/offers/usecases.py", "import sqlalchemy as planted_sqlalchemy", "sqlalchemy"),
        ("services/sales/offers/usecases.py", "from services.sales.offers import tables as planted", "services.sales.offers.tables"),
    ],
    "routes": [("services/sales/offers/routes.py", "from services.sales.offers import store as planted", "services.sales.offers.store")],
    "handlers": [("services/sales/handlers.py", "from services.sales.offers import domain as planted", "services.sales.offers.domain")],
    "folders": [
        ("services/sales/deals/usecases.py", "from services.sales.leads import store as planted_store", "services.sales.leads.store")
    ],
    "effects": [
        ("services/sales/offers/store.py", "from services.sales.leads import usecases as planted", "services.sales.leads.usecases")
    ],
    "kafka": [("services/sales/offers/usecases.py", "import aiokafka as planted_aiokafka", "aiokafka")],
    "rules": [("services/handoff/rulesets/domain.py", "import cel_expr_python as planted", "cel_expr_python")],
    "tokens": [("services/sales/offers/routes.py", "import joserfc as planted_joserfc", "joserfc")],
    "ids": [("services/sales/offers/domain.py", "import uuid_utils as planted_uuids", "uuid_utils")],
}

LINTED = '''
"""A module of breaches."""
import os
import random
from typing import List
from datetime import datetime

from pathlib import Path


class lower:
    pass


def UPPER(id, unused):
    print(random.random())
    return datetime.now()


def find(name, seen=[]):
    if name:
        return f"SELECT * FROM deals WHERE name = '{name}'"
    else:
        try:
            return eval(name)
        except Exception:
            pass


async def read(path: str):
    assert path
    return open(path)


x: int = "long"  # type: ignore
%s
'''
BRANCHING = "\n\ndef branch(x: int) -> int:\n    '''Branches.'''\n" + "".join(f"    if x == {n}:\n        x += {n}\n" for n in range(1, 24))
LINT_RULES = frozenset(
    {"A002", "ARG001", "ASYNC230", "B006", "C901", "D103", "DTZ005", "F401", "FIX002", "I001", "N801", "N802", "PGH003", "PLR0912"}
    | {"PLR0915", "RET505", "S101", "S110", "S307", "S608", "T201", "UP035"}
)

TYPED = '''
"""A module whose types do not hold together."""

import asyncio


def untyped(x):
    return x


def half_typed(x: list) -> int:
    return x


async def waits() -> None:
    asyncio.sleep(1)
    unused = 1


y: int = 1  # pyright: ignore[reportArgumentType]
z: int = "text"
'''
TYPE_RULES = frozenset(
    {"reportMissingParameterType", "reportMissingTypeArgument", "reportReturnType", "reportUnusedCoroutine", "reportUnusedVariable"}
    | {"reportUnnecessaryTypeIgnoreComment", "reportAssignmentType"}
)


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The product as it is, to plant imports in."""
    root = tmp_path_factory.mktemp("product")
    for part in ("services", "shared", "baton"):
        shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


def test_the_product_keeps_every_import_contract() -> None:
    run = _run(ROOT, "lint-imports", "--no-logo", "--no-cache")
    assert run.returncode == 0, run.stdout
    assert f"{len(CONTRACTS)} kept, 0 broken" in run.stdout


def test_every_import_contract_has_a_planted_breach() -> None:
    assert {contract["id"] for contract in CONTRACTS} == set(IMPORTS)


def test_every_import_contract_is_broken_by_its_planted_breach(copied: Path) -> None:
    for plants in IMPORTS.values():
        for name, line, _ in plants:
            path = copied / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"{path.read_text() if path.exists() else ''}\n{line}\n")
    run = _run(copied, "lint-imports", "--no-logo", "--no-cache")
    assert run.returncode == 1, run.stdout + run.stderr
    reports = _reports(run.stdout)
    for contract in CONTRACTS:
        for name, line, imported in IMPORTS[contract["id"]]:
            importer = name.removesuffix(".py").replace("/", ".")
            expected = f"{importer} -> {imported}" if line else f"- {imported}"
            assert any(expected in told for told in reports[contract["name"]]), (contract["id"], expected, reports[contract["name"]])


def test_ruff_refuses_what_it_is_configured_to_refuse(tmp_path: Path) -> None:
    planted = tmp_path / "services" / "planted.py"
    planted.parent.mkdir()
    planted.write_text(LINTED.lstrip() % ("# TO" + "DO: later") + BRANCHING + "    return x\n")
    run = _run(tmp_path, "ruff", "check", "--no-cache", "--config", str(ROOT / "pyproject.toml"), "--output-format", "json", str(planted))
    found = {finding["code"] for finding in json.loads(run.stdout)}
    assert found >= LINT_RULES, LINT_RULES - found
    unformatted = _run(tmp_path, "ruff", "format", "--check", "--no-cache", "--config", str(ROOT / "pyproject.toml"), str(planted))
    assert unformatted.returncode == 1


def test_the_type_checker_refuses_what_it_is_configured_to_refuse(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for part in ("services", "shared", "baton", "tests"):
        (tmp_path / part).mkdir()
    (tmp_path / "services" / "planted.py").write_text(TYPED.lstrip())
    run = _run(tmp_path, "basedpyright", "--outputjson", "--pythonpath", sys.executable)
    found = {finding.get("rule") for finding in json.loads(run.stdout)["generalDiagnostics"] if finding["severity"] == "error"}
    assert found >= TYPE_RULES, TYPE_RULES - found


def _reports(output: str) -> dict[str, list[str]]:
    """What is said of each broken contract, by its name."""
    lines = output[output.index("Broken contracts") :].splitlines()
    names = {contract["name"] for contract in CONTRACTS}
    reports: dict[str, list[str]] = {name: [""] for name in names}
    current: list[str] = []
    for line in lines:
        if line in names:
            current = reports[line]
        else:
            current.append(line)
    return reports


def _run(folder: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command: Sequence[str] = [str(BIN / program), *arguments]
    environment = os.environ | {"COLUMNS": "400", "PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120)
