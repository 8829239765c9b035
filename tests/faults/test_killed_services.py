"""kill -9 of each service while leads and deals come in: the figures are those of an import that nobody disturbed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from baton.local import state as states
from tests.data import comparing
from tests.faults import figures, population, progress
from tests.faults.conftest import SETTLE_SECONDS, Imported, imported
from tests.stack import Stack

SOURCE = "killed"
# Who is killed, and at what: asked in which database, and from how many of all rows on.
SCHEDULE = (
    ("marketing", "marketing", progress.LEADS, 600, population.LEADS),
    ("handoff", "handoff", progress.LEARNED, 2000, population.LEADS),
    ("sales", "sales", progress.DEALS, 100, population.WON + population.LOST),
    ("distribution", "sales", progress.DEALS, 250, population.WON + population.LOST),
)


async def test_each_service_may_be_killed_while_leads_come_in(
    stack: Stack, undisturbed: Imported, files: list[str], tmp_path: Path, note: Callable[[str], None]
) -> None:
    before = await figures.read(stack)
    mapping = population.mapping(tmp_path, SOURCE)
    processes = stack.pids()
    begun = time.monotonic()
    # Small batches: many transactions to be killed in, and time to kill in.
    with progress.importing(stack, *files, "--mapping", str(mapping), "--batch", "5") as running:
        for part, asked, query, enough, everything in SCHEDULE:
            await progress.reached(stack, running, (asked, query, SOURCE), enough)
            before_kill = stack.pids()
            stack.kill(part)
            assert part not in stack.pids()
            assert await figures.number(stack, asked, query, SOURCE) < everything, f"{part} was killed when all was over"
            await asyncio.to_thread(stack.run, "up")
            assert changed(before_kill, stack.pids()) == {part}
        await progress.ended(running)
    ended = time.monotonic()
    took = await figures.settle(stack, seconds=SETTLE_SECONDS)
    after = await imported(stack, SOURCE, before)
    events = sum(after.figures["events"].values())
    note(
        f"services killed: 4 kills in {ended - begun:.0f} s of import, {events} events, {after.repeated} repeated; settled in {took:.1f} s"
    )
    assert comparing.fields(after.figures) > 60
    assert list(comparing.differences(undisturbed.figures, after.figures)) == []
    assert list(comparing.differences(undisturbed.report, after.report)) == []
    assert changed(processes, stack.pids()) == set(states.SERVICES)


def changed(before: dict[str, int], after: dict[str, int]) -> set[str]:
    """The parts that are another process now, or none."""
    return {part for part in {*before, *after} if before.get(part) != after.get(part)}
