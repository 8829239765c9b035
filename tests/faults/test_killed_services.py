"""kill -9 of each service while leads and deals come in: the figures are those of an import that nobody disturbed."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from baton.local import state as states
from tests.data import comparing
from tests.faults import figures, population
from tests.faults.conftest import SETTLE_SECONDS, Imported, imported
from tests.faults.population import Population
from tests.stack import Stack

SOURCE = "killed"
LEADS = "SELECT count(*) FROM leads WHERE source = $1"
LEARNED = "SELECT count(*) FROM leads WHERE source_code = $1"
DEALS = "SELECT count(*) FROM deals WHERE source = $1"

# Who is killed, and at what: asked in which database, and from how many of all rows on.
SCHEDULE = (
    ("marketing", "marketing", LEADS, 600, population.LEADS),
    ("handoff", "handoff", LEARNED, 2000, population.LEADS),
    ("sales", "sales", DEALS, 100, population.WON + population.LOST),
    ("distribution", "sales", DEALS, 250, population.WON + population.LOST),
)


async def test_an_undisturbed_import_comes_to_what_its_rows_say(undisturbed: Imported, people: Population) -> None:
    truth, rows, sums, events = people.truth(), undisturbed.figures["rows"], undisturbed.figures["sums"], undisturbed.figures["events"]
    assert rows["marketing"]["leads"] == rows["handoff"]["decisions"] == rows["sales"]["leads"] == truth["leads"]
    assert rows["sales"]["deals"] == rows["distribution"]["deals"] == rows["marketing"]["deal_outcomes"] == truth["deals"]
    assert rows["distribution"]["orders"] == rows["sales"]["order_facts"] == truth["orders"]
    assert sums["distribution: order value"] == {"EUR": truth["order_value"]}
    assert sums["marketing: outcomes"] == {"won": population.WON, "lost": population.LOST}
    assert events["lead-generated"] == truth["leads"]
    assert events["deal-closed"] == truth["deals"]
    assert events["order-promised"] == truth["orders"]
    assert 1000 < events["lead-qualified"] == events["lead-routed"] == rows["sales"]["offers"] < population.LEADS - 1000
    groups = undisturbed.report["groups"]
    assert {value: group["leads"] for value, group in groups.items()} == truth["leads_by_origin"]
    assert {value: group["won_deals"] for value, group in groups.items()} == truth["won_by_origin"]
    assert Decimal(undisturbed.report["total"]["conversion"]) == Decimal(population.WON) / population.LEADS


async def test_each_service_may_be_killed_while_leads_come_in(
    stack: Stack, undisturbed: Imported, files: list[str], tmp_path: Path, note: Callable[[str], None]
) -> None:
    before = await figures.read(stack)
    mapping = population.mapping(tmp_path, SOURCE)
    processes = stack.pids()
    begun = time.monotonic()
    # Small batches: many transactions to be killed in, and time to kill in.
    running = stack.start("import", *files, "--mapping", str(mapping), "--batch", "5")
    for part, asked, query, enough, everything in SCHEDULE:
        await reached(stack, running, asked, query, enough)
        before_kill = stack.pids()
        stack.kill(part)
        assert part not in stack.pids()
        assert await figures.number(stack, asked, query, SOURCE) < everything, f"{part} was killed when all was over"
        await asyncio.to_thread(stack.run, "up")
        assert changed(before_kill, stack.pids()) == {part}
    output, errors = await asyncio.to_thread(running.communicate, timeout=240)
    assert running.returncode == 0, output + errors
    assert "rejected" not in output
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


async def reached(stack: Stack, running: subprocess.Popen[str], service: str, query: str, enough: int) -> None:
    """The import has come so far, and is still at work."""
    until = time.monotonic() + 120
    while await figures.number(stack, service, query, SOURCE) < enough:
        assert running.poll() is None, f"the import ended before {service} had {enough}"
        assert time.monotonic() < until, f"{service} did not get to {enough}"
        await asyncio.sleep(0.01)


def changed(before: dict[str, int], after: dict[str, int]) -> set[str]:
    """The parts that are another process now, or none."""
    return {part for part in {*before, *after} if before.get(part) != after.get(part)}
