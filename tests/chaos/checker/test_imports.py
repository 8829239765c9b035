"""The checker shares no code with what it judges."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parent
OWN = "tests.chaos.checker"
FOREIGN = {"asyncpg", "cloudevents", "confluent_kafka", "httpx2", "joserfc", "pytest"}
"""Database, log, HTTP and tokens are reached through libraries that speak the published protocols."""


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def test_it_imports_the_standard_library_and_clients_of_public_protocols_only() -> None:
    files = sorted(FOLDER.glob("*.py"))
    assert len(files) > 15
    for file in files:
        for name in imported(file):
            root = name.partition(".")[0]
            allowed = root in sys.stdlib_module_names or root in FOREIGN or name == OWN or name.startswith(f"{OWN}.")
            assert allowed, f"{file.name} imports {name}"


def test_the_packages_around_it_import_nothing_at_all() -> None:
    for package in (FOLDER.parent, FOLDER.parent.parent):
        assert list(imported(package / "__init__.py")) == []
