"""The state of a deal's orders follows from the set of facts."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.sales.fulfilments import domain
from shared.cause import Cause
from shared.events.language import Received
from tests.unit.sales import examples

DEAL = UUID(int=10)
ORDER, SECOND_ORDER = UUID(int=11), UUID(int=12)
ONE, TWO = UUID(int=21), UUID(int=22)
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
FRIDAY = date(2026, 3, 6)


def fact(number: int, event: domain.OrderEvent) -> domain.OrderFact:
    cause = Cause(actor=examples.actor(), at=NOON, correlation_id=UUID(int=0), causation_id=UUID(int=0))
    received: Received[Any] = Received(
        event=event, id=UUID(int=1000 + number), sequence=number, occurred_at=NOON, recorded_at=NOON, cause=cause
    )
    return domain.note(received, recorded_at=NOON)


def facts(*events: domain.OrderEvent) -> list[domain.OrderFact]:
    return [fact(number, event) for number, event in enumerate(events, start=1)]


def state(*events: domain.OrderEvent) -> domain.Fulfilment:
    return domain.fulfilment(DEAL, facts(*events))


PROMISE = examples.promised(DEAL, ORDER, {ONE: 5, TWO: 1})
DATED = examples.promised(DEAL, ORDER, {ONE: 5, TWO: 1}, FRIDAY)
OF_TWO_ORDERS = facts(
    PROMISE,
    DATED,
    examples.shipped(DEAL, ORDER, {ONE: 2}),
    examples.shipped(DEAL, ORDER, {ONE: 2, TWO: 1}),
    examples.delivered(DEAL, ORDER, {ONE: 2}),
    examples.cancelled(DEAL, ORDER, {ONE: 1}),
    examples.delivered(DEAL, ORDER, {ONE: 2, TWO: 1}, complete=True),
    examples.promised(DEAL, SECOND_ORDER, {UUID(int=31): 3}),
)


@given(
    st.lists(st.sampled_from(OF_TWO_ORDERS), max_size=12).flatmap(lambda told: st.tuples(st.just(told), st.permutations(told))),
)
def test_the_state_does_not_depend_on_order_or_repetition(told: tuple[list[domain.OrderFact], list[domain.OrderFact]]):
    as_made, as_arrived = told
    once = list({each.event_id: each for each in as_made}.values())
    assert domain.fulfilment(DEAL, as_arrived) == domain.fulfilment(DEAL, once)


def test_all_facts_give_exact_quantities():
    order, second = domain.fulfilment(DEAL, reversed(OF_TWO_ORDERS)).orders
    assert [(each.line_no, each.ordered, each.shipped, each.delivered, each.cancelled) for each in order.lines] == [
        (1, Decimal(5), Decimal(4), Decimal(4), Decimal(1)),
        (2, Decimal(1), Decimal(1), Decimal(1), Decimal(0)),
    ]
    assert (order.status, order.promise_date, second.status) == ("delivered", FRIDAY, "received")


def test_nothing_known_is_no_status():
    assert (state().status, state().orders, state().version) == (None, (), 1)


def test_the_last_promise_counts_whatever_arrives_last():
    assert domain.fulfilment(DEAL, [fact(2, DATED), fact(1, PROMISE)]).promise_date == FRIDAY
    assert state(DATED, PROMISE).promise_date is None


def test_promised_is_only_what_has_a_day():
    assert [each.promised for each in state(PROMISE).orders[0].lines] == [0, 0]
    assert [each.promised for each in state(DATED).orders[0].lines] == [5, 1]


def test_an_order_is_shipped_until_everything_is_delivered():
    assert state(PROMISE, examples.shipped(DEAL, ORDER, {ONE: 1})).status == "shipped"
    assert state(PROMISE, examples.delivered(DEAL, ORDER, {ONE: 5})).status == "shipped"
    assert state(PROMISE, examples.delivered(DEAL, ORDER, {ONE: 5, TWO: 1})).status == "delivered"


def test_a_delivery_before_its_order_is_believed():
    assert state(examples.delivered(DEAL, ORDER, {ONE: 1}, complete=True)).status == "delivered"
    early = state(examples.delivered(DEAL, ORDER, {ONE: 1}))
    assert (early.status, early.orders[0].lines[0].ordered, early.orders[0].lines[0].line_no) == ("shipped", None, None)


def test_an_order_is_cancelled_when_nothing_is_left_and_nothing_came():
    assert state(PROMISE, examples.cancelled(DEAL, ORDER, {ONE: 5})).status == "received"
    assert state(PROMISE, examples.cancelled(DEAL, ORDER, {ONE: 5, TWO: 1}, whole=True)).status == "cancelled"
    assert state(examples.cancelled(DEAL, ORDER, {ONE: 5}, whole=True)).status == "cancelled"


def test_delivered_after_cancellation_is_delivered():
    gone = examples.cancelled(DEAL, ORDER, {ONE: 5, TWO: 1}, whole=True)
    assert state(PROMISE, gone, examples.delivered(DEAL, ORDER, {ONE: 5, TWO: 1})).status == "delivered"


def test_a_deal_of_several_orders_is_as_far_as_all_that_stand():
    second = examples.promised(DEAL, SECOND_ORDER, {TWO: 1}, FRIDAY)
    gone = examples.cancelled(DEAL, ORDER, {ONE: 5, TWO: 1}, whole=True)
    arrived = examples.delivered(DEAL, ORDER, {ONE: 5, TWO: 1})
    assert state(PROMISE, second).status == "received"
    assert state(PROMISE, second, arrived).status == "shipped"
    assert state(PROMISE, gone, second).status == "received"
    assert state(PROMISE, gone, second).promise_date == FRIDAY
    assert state(PROMISE, gone).status == "cancelled"
