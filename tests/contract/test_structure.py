"""The tree keeps its rules, and each check is shown to find the breach that it is there for."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract import structure

ROOT = Path(__file__).parents[2]

Check = Callable[[Path], list[str]]

PLANTS: dict[Check, list[tuple[str, str]]] = {
    structure.sizes: [("services/sales/deals/domain.py", "\n" * 400)],
    structure.rooms: [
        ("services/sales/deals/notes.py", '"""Notes."""'),
        ("services/sales/notes.py", '"""Notes."""'),
        ("services/sales/rulesets/conditions.py", '"""CEL beside the folder of the rules."""'),
        ("services/sales/measures/usecases.py", '"""A measure that acts."""'),
    ],
    structure.names: [
        ("shared/http/utils.py", '"""Things."""'),
        ("services/sales/deals/domain.py", "class DealManager: ..."),
        ("services/sales/deals/domain.py", "def process_deal() -> None: ..."),
    ],
    structure.business_nouns: [
        ("shared/db/saving.py", "def save_deal() -> None: ..."),
        ("shared/http/edge.py", "KEY = 'lead_id'"),
        ("shared/offers.py", "class Offer: ..."),
    ],
    structure.docstrings: [
        ("services/sales/quotes/domain.py", "AMOUNT = 1"),
        ("shared/db/__init__.py", "AMOUNT = 1"),
    ],
    structure.sql_from_strings: [
        ("services/sales/deals/store.py", "def _a(name: str) -> None: text(name)"),
        ("services/sales/deals/store.py", "def _b(name: str) -> str: return f'SELECT * FROM {name}'"),
        ("services/sales/deals/store.py", "def _c(name: str) -> str: return 'DELETE FROM ' + name"),
        ("services/sales/deals/store.py", "def _d(name: str) -> str: return 'UPDATE deals SET {}'.format(name)"),
    ],
    structure.saving_rooms: [
        ("services/sales/deals/usecases.py", "def _a(tx: Transaction) -> None: tx.emit()"),
        ("services/sales/deals/usecases.py", "def _b(tx: Transaction) -> None: saving.save(tx)"),
        ("shared/http/edge.py", "def _a(tx: Transaction) -> None: tx.emit()"),
    ],
    structure.producers: [
        ("shared/runtime/process.py", "from aiokafka import AIOKafkaProducer"),
        ("baton/ops/commands.py", "import aiokafka\nPRODUCER = aiokafka.AIOKafkaProducer"),
    ],
    structure.handler_maps: [
        ("services/sales/app.py", "HANDLERS = {}"),
        ("services/sales/handlers.py", "MORE = {}"),
        ("services/sales/handlers.py", "def note() -> None: ..."),
    ],
    structure.store_verbs: [("services/sales/deals/store.py", "def fetch_deal() -> None: ...")],
    structure.pure_domains: [
        ("services/sales/deals/domain.py", "async def close_soon() -> None: ..."),
        ("services/sales/deals/domain.py", "NOW = datetime.now()"),
        ("services/sales/deals/domain.py", "ID = uuid4()"),
    ],
    structure.short_routes: [
        ("services/sales/deals/routes.py", "@router.get('/x')\nasync def x() -> None:\n    'Says.'\n" + "    await y()\n" * 6),
        ("services/sales/deals/routes.py", "@router.get('/x')\nasync def x() -> None:\n    await y()\n"),
    ],
    structure.quiet_tests: [
        ("tests/unit/sales/test_planted.py", "from unittest import mock"),
        ("tests/unit/sales/test_planted.py", "async def test_waits() -> None: ..."),
        ("tests/unit/sales/test_planted.py", "@pytest.fixture\ndef thing() -> None: ..."),
        ("tests/integration/sales/test_planted.py", "pytest.skip('later')"),
    ],
    structure.shared_share: [("shared/db/saving.py", "\n" * 100_000)],
}


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree as it is, to plant breaches in."""
    root = tmp_path_factory.mktemp("tree")
    for part in (*structure.PRODUCT, "tests"):
        shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    return root


@pytest.mark.parametrize("check", structure.CHECKS, ids=lambda check: check.__name__)
def test_the_tree_keeps_the_rule(check: Check) -> None:
    assert check(ROOT) == []


@pytest.mark.parametrize("check", structure.CHECKS, ids=lambda check: check.__name__)
def test_each_planted_breach_is_found(check: Check, copied: Path) -> None:
    before = check(copied)
    for name, text in PLANTS[check]:
        path = copied / name
        kept = path.read_text(encoding="utf-8") if path.exists() else None
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{kept or ''}\n{text}\n", encoding="utf-8")
        found = [finding for finding in check(copied) if finding not in before]
        path.unlink() if kept is None else path.write_text(kept, encoding="utf-8")
        assert found, f"{check.__name__} does not see {text.strip()!r} in {name}"


def test_a_check_of_an_empty_tree_would_be_noticed() -> None:
    assert structure.measured_share(ROOT) > 0.05
    assert sum(1 for _ in (ROOT / "services").rglob("domain.py")) >= 12


def test_the_share_of_shared_is_told_and_its_ratchet_is_tight() -> None:
    share = structure.measured_share(ROOT)
    print(f"shared holds {share:.1%} of the product's lines; the ratchet stands at {structure.SHARED_SHARE:.0%}")  # noqa: T201
    assert structure.SHARED_SHARE - share < 0.03, "lower the ratchet, and the figure in its decision record"
