"""What the other services tell, through the real handlers and a real database."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from services.marketing.handlers import HANDLERS
from services.marketing.leads import usecases as leads
from shared.db.transaction import Database, Transaction
from shared.events.language import Received
from shared.ids import new_id
from tests.integration.marketing.counting import statements
from tests.unit.marketing import told
from tests.unit.marketing.told import LEAD, hours, make_capture, named

TABLES = ("stage_entries", "deal_outcomes", "deliveries")


async def tell(tx: Transaction, *events: Received[Any]) -> None:
    """Hands events to the handlers, batched by type as they arrive."""
    for handler in HANDLERS[type(events[0].event)]:
        await handler(tx, events)


async def capture(tx: Transaction, lead_id: UUID = LEAD) -> None:
    stated = make_capture(lead_id=lead_id, external_id=str(lead_id))
    cause = told.qualified().cause
    await leads.capture_lead(tx, leads.Submission(stated=stated, contact=leads.Contact(), consents=(), cause=cause))


async def state(tx: Transaction) -> dict[str, list[Any]]:
    """All that is known, without when it was recorded."""
    found: dict[str, list[Any]] = {}
    for table in TABLES:
        found[table] = sorted(str(row[0]) for row in await tx.all(text(f"SELECT to_jsonb(t) - 'recorded_at' FROM {table} AS t")))
    found["lifecycles"] = sorted(
        str(row) for row in await tx.all(text("SELECT lead_id, stage, entered_at FROM lifecycles WHERE stage <> 'lead'"))
    )
    return found


async def standing(tx: Transaction, lead_id: UUID = LEAD) -> tuple[str, str]:
    """The stage of a lead as it is shown alone and as it is listed."""
    _, stage, _ = await leads.get_lead(tx, lead_id, captured_by=None)
    listed = {lead.lead_id: stage for lead, stage in await leads.list_leads(tx, leads.LeadFilter(), None, 1000)}
    return stage, listed[lead_id]


Step = Callable[[Transaction], Awaitable[None]]


def telling(event: Received[Any]) -> Step:
    async def step(tx: Transaction) -> None:
        await tell(tx, event)

    return step


OTHER = named("other lead")
MEETINGS: dict[str, list[Step]] = {
    "the way up": [capture, *map(telling, (told.qualified(), told.accepted(hours(1)), told.staged(hours(2)), told.closed(hours(3))))],
    "there and back": [
        *map(telling, (told.qualified(), told.rejected(hours(1)), told.qualified(hours(2), name="again"), told.disqualified(hours(3))))
    ],
    "one deal, several leads": [
        *map(
            telling,
            (
                told.closed(hours(1), lead_ids=(LEAD, OTHER)),
                told.closed(hours(2), version=2, won=False),
                told.closed(hours(3), version=3, lead_ids=(LEAD,)),
                told.delivered(hours(4)),
                told.disqualified(lead_id=OTHER),
            ),
        )
    ],
}


@pytest.mark.parametrize("meeting", MEETINGS)
async def test_events_may_meet_in_any_order(tx: Transaction, meeting: str) -> None:
    outcomes = []
    for steps in permutations(MEETINGS[meeting]):
        savepoint = await tx.connection.begin_nested()
        for step in steps:
            await step(tx)
        outcomes.append(await state(tx))
        await savepoint.rollback()
    assert len(outcomes) > 20
    assert outcomes[0]["lifecycles"]
    assert all(outcome == outcomes[0] for outcome in outcomes)


@pytest.mark.parametrize(
    "events",
    [
        [told.qualified(), told.qualified(hours(1), name="again")],
        [told.disqualified()],
        [told.accepted()],
        [told.rejected()],
        [told.staged(), told.staged(hours(1), previous=True, name="moved")],
        [told.closed(), told.closed(hours(1), version=2, won=False)],
        [told.delivered(), told.delivered(complete=False, name="part")],
    ],
    ids=lambda events: type(events[0].event).__name__,
)
async def test_the_same_batch_twice_changes_nothing(tx: Transaction, events: list[Received[Any]]) -> None:
    await tell(tx, *events)
    once = await state(tx)
    assert any(once[table] for table in TABLES)
    await tell(tx, *events)
    await tell(tx, *events, *events)
    assert await state(tx) == once


async def test_a_lead_that_is_not_captured_yet_has_its_stage_when_it_is(tx: Transaction) -> None:
    await tell(tx, told.staged())
    await capture(tx)
    assert await standing(tx) == ("opportunity", "opportunity")


async def test_nothing_is_told_further(tx: Transaction) -> None:
    for event in (told.qualified(), told.closed(), told.delivered()):
        await tell(tx, event)
    assert tx.emitted == ()


async def test_a_lead_is_listed_by_the_stage_that_it_has_reached(tx: Transaction) -> None:
    await capture(tx)
    for event, stage in (
        (told.qualified(), "mql"),
        (told.accepted(hours(1)), "sal"),
        (told.staged(hours(2)), "opportunity"),
        (told.disqualified(hours(3)), "disqualified"),
        (told.closed(hours(4)), "customer"),
    ):
        await tell(tx, event)
        assert await standing(tx) == (stage, stage)
        chosen = leads.LeadFilter(lifecycle_stage=stage)
        assert [lead.lead_id for lead, _ in await leads.list_leads(tx, chosen, None, 10)] == [LEAD]


async def test_a_word_that_moves_nothing_leaves_no_trace(tx: Transaction) -> None:
    await tell(tx, told.qualified(outcome="direct_purchase"), told.qualified(outcome="something_new", name="new"))
    await tell(tx, told.rejected(disposition="something_new"))
    assert await state(tx) == {"stage_entries": [], "deal_outcomes": [], "deliveries": [], "lifecycles": []}


async def test_a_kept_stage_equals_the_fold_of_all_facts(tx: Transaction) -> None:
    dice = random.Random(7)
    ids = [named(f"lead {n}") for n in range(6)]
    for lead_id in ids:
        await capture(tx, lead_id)
    for n in range(60):
        lead_id, at = dice.choice(ids), hours(dice.randint(0, 9))
        others = tuple(dice.sample(ids, k=2))
        event = dice.choice(
            [
                told.qualified(at, lead_id=lead_id, name=f"{n}"),
                told.disqualified(at, lead_id=lead_id, name=f"{n}"),
                told.accepted(at, lead_id=lead_id, name=f"{n}"),
                told.rejected(at, lead_id=lead_id, name=f"{n}"),
                told.staged(at, lead_id=lead_id, lead_ids=others, name=f"{n}"),
                told.closed(at, lead_id=lead_id, lead_ids=others, deal_id=named(f"deal {n % 3}"), version=n, won=dice.random() < 0.3),
            ]
        )
        await tell(tx, event)
    stages = set()
    for lead_id in ids:
        alone, listed = await standing(tx, lead_id)
        assert alone == listed
        stages.add(alone)
    assert len(stages) > 1


def many(event: Callable[..., Received[Any]], count: int) -> Sequence[Received[Any]]:
    return [replace(event(lead_id=(lead_id := new_id()), **_own(event, lead_id)), id=new_id()) for _ in range(count)]


def _own(event: Callable[..., Received[Any]], lead_id: UUID) -> dict[str, Any]:
    return {"deal_id": lead_id} if event is told.closed else {"name": str(lead_id)}


@pytest.mark.parametrize(
    "event", [told.qualified, told.disqualified, told.accepted, told.rejected, told.staged, told.closed, told.delivered]
)
async def test_the_number_of_statements_does_not_grow_with_the_batch(
    tx: Transaction, database: Database, event: Callable[..., Received[Any]]
) -> None:
    counts = []
    for size in (1, 300):
        with statements(database) as seen:
            await tell(tx, *many(event, size))
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 8
    assert sum(map(len, (await state(tx)).values())) >= 301
