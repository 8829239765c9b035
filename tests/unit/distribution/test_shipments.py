"""What leaves, what arrives, and what follows for the order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.distribution.cancellations import domain as cancellations
from services.distribution.deliveries import domain as deliveries
from services.distribution.deliveries.domain import Delivery, DeliveryAlreadyRecorded, QuantityExceedsShipment, Receipt
from services.distribution.orders.domain import NothingOpen, Order, QuantityExceedsOpen, QuantityExceedsOrdered
from services.distribution.promises import domain as promises
from services.distribution.shipments import domain
from services.distribution.shipments.domain import ServiceNeedsNoShipment, Shipment, ShipmentAlreadyRecorded
from shared.errors import Invalid
from shared.events.distribution.orders import OrderDelivered, OrderShipped
from shared.events.language import write
from tests.unit.distribution.closings import DAY, NOON, NOW, make_deal_line, make_order, only

SHIPMENT, DELIVERY = UUID(int=21), UUID(int=22)


def ship(order: Order, quantities: Sequence[tuple[int, Decimal]] | None = None, **said: Any) -> tuple[Order, Shipment, OrderShipped]:
    given: dict[str, Any] = {"shipment_id": SHIPMENT, "carrier_code": None, "expected_delivery_date": None, "at": NOON, "now": NOW} | said
    return domain.ship(order, quantities, **given)


def deliver(
    order: Order, receipts: Sequence[Receipt] | None = None, aboard: Mapping[UUID, Decimal] | None = None, **said: Any
) -> tuple[Order, Delivery, OrderDelivered]:
    given: dict[str, Any] = {"delivery_id": DELIVERY, "shipment_id": None, "receipt_confirmed": None, "at": NOON, "now": NOW} | said
    return deliveries.deliver(order, receipts, aboard, **given)


def received(line_no: int, quantity: str, **parts: str) -> Receipt:
    return Receipt(line_no=line_no, quantity=Decimal(quantity), **{name: Decimal(part) for name, part in parts.items()})


def test_without_quantities_everything_but_services_leaves():
    order, shipment, event = ship(make_order(make_deal_line(1), make_deal_line(2, fulfilment_type="service")), carrier_code="DHL")
    assert [line.shipped_quantity for line in order.lines] == [10, 0]
    assert [line.quantity for line in shipment.lines] == [10]
    assert (event.final_shipment, event.carrier_code, event.shipped_at) == (True, "DHL", NOON)
    assert [line.status for line in order.lines] == ["shipped", "received"]
    assert order.status == "shipped"
    assert write(event)


def test_a_part_of_an_order_can_leave():
    order, _, event = ship(make_order(make_deal_line(1)), [(1, Decimal("2.5"))])
    assert (only(order).shipped_quantity, only(order).open, event.final_shipment, order.status) == (
        Decimal("2.5"),
        Decimal("7.5"),
        False,
        "shipped",
    )


def test_more_than_is_open_cannot_leave():
    order, _, _ = ship(make_order(make_deal_line(1)), [(1, Decimal(6))])
    with pytest.raises(QuantityExceedsOpen):
        ship(order, [(1, Decimal(5))])


def test_what_is_cancelled_cannot_leave():
    order, _, _ = cancellations.cancel(make_order(make_deal_line(1)), [(1, Decimal(6))], cancellation_id=UUID(int=1), at=NOON, now=NOW)
    with pytest.raises(QuantityExceedsOpen):
        ship(order, [(1, Decimal(5))])
    assert ship(order)[2].final_shipment


def test_a_service_is_never_shipped():
    order = make_order(make_deal_line(1, fulfilment_type="service"))
    with pytest.raises(ServiceNeedsNoShipment):
        ship(order, [(1, Decimal(1))])
    with pytest.raises(NothingOpen):
        ship(order)


def test_a_service_is_delivered_without_a_shipment():
    order, _, event = deliver(make_order(make_deal_line(1, fulfilment_type="service")), receipt_confirmed=True)
    assert (order.status, event.order_complete, event.shipment_id, event.receipt_confirmed) == ("delivered", True, None, True)


def test_goods_can_be_delivered_where_no_shipment_is_known():
    order, _, event = deliver(make_order(make_deal_line(1)))
    assert (order.status, only(order).shipped_quantity, event.order_complete, event.order_in_full) == ("delivered", 0, True, True)
    assert write(event)


def test_delivered_comes_from_exact_quantities_not_from_a_share():
    order = make_order(make_deal_line(1, "250000"), make_deal_line(2, "2"))
    order, _, event = deliver(order, [received(1, "250000")])
    assert (order.status, event.order_complete) == ("shipped", False)
    order, _, event = deliver(order, [received(2, "1.99999999")])
    assert (order.status, event.order_complete) == ("shipped", False)
    order, _, event = deliver(order, [received(2, "0.00000001")])
    assert (order.status, event.order_complete, event.order_in_full) == ("delivered", True, True)


def test_more_than_was_ordered_cannot_be_delivered():
    order, _, _ = deliver(make_order(make_deal_line(1)), [received(1, "9")])
    with pytest.raises(QuantityExceedsOrdered):
        deliver(order, [received(1, "2")])


def test_more_than_a_shipment_carries_cannot_arrive_with_it():
    order, shipment, _ = ship(make_order(make_deal_line(1), make_deal_line(2)), [(1, Decimal(4))])
    aboard = {line.order_line_id: line.quantity for line in shipment.lines}
    for receipt in (received(1, "5"), received(2, "1")):
        with pytest.raises(QuantityExceedsShipment):
            deliver(order, [receipt], aboard, shipment_id=SHIPMENT)
    after, delivery, event = deliver(order, None, aboard, shipment_id=SHIPMENT)
    assert ([line.quantity for line in delivery.lines], event.shipment_id, event.order_complete) == ([4], SHIPMENT, False)
    assert after.lines[0].delivered_quantity == 4


def test_nothing_is_left_to_deliver_of_a_delivered_order():
    order, _, _ = deliver(make_order())
    with pytest.raises(NothingOpen):
        deliver(order)


def test_a_delivery_after_cancellation_is_a_fact():
    order, _, _ = cancellations.cancel(make_order(make_deal_line(1)), None, cancellation_id=UUID(int=1), at=NOON, now=NOW)
    after, _, event = deliver(order, [received(1, "10")])
    assert (after.status, event.order_complete, only(after).cancelled_quantity) == ("delivered", True, 10)


def test_what_arrives_is_accepted_unless_damaged():
    _, _, event = deliver(make_order(), [received(1, "10", damaged_quantity="3")])
    assert (event.lines[0].accepted_quantity, event.lines[0].damaged_quantity) == (7, 3)
    _, _, event = deliver(make_order(), [received(1, "10", damaged_quantity="3", accepted_quantity="10")])
    assert (event.lines[0].accepted_quantity, event.lines[0].damaged_quantity) == (10, 3)


@pytest.mark.parametrize("part", ["damaged_quantity", "accepted_quantity"])
def test_no_part_is_more_than_what_arrived(part: str):
    with pytest.raises(Invalid) as refused:
        deliver(make_order(make_deal_line(1), make_deal_line(2)), [received(2, "1"), received(1, "1", **{part: "1.5"})])
    assert [error.field for error in refused.value.errors] == [f"/lines/1/{part}"]


@pytest.mark.parametrize(
    ("zone", "day", "on_time"),
    [
        ("UTC", date(2026, 3, 11), False),
        ("America/Los_Angeles", date(2026, 3, 10), True),
        (None, date(2026, 3, 11), False),
        ("Atlantis", date(2026, 3, 11), False),
    ],
)
def test_any_hour_of_the_promised_day_is_on_time_where_the_customer_is(zone: str | None, day: date, on_time: bool):
    at = datetime(2026, 3, 11, 6, 59, tzinfo=UTC)
    order = make_order(make_deal_line(1, requested_date=DAY, ship_to_time_zone=zone))
    _, delivery, event = deliver(order, at=at)
    assert (delivery.lines[0].delivered_on, event.delivered_local_date, event.lines[0].on_time, event.order_on_time) == (
        day,
        day,
        on_time,
        on_time,
    )


def test_the_first_hour_of_the_calendar_has_a_day_in_every_zone():
    at = datetime(1, 1, 1, tzinfo=UTC)
    _, delivery, _ = deliver(make_order(make_deal_line(1, ship_to_time_zone="America/Los_Angeles")), at=at)
    assert delivery.lines[0].delivered_on == date(1, 1, 1)


def test_without_a_promise_nobody_knows_whether_it_is_on_time():
    _, _, event = deliver(make_order(make_deal_line(1), make_deal_line(2, requested_date=DAY)))
    assert ([line.on_time for line in event.lines], event.order_on_time, event.order_in_full) == ([None, True], None, True)


def test_one_late_line_makes_the_order_late():
    late = make_deal_line(3, requested_date=date(2026, 3, 1))
    _, _, event = deliver(make_order(make_deal_line(1), make_deal_line(2, requested_date=DAY), late))
    assert event.order_on_time is False


def test_an_order_is_neither_on_time_nor_in_full_before_it_is_complete():
    _, _, event = deliver(make_order(make_deal_line(1, requested_date=DAY)), [received(1, "9")])
    assert (event.order_on_time, event.order_in_full, event.lines[0].on_time, event.lines[0].in_full) == (None, None, True, False)


def test_moving_the_promised_day_moves_lateness():
    order = make_order(make_deal_line(1, requested_date=date(2026, 3, 1)))
    assert deliver(order)[2].order_on_time is False
    moved, _, _ = promises.promise(order, (), DAY, promise_id=UUID(int=1), cause="customer_request", at=NOON, now=NOW)
    assert deliver(moved)[2].order_on_time is True


def test_a_cancelled_remainder_completes_the_order_but_not_in_full():
    order, _, _ = cancellations.cancel(make_order(make_deal_line(1)), [(1, Decimal(4))], cancellation_id=UUID(int=1), at=NOON, now=NOW)
    after, _, event = deliver(order)
    assert (after.status, event.order_complete, event.order_in_full) == ("delivered", True, False)


def test_the_same_shipment_again_is_no_difference_but_another_content_is():
    order, shipment, _ = ship(make_order(), [(1, Decimal(2))], carrier_code="DHL")
    said = {"carrier_code": "DHL", "expected_delivery_date": None}
    domain.check_same_shipment(shipment, order, [(1, Decimal("2.0"))], at=NOON, **said)
    domain.check_same_shipment(shipment, order, None, at=None, **said)
    for quantities, at, other in [
        ([(1, Decimal(3))], None, {}),
        ([(2, Decimal(2))], None, {}),
        (None, NOON + timedelta(hours=1), {}),
        (None, None, {"carrier_code": "UPS"}),
    ]:
        with pytest.raises(ShipmentAlreadyRecorded):
            domain.check_same_shipment(shipment, order, quantities, at=at, **(said | other))
    with pytest.raises(ShipmentAlreadyRecorded):
        domain.check_same_shipment(shipment, replace(order, order_id=UUID(int=9)), None, at=None, **said)


def test_the_same_delivery_again_is_no_difference_but_another_content_is():
    order, delivery, _ = deliver(make_order(), [received(1, "2", damaged_quantity="1")])
    said = {"shipment_id": None, "receipt_confirmed": None}
    deliveries.check_same_delivery(delivery, order, [received(1, "2", damaged_quantity="1")], at=NOON, **said)
    deliveries.check_same_delivery(delivery, order, None, at=None, **said)
    for receipts, other in [([received(1, "2")], {}), (None, {"receipt_confirmed": True}), (None, {"shipment_id": SHIPMENT})]:
        with pytest.raises(DeliveryAlreadyRecorded):
            deliveries.check_same_delivery(delivery, order, receipts, at=None, **(said | other))


FACTS = st.lists(
    st.tuples(st.sampled_from(["ship", "deliver"]), st.sampled_from([1, 2]), st.integers(1, 3), st.integers(0, 20)), max_size=6
)


@settings(max_examples=40)
@given(FACTS, st.data())
def test_shipments_and_deliveries_in_any_order_give_one_state(facts: list[tuple[str, int, int, int]], data: st.DataObject):
    def fold(sequence: list[tuple[str, int, int, int]]) -> Order:
        order = make_order(make_deal_line(1, "20", requested_date=DAY), make_deal_line(2, "20"))
        for kind, line_no, quantity, hours in sequence:
            at = NOON + timedelta(hours=hours)
            if kind == "ship":
                order = ship(order, [(line_no, Decimal(quantity))], at=at)[0]
            else:
                order = deliver(order, [received(line_no, str(quantity))], at=at)[0]
        return order

    order = fold(facts)
    assert fold(data.draw(st.permutations(facts))) == order
    for line in order.lines:
        assert line.shipped_quantity == sum(quantity for kind, no, quantity, _ in facts if (kind, no) == ("ship", line.line_no))
        assert line.delivered_quantity == sum(quantity for kind, no, quantity, _ in facts if (kind, no) == ("deliver", line.line_no))
