"""One order per standing won deal, promised days, cancelled quantities and their money."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.distribution.calloffs import domain
from services.distribution.cancellations import domain as cancellations
from services.distribution.cancellations.domain import LineCancellation
from services.distribution.deals import domain as deals
from services.distribution.deals.domain import Deal
from services.distribution.orders import domain as orders
from services.distribution.orders.domain import NothingOpen, Order, QuantityExceedsOpen
from services.distribution.promises import domain as promises
from services.distribution.promises.domain import LineComplete, LinePromise
from shared.errors import Invalid
from shared.events.distribution.orders import OrderCancelled, OrderPromised
from shared.events.language import write
from shared.events.sales.deals import DealClosed
from shared.money import Money
from tests.unit.distribution.closings import DAY, NOON, NOW, make_closed, make_deal_line, make_order, only

PROMISE, CANCELLATION = UUID(int=11), UUID(int=12)


def follow(closes: list[DealClosed]) -> tuple[Deal | None, Order | None]:
    deal: Deal | None = None
    order: Order | None = None
    for closed in closes:
        deal = deals.hear(deal, closed, now=NOON)
        order = domain.apply_deal(order, deal, closed, now=NOON)
    return deal, order


def promise_day(order: Order, day: date, at: datetime = NOON) -> tuple[Order, list[LinePromise], list[OrderPromised]]:
    return promises.promise(order, (), day, promise_id=PROMISE, cause="replanned", at=at, now=NOW)


def cancel(
    order: Order, quantities: Sequence[tuple[int, Decimal]] | None = None
) -> tuple[Order, tuple[LineCancellation, ...], OrderCancelled]:
    after, cancellation, event = cancellations.cancel(order, quantities, cancellation_id=CANCELLATION, at=NOON, now=NOW)
    return after, cancellation.lines, event


def test_a_won_deal_becomes_an_order_with_its_lines_and_money():
    order = make_order(make_deal_line(1, "3", "1.10"), make_deal_line(2, "1", "0.95", fulfilment_type="service"))
    assert [(line.line_no, line.quantity, line.fulfilment_type, line.status) for line in order.lines] == [
        (1, Decimal(3), "goods", "received"),
        (2, Decimal(1), "service", "received"),
    ]
    assert (order.order_value, order.currency, order.status, order.standing) == (Decimal("4.25"), "EUR", "received", True)
    assert order.received_at == NOON


@pytest.mark.parametrize("closed", [make_closed(lost=True), make_closed(blanket=True), make_closed(lines=(), version=1, blanket=True)])
def test_a_lost_or_blanket_deal_has_no_order(closed: DealClosed):
    assert follow([closed])[1] is None


def test_a_won_deal_without_lines_owes_no_order_whatever_it_says():
    deal, order = follow([replace(make_closed(), lines=())])
    assert deal is not None
    assert not deal.owes_order
    assert order is None


def test_the_order_of_a_deal_has_the_same_id_wherever_it_is_derived():
    assert make_order().order_id == orders.order_id_of(make_closed().deal_id) == make_order().order_id


def test_the_promised_day_is_the_confirmed_one_else_the_requested_one_else_none():
    confirmed = make_deal_line(1, requested_date=DAY, confirmed_date=DAY + timedelta(days=2))
    order = make_order(confirmed, make_deal_line(2, requested_date=DAY), make_deal_line(3))
    assert [line.promise_date for line in order.lines] == [DAY + timedelta(days=2), DAY, None]
    assert order.promise_date == DAY + timedelta(days=2)


def test_an_unknown_fulfilment_type_is_treated_as_goods():
    assert only(make_order(make_deal_line(fulfilment_type="teleport"))).fulfilment_type == "goods"


def test_lines_in_several_currencies_are_no_order():
    foreign = make_deal_line(2, net_amount=Money(amount=Decimal(1), currency="USD"))
    with pytest.raises(ValueError, match="cannot combine"):
        follow([make_closed([make_deal_line(1), foreign])])


VERSIONS = [
    make_closed([make_deal_line(1), make_deal_line(2)], version=1),
    make_closed([make_deal_line(2, "4"), make_deal_line(3)], version=2),
    make_closed(lost=True, version=3),
    make_closed([make_deal_line(1, "7")], version=4),
    make_closed(blanket=True, version=5),
]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_an_order_does_not_depend_on_the_order_of_arrival(count: int):
    expected = follow(VERSIONS[:count])
    assert all(follow(list(order)) == expected for order in permutations(VERSIONS[:count]))


@settings(max_examples=40)
@given(st.data())
def test_closes_in_any_order_and_repeated_give_one_state(data: st.DataObject):
    shapes = st.sampled_from(["won", "lost", "blanket"])
    kinds = data.draw(st.lists(shapes, min_size=1, max_size=5))
    closes = [
        make_closed(
            [make_deal_line(no, str(no + version)) for no in range(1, 1 + data.draw(st.integers(1, 3)))],
            version=version,
            lost=kind == "lost",
            blanket=kind == "blanket",
        )
        for version, kind in enumerate(kinds, start=1)
    ]
    arrivals = data.draw(st.permutations(closes + data.draw(st.lists(st.sampled_from(closes), max_size=3))))
    deal, order = follow(arrivals)
    assert (deal, order) == follow(closes)
    assert deal is not None
    live = order is not None and order.standing
    assert live == (kinds[-1] == "won")


def test_of_a_line_that_has_left_nothing_is_replaced():
    first = make_order(make_deal_line(1), make_deal_line(2))
    sent = orders.moved(first, [replace(first.lines[0], shipped_quantity=Decimal(4))])
    newer = make_closed([make_deal_line(1, "99"), make_deal_line(2, "5"), make_deal_line(3)], version=2)
    order = domain.apply_deal(sent, deals.hear(None, newer, now=NOON), newer, now=NOON)
    assert order is not None
    assert [(line.line_no, line.quantity, line.deal_version) for line in order.lines] == [(1, 10, 1), (2, 5, 2), (3, 10, 2)]
    assert order.order_value == sum(line.net_amount for line in order.lines)
    assert order.version == first.version


def test_a_new_order_is_announced_as_received():
    order = make_order(make_deal_line(requested_date=DAY))
    (event,) = domain.announce(None, order, at=NOON)
    assert isinstance(event, OrderPromised)
    assert (event.cause, event.promise_date, event.received_at, event.deal_version) == ("received", DAY, NOON, 1)
    assert (event.order_value, event.blockers) == (Money(amount=Decimal("25.00"), currency="EUR"), ())
    assert (event.lines[0].requested_date, event.lines[0].previous_promise_date, event.lines[0].status) == (DAY, None, "received")
    assert write(event)


def test_an_order_whose_deal_stops_asking_for_it_is_announced_as_cancelled_once():
    before = make_order(make_deal_line(1, "3", "1.11"))
    lost = make_closed(lost=True, version=2)
    after = domain.apply_deal(before, deals.hear(None, lost, now=NOON), lost, now=NOON)
    assert after is not None
    assert (after.status, only(after).withdrawn_quantity) == ("cancelled", 3)
    (event,) = domain.announce(before, after, at=lost.closed_at)
    assert isinstance(event, OrderCancelled)
    assert (event.cause, event.whole_order, event.cancelled_at) == ("deal_reopened", True, lost.closed_at)
    assert event.cancelled_value == Money(amount=Decimal("3.33"), currency="EUR")
    assert domain.announce(after, after, at=NOON) == []


def test_a_deal_won_again_brings_its_order_back_to_life():
    _, order = follow([make_closed(version=1), make_closed(lost=True, version=2), make_closed([make_deal_line(1, "2")], version=3)])
    assert order is not None
    assert (order.standing, order.status, only(order).quantity, only(order).withdrawn_quantity) == (True, "received", 2, 0)


def test_a_promised_day_for_the_whole_order_is_told_with_the_former_one():
    order, made, (event,) = promise_day(make_order(make_deal_line(1, requested_date=DAY), make_deal_line(2)), DAY + timedelta(days=3))
    assert order.promise_date == event.promise_date == DAY + timedelta(days=3)
    assert [(line.previous_promise_date, line.promise_date) for line in event.lines] == [
        (DAY, DAY + timedelta(days=3)),
        (None, DAY + timedelta(days=3)),
    ]
    assert (event.cause, len(made)) == ("replanned", 2)
    assert write(event)


def test_the_promise_date_of_an_order_is_the_latest_of_its_lines():
    order = make_order(make_deal_line(1, requested_date=DAY), make_deal_line(2, requested_date=DAY))
    after, _, _ = promises.promise(
        order, (), [(2, DAY + timedelta(days=9))], promise_id=PROMISE, cause="customer_request", at=NOON, now=NOW
    )
    assert after.promise_date == DAY + timedelta(days=9)


def test_a_promise_that_changes_no_day_is_a_fact_but_no_event():
    order, made, events = promise_day(make_order(make_deal_line(1, requested_date=DAY)), DAY, at=NOON + timedelta(hours=1))
    assert (order.promise_date, len(made), events) == (DAY, 1, [])


def test_a_complete_line_cannot_be_promised():
    order, _, _ = cancel(make_order(make_deal_line(1), make_deal_line(2)), [(1, Decimal(10))])
    with pytest.raises(LineComplete):
        promises.promise(order, (), [(1, DAY)], promise_id=PROMISE, cause="replanned", at=NOON, now=NOW)
    after, _, _ = promise_day(order, DAY)
    assert [line.promise_date for line in after.lines] == [None, DAY]
    with pytest.raises(NothingOpen):
        promise_day(cancel(order)[0], DAY)


@settings(max_examples=40)
@given(st.permutations(range(4)), st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_the_promise_made_last_holds_whatever_order_promises_are_recorded_in(arrival: list[int], hours: list[int]):
    start = make_order(make_deal_line(1, requested_date=DAY))
    facts = [
        LinePromise(
            promise_id=UUID(int=100 + number),
            order_line_id=only(start).order_line_id,
            order_id=start.order_id,
            deal_version=1,
            promise_date=DAY + timedelta(days=number),
            cause="replanned",
            occurred_at=NOON + timedelta(hours=1 + hour),
            recorded_at=NOW,
        )
        for number, hour in enumerate(hours)
    ]

    def fold(order: Order, sequence: list[LinePromise]) -> Order:
        known: list[LinePromise] = []
        for fact in sequence:
            order, made, _ = promises.promise(
                order, known, [(1, fact.promise_date)], promise_id=fact.promise_id, cause=fact.cause, at=fact.occurred_at, now=NOW
            )
            assert made == [fact]
            known += made
        return order

    assert fold(start, [facts[place] for place in arrival]) == fold(start, facts)


def test_a_line_that_is_unknown_or_named_twice_is_invalid():
    order = make_order()
    for asked, field, code in [
        ([(7, Decimal(1))], "/lines/0/line_no", "UNKNOWN_LINE"),
        ([(1, Decimal(1)), (1, Decimal(1))], "/lines/1/line_no", "LINE_NAMED_TWICE"),
    ]:
        with pytest.raises(Invalid) as refused:
            cancel(order, asked)
        assert [(error.field, error.code) for error in refused.value.errors] == [(field, code)]


def test_cancelling_everything_cancels_the_order():
    order, facts, event = cancel(make_order(make_deal_line(1, "3", "3.33"), make_deal_line(2, "1", "5.00")))
    assert (order.status, event.whole_order, event.cause) == ("cancelled", True, "imported")
    assert event.cancelled_value == Money(amount=Decimal("14.99"), currency="EUR")
    assert [(fact.quantity, fact.value) for fact in facts] == [(3, Decimal("9.99")), (1, Decimal("5.00"))]
    assert write(event)
    with pytest.raises(NothingOpen):
        cancel(order)


def test_more_than_is_open_cannot_be_cancelled():
    order = make_order(make_deal_line(1, "10"))
    sent = orders.moved(order, [replace(only(order), shipped_quantity=Decimal(4))])
    with pytest.raises(QuantityExceedsOpen):
        cancel(sent, [(1, Decimal(7))])
    after, _, event = cancel(sent)
    assert (only(after).cancelled_quantity, event.whole_order, after.status) == (6, False, "shipped")


@settings(max_examples=40)
@given(
    st.lists(st.decimals("0.001", "50", places=3), min_size=1, max_size=8),
    st.decimals("-10", "10000", places=2),
)
def test_the_values_of_cancelled_parts_add_up_to_the_amount_of_the_line(parts: list[Decimal], amount: Decimal):
    line = make_deal_line(1, str(sum(parts)), net_amount=Money(amount=amount, currency="EUR"))
    order = make_order(line)
    values: list[Decimal] = []
    for part in parts:
        order, (fact,), event = cancel(order, [(1, part)])
        assert event.cancelled_value.amount == fact.value
        values.append(fact.value)
    assert sum(values) == amount
    assert order.status == "cancelled"


def test_a_part_of_an_indivisible_amount_is_rounded_to_the_cent():
    order = make_order(make_deal_line(1, "3", net_amount=Money(amount=Decimal("10.00"), currency="EUR")))
    values: list[Decimal] = []
    for _ in range(3):
        order, _, event = cancel(order, [(1, Decimal(1))])
        values.append(event.cancelled_value.amount)
    assert values == [Decimal("3.33"), Decimal("3.34"), Decimal("3.33")]
