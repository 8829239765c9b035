"""One running Baton for all faults, and what an undisturbed import comes to in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests import containers
from tests import stack as stacks
from tests.faults import figures, population
from tests.faults.population import Population
from tests.stack import Stack

SETTLE_SECONDS = 90
UNDISTURBED = "undisturbed"
ON_THIS_MACHINE = ["test_kafka_away.py", "test_killed_services.py", "test_killed_stack.py"]
IN_CONTAINERS = ["containers"]
collect_ignore = ON_THIS_MACHINE if containers.backend() == "containers" else IN_CONTAINERS
NOTES = pytest.StashKey[list[str]]()


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import has brought about: in databases and topics, and in the report. `repeated` records have no effect of their own."""

    figures: dict[str, Any]
    report: dict[str, Any]
    repeated: int


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if notes := config.stash.get(NOTES, []):
        terminalreporter.section(f"faults (seed {population.SEED})")
        terminalreporter.write_line("\n".join(notes))


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Adds a line to the end of the run: what was counted and measured."""
    return request.config.stash.setdefault(NOTES, []).append


@pytest.fixture(scope="session")
def people() -> Population:
    """The rows that are imported again and again, each time under another source."""
    return population.make()


@pytest.fixture(scope="session")
def files(people: Population, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The rows as files."""
    return people.write(tmp_path_factory.mktemp("population"))


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Four services, started for this run and removed after it."""
    with stacks.installed("faults") as running:
        yield running


@pytest.fixture(scope="session")
async def undisturbed(stack: Stack, files: list[str], tmp_path_factory: pytest.TempPathFactory) -> Imported:
    """An import during which nothing happens."""
    before = await figures.read(stack)
    mapping = population.mapping(tmp_path_factory.mktemp("mapping"), UNDISTURBED)
    await asyncio.to_thread(stack.run, "import", *files, "--mapping", str(mapping))
    await figures.settle(stack, seconds=SETTLE_SECONDS)
    return await imported(stack, UNDISTURBED, before)


async def imported(stack: Stack, source: str, before: dict[str, Any]) -> Imported:
    """What has come since `before`, and the report of the source."""
    report = await asyncio.to_thread(stack.funnel, source)
    told = {name: part for name, part in report.items() if name not in {"as_of", "source"}}
    groups = {
        name: {group["value"] or "(missing)": {key: figure for key, figure in group.items() if key != "value"} for group in told[name]}
        for name in ("groups", "days_to_close_by_group")
    }
    moved = figures.since(before, await figures.read(stack))
    return Imported(repeated=moved.pop("repeated", 0), figures=moved, report=told | groups)
