"""Kafka is away for half a minute: writes go on, every service stays ready and says what is wrong, and the backlog drains by itself."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx2

from baton.local import kafka, servers
from baton.local import state as states
from tests.faults import figures, load
from tests.faults.conftest import SETTLE_SECONDS, Imported
from tests.stack import Stack

SOURCE = "kafka_away"
AWAY_SECONDS = 30.0
TELL_SECONDS = 15.0
WRITTEN = ("marketing", "sales")
WITHOUT_DEALS = """
SELECT lead_id FROM leads l WHERE source_code = $1 AND NOT EXISTS (SELECT FROM deals d WHERE d.lead_id = l.lead_id) ORDER BY lead_id"""
OLDEST = re.compile(r"^baton_outbox_oldest_unpublished_seconds ([0-9.e+-]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """What could be seen while Kafka was away."""

    writes: int
    troubles: dict[str, dict[str, str]]
    oldest: dict[str, float]
    waiting: dict[str, int]


async def test_writes_go_on_without_kafka_and_the_backlog_drains_by_itself(
    stack: Stack, undisturbed: Imported, note: Callable[[str], None]
) -> None:
    await load.register(stack, SOURCE)
    async with figures.connected(stack, "sales") as connection:
        known: list[UUID] = [row["lead_id"] for row in await connection.fetch(WITHOUT_DEALS, "undisturbed")]
    await figures.settle(stack, seconds=SETTLE_SECONDS)
    before, processes = await figures.read(stack), stack.pids()
    async with load.running(stack, [load.lead(SOURCE), load.lead(SOURCE), load.deal(known)]) as writers:
        await until(lambda: len(writers.writes) > 100, "the load to begin", 30)
        outage = await half_a_minute_without_kafka(stack, writers)
    drained = await figures.settle(stack, seconds=SETTLE_SECONDS)
    assert_it_was_away(outage, processes, stack.pids())

    # Nobody who wrote noticed.
    assert [write.statuses for write in writers.writes if not write.acknowledged and write.retry_after is None] == []
    repeated = await writers.resend_unknown()
    assert [write.statuses for write in writers.writes if not write.acknowledged] == []
    assert len(repeated) <= len(writers.writes) / 1000

    leads = len([write for write in writers.writes if write.service == "marketing"])
    deals = len(writers.writes) - leads
    found: dict[str, Any] = figures.since(before, await figures.read(stack))
    rows = found["rows"]
    assert rows["marketing"]["leads"] == rows["handoff"]["decisions"] == rows["sales"]["leads"] == rows["sales"]["offers"] == leads
    assert rows["sales"]["deals"] == rows["distribution"]["orders"] == rows["sales"]["order_facts"] == deals
    assert rows["marketing"]["deal_outcomes"] == deals
    of_leads, of_deals = ("lead-generated", "lead-qualified", "lead-routed"), ("deal-closed", "order-promised")
    assert found["events"] == dict.fromkeys(of_leads, leads) | dict.fromkeys(of_deals, deals)
    note(
        f"Kafka away for {AWAY_SECONDS:.0f} s: {outage.writes} of {len(writers.writes)} writes meanwhile, "
        f"answers {load.statuses(writers.writes)}, 99 % within {load.slowest(writers.writes, 0.99):.2f} s; "
        f"{sum(outage.waiting.values())} events waited, gone {drained:.1f} s after the last write; {found.get('repeated', 0)} repeated"
    )


async def half_a_minute_without_kafka(stack: Stack, writers: load.Load) -> Outage:
    """Kafka is stopped and started again under the load, and the services are watched."""
    port = stack.running.kept.ports["kafka"]
    await asyncio.to_thread(servers.stop_kafka, stack.state)
    assert not kafka.answers(port)
    stopped, written = time.monotonic(), len(writers.writes)
    troubles = await told_by_all(stack)
    while time.monotonic() < stopped + AWAY_SECONDS:
        assert not kafka.answers(port)
        await asyncio.sleep(0.2)
    await assert_all_ready(stack)
    outage = Outage(
        writes=len(writers.writes) - written,
        troubles=troubles,
        oldest={service: await oldest_unpublished(stack, service) for service in WRITTEN},
        waiting={service: await figures.unpublished(stack, service) for service in WRITTEN},
    )
    await asyncio.to_thread(servers.start_kafka, stack.state)
    assert kafka.answers(port)
    return outage


def assert_it_was_away(outage: Outage, before: dict[str, int], after: dict[str, int]) -> None:
    """Another broker; every other process the same; events that waited, and gauges and health that said so."""
    assert {part for part in before if before[part] != after.get(part)} == {"kafka"}
    assert outage.writes > 300
    assert all(count > 50 for count in outage.waiting.values()), outage.waiting
    assert all(seconds > AWAY_SECONDS / 2 for seconds in outage.oldest.values()), outage.oldest
    assert all(outage.troubles.values()), outage.troubles


async def told_by_all(stack: Stack) -> dict[str, dict[str, str]]:
    """What each service says is wrong, once each says something; all of them ready the while."""
    until = time.monotonic() + TELL_SECONDS
    while True:
        troubles = {service: await readiness(stack, service) for service in states.SERVICES}
        if all(troubles.values()) or time.monotonic() > until:
            return troubles
        await asyncio.sleep(0.2)


async def assert_all_ready(stack: Stack) -> None:
    """Every service is ready and says that messaging is not."""
    for service in states.SERVICES:
        assert await readiness(stack, service), f"{service} finds nothing wrong"


async def readiness(stack: Stack, service: str) -> dict[str, str]:
    """The troubles that a service names. AssertionError if it is not ready."""
    answer = await internal(stack, service, "/readyz")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["ready"] is True
    return {name: trouble for name, trouble in told["checks"].items() if trouble != "ok"}


async def oldest_unpublished(stack: Stack, service: str) -> float:
    """The age of the oldest waiting event as the service measures it, in seconds."""
    found = OLDEST.search((await internal(stack, service, "/metrics")).text)
    assert found is not None
    return float(found[1])


async def internal(stack: Stack, service: str, path: str) -> httpx2.Response:
    """What operators ask."""
    async with httpx2.AsyncClient(timeout=5.0, trust_env=False) as http:
        return await http.get(stack.profile["services"][service]["internal_url"] + path)


async def until(condition: Callable[[], bool], what: str, seconds: float) -> None:
    """Waits for a condition."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, f"waited {seconds} s for {what}"
        await asyncio.sleep(0.05)
