"""What handoff does with the events of its neighbours, on the real database."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event as listening
from sqlalchemy import func, select

from services.handoff.decisions import usecases as decisions
from services.handoff.decisions.tables import decisions as decisions_table
from services.handoff.journeys import usecases as journeys
from services.handoff.journeys.domain import Journey
from services.handoff.journeys.tables import journey_facts
from services.handoff.leads.tables import leads
from services.handoff.routing import usecases as routing
from services.handoff.routing.tables import routings
from services.handoff.rulesets import usecases as rulesets
from shared.db.transaction import Database, Transaction
from shared.events.handoff.decisions import LeadDisqualified, LeadQualified
from shared.events.handoff.routing import LeadRouted
from shared.events.language import Received
from tests import kit
from tests.integration.handoff.conftest import hand_over
from tests.unit.handoff.factories import (
    NOON,
    an_id,
    make_cancelled,
    make_closed,
    make_delivered,
    make_generated,
    make_promised,
    make_promising,
    make_rejected,
    make_stage_change,
    receive,
    whole_way,
)

IDS_OF = {make_promising: 1, make_rejected: 1, make_closed: 2, make_promised: 3, make_delivered: 3, make_cancelled: 3}
TABLES = (leads, decisions_table, routings, journey_facts)


async def counts(tx: Transaction) -> list[int]:
    return [(await tx.execute(select(func.count()).select_from(table))).scalar_one() for table in TABLES]


def told(tx: Transaction) -> list[type[Any]]:
    return [type(emitted.event) for emitted in tx.emitted]


@contextmanager
def statements_of(database: Database) -> Iterator[list[str]]:
    """What is sent to the database meanwhile."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    listening.listen(database.engine.sync_engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        listening.remove(database.engine.sync_engine, "before_cursor_execute", note)


def shape(journey: Journey) -> Any:
    """What must not depend on arrival: everything but the moment at which handoff itself decided."""
    return (
        journey.state,
        journey.final,
        [(passage.stage, passage.status) for passage in journey.stages],
        [(passage.stage, passage.status) for passage in journey.funnel],
        sorted((fact.event, str(fact.details.get("outcome"))) for fact in journey.events),
        [(fact.event, fact.occurred_at) for fact in journey.events if fact.source != "handoff"],
    )


async def test_a_qualified_lead_is_decided_and_routed_in_one_transaction(ready: Transaction):
    await hand_over(ready, [receive(make_promising())])
    assert told(ready) == [LeadQualified, LeadRouted]
    qualified, routed = (emitted.event for emitted in ready.emitted)
    explained = await decisions.explain_lead(ready, qualified.lead_id)
    assert explained.decision is not None
    assert (explained.decision.decision_id, explained.decision.outcome) == (qualified.decision.decision_id, "qualified")
    assert explained.routing is not None
    assert (explained.routing.routing_id, explained.routing.queue_code) == (routed.routing_id, "default")
    assert {emitted.cause.at for emitted in ready.emitted} == {ready.now}
    assert routed.acceptance_due_at == ready.now + timedelta(hours=24)


async def test_a_lead_in_nurture_is_decided_but_told_to_nobody(ready: Transaction):
    await hand_over(ready, [receive(make_generated())])
    assert told(ready) == []
    explained = await decisions.explain_lead(ready, make_generated().lead_id)
    assert explained.decision is not None
    assert (explained.decision.outcome, explained.routing, explained.not_routed_because) == ("nurture", None, "not_qualified")


async def test_a_disqualified_lead_is_told_and_not_routed(ready: Transaction):
    await hand_over(ready, [receive(make_promising(verification="bot"))])
    assert told(ready) == [LeadDisqualified]
    assert (await journeys.get_journey(ready, make_promising().lead_id)).state == "disqualified"


async def test_history_is_routed_without_a_clock(ready: Transaction):
    await hand_over(ready, [receive(make_promising(origin="import"), at=NOON - timedelta(days=900))])
    qualified, routed = (emitted.event for emitted in ready.emitted)
    assert qualified.clock is None
    assert (routed.acceptance_due_at, routed.response_due_at) == (None, None)


async def test_a_stored_decision_is_read_back_as_it_was_made(ready: Transaction):
    await hand_over(ready, [receive(make_promising())])
    decision_id = ready.emitted[0].event.decision.decision_id
    stored = await decisions.get_decision(ready, decision_id)
    rule_set = await rulesets.get_rule_set(ready, stored.rule_set_id)
    lead = await decisions.leads.get_lead(ready, stored.lead_id)
    again, _ = decisions.domain.qualify(lead, rule_set, as_of=stored.as_of, judge=rulesets.judge)
    assert replace(again, version=1) == stored
    found = await routing.find_routing(ready, decision_id)
    assert found is not None
    assert found.candidates == ()


async def test_without_a_rule_set_in_force_the_lead_is_noted_and_the_reason_readable(tx: Transaction):
    await tx.execute(rulesets.store.rule_sets.delete())
    await hand_over(tx, [receive(make_promising())])
    explained = await decisions.explain_lead(tx, make_promising().lead_id)
    assert (explained.decision, explained.nothing_decided_because) == (None, "no_rule_set_was_in_force")
    assert (await journeys.get_journey(tx, make_promising().lead_id)).state == "captured"


async def test_the_same_batch_twice_changes_nothing(ready: Transaction):
    batch = whole_way()
    await hand_over(ready, batch)
    stored, emitted = await counts(ready), len(ready.emitted)
    await hand_over(ready, batch)
    assert (await counts(ready), len(ready.emitted)) == (stored, emitted)


