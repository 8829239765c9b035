"""All real data in one running Baton, twice: imported in order, and killed and resumed. Every figure is compared in both."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests import stack as stacks
from tests.data import folder as folders
from tests.data import importing, maven, olist, scms
from tests.data.importing import Imported
from tests.stack import Stack

WAYS: dict[str, Callable[[Imported], None]] = {
    "in order": importing.one_after_the_other,
    "killed half-way": importing.killed_half_way,
}
NOTES = pytest.StashKey[list[str]]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if notes := config.stash.get(NOTES, []):
        terminalreporter.section("real data")
        terminalreporter.write_line("\n".join(notes))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of the real data."""
    return folders.find()


@pytest.fixture(scope="session")
def expected(data: Path) -> dict[str, Any]:
    """The figures that a correct system reproduces."""
    return json.loads((data / "expected.json").read_bytes(), parse_float=Decimal)


@pytest.fixture(scope="session")
def marketplace(data: Path) -> olist.Sample:
    """The rows of Olist."""
    return olist.read(data)


@pytest.fixture(scope="session")
def history(data: Path) -> list[scms.Line]:
    """The rows of SCMS."""
    return scms.read(data)


@pytest.fixture(scope="session")
def crm(data: Path) -> maven.Crm:
    """The rows of Maven."""
    return maven.read(data)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Four services for the tests of one file, removed after it."""
    with stacks.installed("data") as running:
        yield running


@pytest.fixture(scope="session", params=WAYS)
def baton(request: pytest.FixtureRequest, data: Path, marketplace: olist.Sample) -> Iterator[Imported]:
    """Four services with all three data sets. One way at a time: pytest runs all tests of one before it begins the other."""
    with stacks.installed("real") as running:
        imported = Imported(stack=running, data=data)
        seconds = importing.timed(imported, WAYS[request.param])
        importing.settle(imported, len(marketplace.deals))
        request.config.stash.setdefault(NOTES, []).append(f"three data sets, {request.param}: imported in {seconds:.0f} s")
        yield imported
