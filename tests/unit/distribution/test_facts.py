"""Facts that sources tell of orders: in any order and twice they give one state, one set of figures, one amount of money."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.distribution.approvals import domain as approvals
from services.distribution.approvals.domain import OrderAlreadyApproved, ToldApproval
from services.distribution.calloffs.domain import AskedLine
from services.distribution.cancellations import domain as cancellations
from services.distribution.cancellations.domain import ToldCancellation
from services.distribution.deliveries import domain as deliveries
from services.distribution.deliveries.domain import NamedReceipt, ToldDelivery
from services.distribution.orders import domain as orders
from services.distribution.orders.domain import Named, NothingOpen, Order, QuantityExceedsOrdered, Told
from services.distribution.shipments import domain as shipments
from services.distribution.shipments.domain import ServiceNeedsNoShipment, ToldShipment
from shared.errors import Invalid, NotKnownYet
from shared.events.distribution.orders import OrderCancelled, OrderDelivered
from shared.events.language import write
from tests.unit.distribution.calling import LONG_AGO, Arrivals, after, asked_line, called_off, euros, fact_id, told
from tests.unit.distribution.closings import DAY, NOON, NOW, only

QUANTITIES = ("shipped", "delivered", "cancelled")


def named(line_no: int, quantity: str | None = None, kind: type[Named] = Named, **said: Any) -> tuple[Any, ...]:
    return (kind(line_no=line_no, quantity=None if quantity is None else Decimal(quantity), **said),)


@st.composite
def fact_sets(draw: st.DrawFn) -> list[AskedLine | Told]:
    """Lines of an order and facts about them that do not contradict each other: whole, of the rest, and named."""
    count = draw(st.integers(0, 3))
    things: list[AskedLine | Told] = []
    for number in range(1, count + 1):
        service = draw(st.booleans()) and number == 3
        amount = f"{draw(st.integers(0, 9999)) / 100:.2f}"
        things.append(asked_line(number, "10", amount, fulfilment_type="service" if service else "goods"))
    goods = [thing.line_no for thing in things if isinstance(thing, AskedLine) and thing.fulfilment_type == "goods"]
    for kind, numbers in ((ToldShipment, goods), (ToldDelivery, range(1, count + 1)), (ToldCancellation, range(1, count + 1))):
        for place in range(draw(st.integers(0, 2))):
            things.append(told(kind, f"{kind.__name__} whole {place}", at=NOON + timedelta(days=draw(st.integers(0, 9)))))
        for number in numbers:
            parts = draw(st.sampled_from([(), (), (10,), (4, 6), (3, None), (None,)]))
            for place, part in enumerate(parts):
                of_kind = NamedReceipt if kind is ToldDelivery else Named
                lines = named(number or 0, None if part is None else str(part), of_kind)
                at = NOON + timedelta(days=draw(st.integers(0, 9)))
                things.append(told(kind, f"{kind.__name__} {number} {place}", at=at, lines=lines))
    for place in range(draw(st.integers(0, 2))):
        things.append(told(ToldApproval, f"approval {place}", at=NOON + timedelta(days=draw(st.integers(0, 9)))))
    return things


@settings(max_examples=30)
@given(fact_sets(), st.data())
def test_facts_in_any_order_and_repeated_give_one_state_and_one_amount_of_money(things: list[AskedLine | Told], data: st.DataObject):
    repeated = data.draw(st.lists(st.sampled_from(things), max_size=3)) if things else []
    told_once, arrived = Arrivals().apply(things), Arrivals().apply(data.draw(st.permutations([*things, *repeated])))
    assert arrived.order == told_once.order
    for arrivals in (told_once, arrived):
        order = arrivals.order
        assert order.order_value == sum(line.net_amount for line in order.lines)
        for line in order.lines:
            sums = {kind: arrivals.total(kind, line.order_line_id) for kind in QUANTITIES}
            assert {kind: getattr(line, f"{kind}_quantity") for kind in QUANTITIES} == {
                kind: min(line.quantity, total) for kind, total in sums.items()
            }
            value = sum(p.value for kind, p in arrivals.parts if kind == "cancelled" and p.order_line_id == line.order_line_id)
            assert value == orders.worth(line, line.cancelled_quantity)
        told_value = sum(event.cancelled_value.amount for event in arrivals.events if isinstance(event, OrderCancelled))
        assert told_value == sum(orders.worth(line, line.cancelled_quantity) for line in order.lines)


@settings(max_examples=8)
@given(fact_sets())
def test_everything_that_is_told_of_facts_can_be_published(things: list[AskedLine | Told]):
    for event in Arrivals().apply(things).events:
        assert write(event)


def state(*facts: Told, order: Order | None = None) -> str:
    return after(order or called_off(asked_line()), *facts).status


def test_a_delivery_that_is_told_before_its_shipment_and_approval_is_a_delivery():
    delivered, shipped = told(ToldDelivery, "d"), told(ToldShipment, "s", at=NOON + timedelta(days=2))
    assert state(delivered) == state(delivered, shipped) == state(shipped, delivered) == "delivered"
    order = after(called_off(asked_line()), delivered, shipped, told(ToldApproval, "a", at=NOON + timedelta(days=3)))
    assert (order.approved_at, only(order).shipped_quantity) == (NOON + timedelta(days=3), 10)


def test_what_is_delivered_after_its_cancellation_is_delivered():
    cancelled, delivered = told(ToldCancellation, "c"), told(ToldDelivery, "d")
    assert state(cancelled) == "cancelled"
    assert state(cancelled, delivered) == state(delivered, cancelled) == "delivered"
    line = only(after(called_off(asked_line()), delivered, cancelled))
    assert (line.cancelled_quantity, line.delivered_quantity, line.to_deliver) == (10, 10, 0)


def test_a_cancellation_of_the_whole_order_drops_all_of_it_whatever_has_left():
    order = after(called_off(asked_line()), told(ToldShipment, "s", lines=named(1, "4")), told(ToldCancellation, "c"))
    assert (only(order).cancelled_quantity, order.status) == (10, "cancelled")


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ([], "received"),
        ([ToldApproval], "received"),
        ([ToldShipment], "shipped"),
        ([ToldShipment, ToldCancellation], "cancelled"),
        ([ToldCancellation, ToldDelivery, ToldShipment], "delivered"),
    ],
)
def test_an_order_without_lines_stands_as_facts_of_the_whole_order_say(facts: Sequence[type[Told]], status: str):
    order = after(called_off(), *(told(kind, kind.__name__) for kind in facts))
    assert order.status == status
    for number in (1, 2):
        grown = Arrivals(order=called_off()).apply([*(told(kind, kind.__name__) for kind in facts), asked_line(number)]).order
        assert grown.status == status


def test_a_delivery_of_an_order_without_lines_is_told_with_the_day_where_it_arrived():
    order = called_off(time_zone="America/Sao_Paulo", promise_date=date(2017, 5, 1))
    _, delivery, (event,) = deliveries.record(order, told(ToldDelivery, "d", at=LONG_AGO.replace(hour=2, day=2)), NOW)
    assert (event.delivered_local_date, event.lines, event.order_complete, event.order_on_time) == (date(2017, 5, 1), (), True, True)
    assert (delivery.whole, delivery.occurred_at < delivery.recorded_at) == (True, True)
    assert write(event)


def test_a_line_that_is_added_after_the_delivery_of_its_order_is_delivered():
    arrivals = Arrivals(order=called_off(asked_line(1))).apply([told(ToldDelivery, "d", at=LONG_AGO), asked_line(2, "3")])
    assert [(line.delivered_quantity, line.delivered_on) for line in arrivals.order.lines] == [
        (10, date(2017, 5, 1)),
        (3, date(2017, 5, 1)),
    ]
    first, second = (event for event in arrivals.events if isinstance(event, OrderDelivered))
    assert [[line.quantity for line in event.lines] for event in (first, second)] == [[10], [3]]
    assert first.delivery_id == second.delivery_id


def test_a_service_is_in_no_shipment_of_the_whole_order():
    arrivals = Arrivals(order=called_off(asked_line(1, fulfilment_type="service"), asked_line(2)))
    arrivals.apply([told(ToldShipment, "s"), asked_line(3, fulfilment_type="service")])
    assert [line.shipped_quantity for line in arrivals.order.lines] == [0, 10, 0]
    assert [len(event.lines) for event in arrivals.events] == [1]
    with pytest.raises(ServiceNeedsNoShipment):
        shipments.record(arrivals.order, told(ToldShipment, "t", lines=named(1)), NOW)


def test_a_line_without_a_quantity_means_what_no_other_fact_of_the_kind_names():
    rest, part = told(ToldShipment, "rest", lines=named(1)), told(ToldShipment, "part", lines=named(1, "4"))
    for facts in ([rest, part], [part, rest]):
        assert only(after(called_off(asked_line()), *facts)).shipped_quantity == 10
    assert only(after(called_off(asked_line()), part)).shipped_quantity == 4


@pytest.mark.parametrize("kind", [ToldShipment, ToldDelivery, ToldCancellation])
def test_named_quantities_are_never_more_than_was_ordered_even_beside_a_whole_fact(kind: type[Told]):
    of_kind = NamedReceipt if kind is ToldDelivery else Named
    order = after(called_off(asked_line()), told(kind, "whole"), told(kind, "part", lines=named(1, "6", of_kind)))
    with pytest.raises(QuantityExceedsOrdered):
        after(order, told(kind, "more", lines=named(1, "5", of_kind)))
    assert after(order, told(kind, "rest", lines=named(1, "4", of_kind))).status == order.status


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ((Named(line_no=1), Named(order_line_id=fact_id("line 1"))), "LINE_NAMED_TWICE"),
        ((Named(),), "LINE_REQUIRED"),
        ((Named(line_no=1, order_line_id=fact_id("line 1")),), "LINE_REQUIRED"),
    ],
)
def test_each_line_is_named_once_and_in_one_way(lines: tuple[Named, ...], code: str):
    with pytest.raises(Invalid) as refused:
        cancellations.record(called_off(asked_line()), told(ToldCancellation, "c", lines=lines), NOW)
    assert [error.code for error in refused.value.errors] == [code]


@pytest.mark.parametrize("line", [Named(line_no=9), Named(order_line_id=fact_id("line 9"))])
def test_a_line_that_the_order_does_not_have_may_still_come(line: Named):
    with pytest.raises(NotKnownYet):
        shipments.record(called_off(asked_line()), told(ToldShipment, "s", lines=(line,)), NOW)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"quantity": Decimal(2), "damaged_quantity": Decimal(3)}, "EXCEEDS_QUANTITY"),
        ({"quantity": Decimal(2), "accepted_quantity": Decimal(3)}, "EXCEEDS_QUANTITY"),
        ({"damaged_quantity": Decimal(0)}, "QUANTITY_REQUIRED"),
    ],
)
def test_what_is_kept_or_spoilt_is_a_part_of_what_arrived(said: dict[str, Any], code: str):
    with pytest.raises(Invalid) as refused:
        deliveries.record(called_off(asked_line()), told(ToldDelivery, "d", lines=(NamedReceipt(line_no=1, **said),)), NOW)
    assert [error.code for error in refused.value.errors] == [code]


def test_the_day_of_a_line_is_that_of_its_last_delivery():
    facts = [told(ToldDelivery, str(day), at=NOON + timedelta(days=day)) for day in (3, 0)]
    for arrival in (facts, facts[::-1]):
        order = after(called_off(asked_line(promise_date=DAY)), *arrival)
        assert only(order).delivered_on == (NOON + timedelta(days=3)).date()


def test_an_order_is_approved_once_by_hand_but_the_earliest_approval_counts_whoever_tells_it():
    order, approval = approvals.approve(called_off(asked_line()), approval_id=fact_id("a"), at=NOON, now=NOW)
    assert (order.approved_at, approval.occurred_at, approval.recorded_at) == (NOON, NOON, NOW)
    with pytest.raises(OrderAlreadyApproved):
        approvals.approve(order, approval_id=fact_id("b"), at=NOON, now=NOW)
    assert after(order, told(ToldApproval, "c", at=LONG_AGO)).approved_at == LONG_AGO
    with pytest.raises(NothingOpen):
        approvals.approve(after(called_off(asked_line()), told(ToldCancellation, "c")), approval_id=fact_id("d"), at=NOON, now=NOW)


def test_a_cancelled_part_is_worth_what_the_whole_is_without_it():
    order = called_off(asked_line(1, "3", "10.00"))
    values: list[Decimal] = []
    for name in ("a", "b"):
        order, cancellation, (event,) = cancellations.record(order, told(ToldCancellation, name, lines=named(1, "1")), NOW)
        assert event.cancelled_value.amount == cancellation.lines[0].value
        values.append(cancellation.lines[0].value)
    _, cancellation, (event,) = cancellations.record(order, told(ToldCancellation, "rest"), NOW)
    assert [*values, cancellation.lines[0].value] == [Decimal("3.33"), Decimal("3.34"), Decimal("3.33")]
    assert (event.whole_order, event.cancelled_value) == (True, euros("3.33"))
