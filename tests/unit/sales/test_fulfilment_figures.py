"""What is shown of an order's lines never exceeds what was ordered, and orders without lines have a state, too."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.sales.fulfilments import domain
from tests.unit.sales import examples
from tests.unit.sales.test_fulfilments import DEAL, FRIDAY, ONE, ORDER, PROMISE, SECOND_ORDER, TWO, facts, state

ORDER_WITHOUT_LINES = examples.promised(DEAL, ORDER, {}, FRIDAY)
SHIPPED = examples.shipped(DEAL, ORDER, {})
DELIVERED = examples.delivered(DEAL, ORDER, {}, complete=True)
CANCELLED = examples.cancelled(DEAL, ORDER, {}, whole=True)


def quantities(found: domain.Fulfilment) -> list[tuple[Decimal, ...]]:
    return [(line.shipped, line.delivered, line.cancelled) for line in found.orders[0].lines]


def test_what_is_told_twice_of_a_line_counts_up_to_what_was_ordered():
    whole = {ONE: 5, TWO: 1}
    told = [examples.shipped(DEAL, ORDER, whole), examples.delivered(DEAL, ORDER, whole), examples.cancelled(DEAL, ORDER, whole)]
    assert quantities(state(PROMISE, *told, *told)) == [(5, 5, 5), (1, 1, 1)]
    assert quantities(state(PROMISE, examples.shipped(DEAL, ORDER, {ONE: 2}), *told[:1])) == [(5, 0, 0), (1, 0, 0)]


def test_nothing_is_cut_before_the_line_itself_is_known():
    (order,) = state(examples.shipped(DEAL, ORDER, {ONE: 5}), examples.shipped(DEAL, ORDER, {ONE: 4})).orders
    assert [(line.ordered, line.shipped) for line in order.lines] == [(None, Decimal(9))]


def test_an_order_without_lines_is_as_far_as_facts_of_all_of_it_say():
    assert state(ORDER_WITHOUT_LINES).status == "received"
    assert state(ORDER_WITHOUT_LINES, SHIPPED).status == "shipped"
    assert state(ORDER_WITHOUT_LINES, SHIPPED, DELIVERED).status == "delivered"
    assert state(ORDER_WITHOUT_LINES, CANCELLED).status == "cancelled"
    assert state(ORDER_WITHOUT_LINES, CANCELLED, DELIVERED).status == "delivered"
    assert (state(ORDER_WITHOUT_LINES).promise_date, state(ORDER_WITHOUT_LINES).orders[0].lines) == (FRIDAY, ())


def test_a_fact_of_a_whole_order_holds_for_lines_that_become_known_later():
    assert state(ORDER_WITHOUT_LINES, DELIVERED, PROMISE).status == "delivered"
    assert quantities(state(ORDER_WITHOUT_LINES, SHIPPED, DELIVERED, PROMISE)) == [(5, 5, 0), (1, 1, 0)]
    assert quantities(state(CANCELLED, PROMISE)) == [(0, 0, 5), (0, 0, 1)]
    assert state(CANCELLED, PROMISE).status == "cancelled"


def test_an_order_without_lines_holds_up_its_deal_like_any_other():
    second = examples.promised(DEAL, SECOND_ORDER, {TWO: 1}, FRIDAY)
    assert state(ORDER_WITHOUT_LINES, DELIVERED, second).status == "shipped"
    assert state(ORDER_WITHOUT_LINES, CANCELLED, second).status == "received"


EVERYTHING = facts(
    PROMISE,
    SHIPPED,
    DELIVERED,
    CANCELLED,
    examples.shipped(DEAL, ORDER, {ONE: 3}),
    examples.shipped(DEAL, ORDER, {ONE: 5, TWO: 1}),
    examples.delivered(DEAL, ORDER, {ONE: 5, TWO: 1}, complete=True),
    examples.cancelled(DEAL, ORDER, {ONE: 4}),
)


@given(st.lists(st.sampled_from(EVERYTHING), max_size=16).flatmap(lambda told: st.tuples(st.just(told), st.permutations(told))))
def test_no_set_of_facts_shows_more_than_was_ordered(told: tuple[list[domain.OrderFact], list[domain.OrderFact]]):
    as_made, as_arrived = told
    found = domain.fulfilment(DEAL, as_arrived)
    assert found == domain.fulfilment(DEAL, as_made)
    for order in found.orders:
        for line in order.lines:
            assert line.ordered is None or max(line.shipped, line.delivered, line.cancelled) <= line.ordered
