"""What sales hears may arrive in any order and twice: the state is the same, and a batch costs the same at any size."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

from services.sales.fulfilments import domain as fulfilments
from services.sales.fulfilments import store as fulfilment_store
from services.sales.leads import usecases as leads
from services.sales.offers import usecases as offers
from shared.db.transaction import Database, Transaction
from shared.events.language import Received
from shared.ids import new_id
from tests import kit
from tests.integration.sales import steps
from tests.unit.sales import examples
from tests.unit.sales.examples import NOON, OTHER_REP

LEAD, DEAL, ORDER, LINE = new_id(), new_id(), new_id(), new_id()
MANAGER = examples.actor(OTHER_REP, "sales_manager")

ABOUT_A_LEAD = [
    kit.received(examples.generated(LEAD), sequence=1),
    kit.received(examples.qualified(LEAD), sequence=1),
    kit.received(examples.disqualified(LEAD, decided_at=NOON + timedelta(hours=1)), sequence=3),
    kit.received(examples.routed(LEAD), sequence=2),
    kit.received(examples.routed(LEAD, attempt=2, assignee_id=OTHER_REP), sequence=4),
]
ABOUT_AN_ORDER = [
    kit.received(examples.promised(DEAL, ORDER, {LINE: 5}), sequence=1),
    kit.received(examples.promised(DEAL, ORDER, {LINE: 5}, date(2026, 3, 6)), sequence=2),
    kit.received(examples.shipped(DEAL, ORDER, {LINE: 4}), sequence=3),
    kit.received(examples.delivered(DEAL, ORDER, {LINE: 4}), sequence=4),
    kit.received(examples.cancelled(DEAL, ORDER, {LINE: 1}), sequence=5),
]


async def state_of_lead(tx: Transaction, told: Sequence[Received[Any]]) -> tuple[Any, ...]:
    for each in told:
        await steps.apply(tx, [each])
    known = await leads.get_lead(tx, LEAD)
    offer = await offers.get_offer(tx, LEAD, seen_by=MANAGER)
    decision = known.standing
    assert decision is not None
    return (
        known.lead.source_code,
        known.version,
        decision.decision_id,
        decision.outcome,
        offer.attempt,
        offer.routing_id,
        offer.assignee_id,
        offer.status,
    )


async def state_of_order(tx: Transaction, told: Sequence[Received[Any]]) -> fulfilments.Fulfilment:
    for each in told:
        await steps.apply(tx, [each])
    return fulfilments.fulfilment(DEAL, await fulfilment_store.list_facts(tx, DEAL))


async def test_events_about_a_lead_give_one_state_in_every_order(database: Database):
    states = set()
    for order in permutations(ABOUT_A_LEAD):
        async with steps.alone(database) as tx:
            states.add(await state_of_lead(tx, order))
    assert len(states) == 1
    (state,) = states
    assert state[3:5] == ("disqualified", 2)


async def test_events_about_an_order_give_one_state_in_every_order(database: Database):
    states = set()
    for order in permutations(ABOUT_AN_ORDER):
        async with steps.alone(database) as tx:
            states.add(await state_of_order(tx, order))
    (state,) = states
    (line,) = state.orders[0].lines
    assert (state.status, line.shipped, line.delivered, line.cancelled) == ("delivered", 4, 4, 1)
    assert state.promise_date == date(2026, 3, 6)


async def test_the_same_events_twice_change_nothing(database: Database):
    async with steps.alone(database) as tx:
        assert await state_of_lead(tx, ABOUT_A_LEAD) == await state_of_lead(tx, [*reversed(ABOUT_A_LEAD), *ABOUT_A_LEAD])
        once = await offers.get_offer(tx, LEAD, seen_by=MANAGER)
        await steps.apply(tx, [ABOUT_A_LEAD[4], ABOUT_A_LEAD[3], ABOUT_A_LEAD[4]])
        assert await offers.get_offer(tx, LEAD, seen_by=MANAGER) == once
        assert await state_of_order(tx, ABOUT_AN_ORDER) == await state_of_order(tx, [*ABOUT_AN_ORDER, *reversed(ABOUT_AN_ORDER)])


async def test_several_routings_of_one_lead_may_come_in_one_batch(tx: Transaction):
    lead_id = new_id()
    told = [kit.received(examples.routed(lead_id, attempt=attempt)) for attempt in (2, 3, 1)]
    await steps.apply(tx, told)
    offer = await offers.get_offer(tx, lead_id, seen_by=MANAGER)
    assert (offer.attempt, offer.version) == (3, 1)


async def test_a_decision_before_its_lead_is_kept_for_it(tx: Transaction):
    lead_id = new_id()
    await steps.apply(tx, [kit.received(examples.qualified(lead_id))])
    await steps.apply(tx, [kit.received(examples.generated(lead_id))])
    decision = (await leads.get_lead(tx, lead_id)).standing
    assert decision is not None
    assert decision.grade == "A2"


async def test_the_number_of_statements_does_not_grow_with_a_batch(database: Database):
    async def cost(size: int) -> list[int]:
        ids = [new_id() for _ in range(size)]
        orders: list[UUID] = [new_id() for _ in range(size)]
        batches = [
            [examples.generated(lead_id) for lead_id in ids],
            [examples.qualified(lead_id) for lead_id in ids],
            [examples.disqualified(lead_id) for lead_id in ids],
            [examples.routed(lead_id) for lead_id in ids],
            [examples.routed(lead_id, attempt=2) for lead_id in ids],
            [examples.promised(DEAL, order, {LINE: 1}) for order in orders],
            [examples.shipped(DEAL, order, {LINE: 1}) for order in orders],
            [examples.delivered(DEAL, order, {LINE: 1}) for order in orders],
            [examples.cancelled(DEAL, order, {LINE: 1}) for order in orders],
        ]
        costs: list[int] = []
        async with steps.alone(database) as tx:
            for batch in batches:
                with steps.statements(database) as sent:
                    await steps.apply(tx, [kit.received(event) for event in batch])
                costs.append(len(sent))
        return costs

    assert await cost(1) == await cost(200) == [1, 1, 1, 2, 2, 1, 1, 1, 1]