async def test_a_lead_announced_twice_is_decided_once(ready: Transaction):
    await hand_over(ready, [receive(make_promising(), name="one"), receive(make_promising(), name="two")])
    await hand_over(ready, [receive(make_promising(), name="three")])
    assert told(ready) == [LeadQualified, LeadRouted]


async def test_all_interleavings_of_the_services_give_the_same_journey(ready: Transaction):
    shapes = set()
    generated, _, stage_change, closed, promised, _, delivered = range(7)
    for number, order in enumerate(itertools.permutations([generated, stage_change, closed, promised, delivered])):
        lead_id, deal_id, order_id = (an_id(f"{kind} {number}") for kind in ("lead", "deal", "order"))
        way = _way(lead_id, deal_id, order_id)
        for place in order:
            await hand_over(ready, [way[place]])
        shapes.add(repr(shape(await journeys.get_journey(ready, lead_id))))
    assert len(shapes) == 1
    assert "'delivered', True" in shapes.pop()


def _way(lead_id: UUID, deal_id: UUID, order_id: UUID) -> list[Received[Any]]:
    given = whole_way(lead_id)
    with_own_ids = {
        2: make_stage_change(lead_id, deal_id),
        3: make_closed(lead_id, deal_id),
        4: make_promised(lead_id, deal_id, order_id),
        6: make_delivered(lead_id, deal_id, order_id),
    }
    return [replace(one, event=with_own_ids.get(place, one.event), id=an_id(f"{lead_id} {place}")) for place, one in enumerate(given)]


@pytest.mark.parametrize(
    "events",
    [
        [make_rejected, make_promising],
        [make_closed, make_cancelled, make_promising],
        [make_promised, make_delivered, make_cancelled],
    ],
)
async def test_events_that_meet_give_the_same_state_in_any_order(ready: Transaction, events: Sequence[Any]):
    shapes = set()
    for number, order in enumerate(itertools.permutations(range(len(events)))):
        lead_id, *others = (an_id(f"{kind} of meeting {number}") for kind in ("lead", "deal", "order"))
        for place in order:
            event = events[place](*[lead_id, *others][: IDS_OF[events[place]]])
            await hand_over(ready, [receive(event, sequence=place + 1, at=NOON + timedelta(days=place))])
        shapes.add(repr(shape(await journeys.get_journey(ready, lead_id))))
    assert len(shapes) == 1


async def test_orders_count_for_every_lead_of_their_deal_whatever_arrives_first(ready: Transaction):
    shapes = set()
    for number, order in enumerate(itertools.permutations(range(3))):
        first, second, deal_id, order_id = (an_id(f"{kind} of shared {number}") for kind in ("first", "second", "deal", "order"))
        events = [
            make_generated(second),
            make_closed(first, deal_id, lead_ids=(first, second)),
            make_delivered(first, deal_id, order_id),
        ]
        for place in order:
            await hand_over(ready, [receive(events[place], sequence=place + 1, at=NOON + timedelta(days=place))])
        shapes.add(repr(shape(await journeys.get_journey(ready, second))))
        assert (await journeys.get_journey(ready, first)).state == "delivered"
    assert len(shapes) == 1
    assert "'delivered', True" in shapes.pop()


async def test_the_number_of_statements_does_not_grow_with_the_batch(ready: Transaction, database: Database):
    sent: list[int] = []
    for size in (1, 60):
        batch = [one for place in range(size) for one in _way(*(an_id(f"{kind} {size} {place}") for kind in ("lead", "deal", "order")))]
        with statements_of(database) as statements:
            await hand_over(ready, batch)
        sent.append(len(statements))
    assert sent[0] == sent[1]


async def test_what_is_told_can_be_published(ready: Transaction):
    await hand_over(ready, [receive(make_promising()), receive(make_promising(an_id("bot"), verification="bot"))])
    assert await ready.flush() == 3


async def test_the_default_criteria_are_published_once(tx: Transaction):
    await tx.execute(rulesets.store.rule_sets.delete())
    await rulesets.publish_default(tx)
    first = await rulesets.find_in_force(tx)
    await rulesets.publish_default(tx)
    assert first is not None
    assert (first.rule_set_id, first.number) == (rulesets.DEFAULT_ID, 1)
    assert await rulesets.list_rule_sets(tx, status=None, after=None, limit=9) == [first]


async def test_the_default_never_replaces_what_somebody_published(tx: Transaction):
    await rulesets.publish_default(tx)
    before = await rulesets.find_in_force(tx)
    drafted = await rulesets.draft_rule_set(
        tx, name="Own", rules=rulesets.domain.DEFAULT_RULES[:3], terms=rulesets.Terms(), cause=kit.cause()
    )
    await rulesets.publish_rule_set(tx, drafted.rule_set_id, expected=1, cause=kit.cause())
    await rulesets.publish_default(tx)
    in_force = await rulesets.find_in_force(tx)
    assert before is not None
    assert before.number is not None
    assert in_force is not None
    assert (in_force.rule_set_id, in_force.number) == (drafted.rule_set_id, before.number + 1)


async def test_decisions_name_the_version_that_made_them(ready: Transaction):
    await hand_over(ready, [receive(make_promising(an_id("before")))])
    drafted = await rulesets.draft_rule_set(
        ready, name="Own", rules=rulesets.domain.DEFAULT_RULES, terms=rulesets.Terms(), cause=kit.cause()
    )
    await rulesets.publish_rule_set(ready, drafted.rule_set_id, expected=1, cause=kit.cause())
    await hand_over(ready, [receive(make_promising(an_id("after")))])
    versions = [
        (await decisions.list_decisions(ready, lead_id=an_id(name), outcome=None, after=None, limit=2))[0].rule_set_version
        for name in ("before", "after")
    ]
    assert versions[1] == versions[0] + 1
