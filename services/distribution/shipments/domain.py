"""What leaves and what arrives: shipments and deliveries are facts that never change; the order's quantities follow from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from services.distribution.orders import domain as orders
from services.distribution.orders.domain import NOTHING, Order, OrderLine, QuantityExceedsOpen
from shared import calendar
from shared.errors import Conflict, Invalid
from shared.events.distribution.orders import DeliveredLine, OrderDelivered, OrderShipped, ShippedLine


class ServiceNeedsNoShipment(Conflict):
    """A service is delivered without a shipment."""


class QuantityExceedsOrdered(Conflict):
    """With this, more would be delivered than was ordered."""


class QuantityExceedsShipment(Conflict):
    """More than is still on its way with this shipment."""


class ShipmentAlreadyRecorded(Conflict):
    """A shipment of this id, but other content, is recorded already."""


class DeliveryAlreadyRecorded(Conflict):
    """A delivery of this id, but other content, is recorded already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentLine:
    """How much of an order line left with a shipment."""

    shipment_id: UUID
    order_line_id: UUID
    quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """Goods of an order left; `occurred_at` is when. Its lines are rows of their own."""

    shipment_id: UUID
    order_id: UUID
    carrier_code: str | None
    expected_delivery_date: date | None
    occurred_at: datetime
    recorded_at: datetime
    lines: tuple[ShipmentLine, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryLine:
    """How much of an order line arrived, and on which day where it arrived. What was refused is neither accepted nor damaged."""

    delivery_id: UUID
    order_line_id: UUID
    quantity: Decimal
    accepted_quantity: Decimal
    damaged_quantity: Decimal
    delivered_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Something of an order arrived, or a service was performed; `occurred_at` is when. Its lines are rows of their own."""

    delivery_id: UUID
    order_id: UUID
    shipment_id: UUID | None
    receipt_confirmed: bool | None
    occurred_at: datetime
    recorded_at: datetime
    lines: tuple[DeliveryLine, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the customer says to have received of a line. Accepted is, if it is not said, all that is not damaged."""

    line_no: int
    quantity: Decimal
    accepted_quantity: Decimal | None = None
    damaged_quantity: Decimal | None = None


def to_ship(line: OrderLine) -> Decimal:
    """What no shipment is known for. A delivery does not lower it: its shipment may be recorded later."""
    return NOTHING if line.fulfilment_type == "service" else max(line.quantity - line.dropped - line.shipped_quantity, NOTHING)


def ship(
    order: Order,
    quantities: Sequence[tuple[int, Decimal]] | None,
    *,
    shipment_id: UUID,
    carrier_code: str | None,
    expected_delivery_date: date | None,
    at: datetime,
    now: datetime,
) -> tuple[Order, Shipment, OrderShipped]:
    """Goods leave: the quantities by line number, or all that no shipment is known for.

    Raises NothingOpen, QuantityExceedsOpen, ServiceNeedsNoShipment, Invalid.
    """
    taken = orders.chosen(order, quantities, to_ship)
    for line, quantity in taken:
        if line.fulfilment_type == "service":
            raise ServiceNeedsNoShipment(order_id=order.order_id, line_no=line.line_no)
        if quantity > to_ship(line):
            raise QuantityExceedsOpen(order_id=order.order_id, line_no=line.line_no, open=to_ship(line))
    after = orders.moved(order, [replace(line, shipped_quantity=line.shipped_quantity + quantity) for line, quantity in taken])
    shipment = Shipment(
        shipment_id=shipment_id,
        order_id=order.order_id,
        carrier_code=carrier_code,
        expected_delivery_date=expected_delivery_date,
        occurred_at=at,
        recorded_at=now,
        lines=tuple(ShipmentLine(shipment_id=shipment_id, order_line_id=line.order_line_id, quantity=quantity) for line, quantity in taken),
    )
    return after, shipment, _shipped(after, shipment)


def deliver(
    order: Order,
    receipts: Sequence[Receipt] | None,
    aboard: Mapping[UUID, Decimal] | None,
    *,
    delivery_id: UUID,
    shipment_id: UUID | None,
    receipt_confirmed: bool | None,
    at: datetime,
    now: datetime,
) -> tuple[Order, Delivery, OrderDelivered]:
    """Goods arrive, or services are performed: as the receipts say, or else all of the shipment, or all the customer waits for.

    `aboard`: what is still on its way with the named shipment, by order line. Days are taken in each line's own time zone (UTC if it has
    none). Raises NothingOpen, QuantityExceedsOrdered, QuantityExceedsShipment, Invalid.
    """
    said = {receipt.line_no: receipt for receipt in receipts or ()}
    quantities = None if receipts is None else [(receipt.line_no, receipt.quantity) for receipt in receipts]
    taken = orders.chosen(order, quantities, lambda line: line.to_deliver if aboard is None else aboard.get(line.order_line_id, NOTHING))
    for line, quantity in taken:
        if aboard is not None and quantity > aboard.get(line.order_line_id, NOTHING):
            raise QuantityExceedsShipment(order_id=order.order_id, line_no=line.line_no, shipment_id=shipment_id)
        if line.delivered_quantity + quantity > line.quantity:
            raise QuantityExceedsOrdered(order_id=order.order_id, line_no=line.line_no, open=line.quantity - line.delivered_quantity)
    arrived = tuple(
        _arrived(line, said.get(line.line_no) or Receipt(line_no=line.line_no, quantity=quantity), place, delivery_id, at)
        for place, (line, quantity) in enumerate(taken)
    )
    after = orders.moved(order, [_with_arrival(line, part) for (line, _), part in zip(taken, arrived, strict=True)])
    delivery = Delivery(
        delivery_id=delivery_id,
        order_id=order.order_id,
        shipment_id=shipment_id,
        receipt_confirmed=receipt_confirmed,
        occurred_at=at,
        recorded_at=now,
        lines=arrived,
    )
    return after, delivery, _delivered(after, delivery)


def check_same_shipment(
    known: Shipment, order: Order, quantities: Sequence[tuple[int, Decimal]] | None, *, at: datetime | None, **said: object
) -> None:
    """Raises ShipmentAlreadyRecorded unless the recorded shipment is what is said again; what is not said (None) is no difference."""
    numbers = {line.order_line_id: line.line_no for line in order.lines}
    recorded = {numbers[line.order_line_id]: line.quantity for line in known.lines if line.order_line_id in numbers}
    same = known.order_id == order.order_id and (quantities is None or dict(quantities) == recorded)
    if not (same and at in (None, known.occurred_at) and all(value in (None, getattr(known, name)) for name, value in said.items())):
        raise ShipmentAlreadyRecorded(shipment_id=known.shipment_id)


def check_same_delivery(known: Delivery, order: Order, receipts: Sequence[Receipt] | None, *, at: datetime | None, **said: object) -> None:
    """Raises DeliveryAlreadyRecorded unless the recorded delivery is what is said again; what is not said (None) is no difference."""
    numbers = {line.order_line_id: line.line_no for line in order.lines}
    recorded = {(numbers.get(line.order_line_id), line.quantity, line.accepted_quantity, line.damaged_quantity) for line in known.lines}
    again = {(receipt.line_no, receipt.quantity, _accepted(receipt), receipt.damaged_quantity or NOTHING) for receipt in receipts or ()}
    same = known.order_id == order.order_id and (receipts is None or again == recorded)
    if not (same and at in (None, known.occurred_at) and all(value in (None, getattr(known, name)) for name, value in said.items())):
        raise DeliveryAlreadyRecorded(delivery_id=known.delivery_id)


def _accepted(receipt: Receipt) -> Decimal:
    if receipt.accepted_quantity is None:
        return receipt.quantity - (receipt.damaged_quantity or NOTHING)
    return receipt.accepted_quantity


def _arrived(line: OrderLine, receipt: Receipt, place: int, delivery_id: UUID, at: datetime) -> DeliveryLine:
    damaged = receipt.damaged_quantity or NOTHING
    for name, part in (("damaged_quantity", damaged), ("accepted_quantity", _accepted(receipt))):
        if part > receipt.quantity:
            raise Invalid.at(f"/lines/{place}/{name}", "EXCEEDS_QUANTITY", "No part can be more than what arrived.")
    return DeliveryLine(
        delivery_id=delivery_id,
        order_line_id=line.order_line_id,
        quantity=receipt.quantity,
        accepted_quantity=_accepted(receipt),
        damaged_quantity=damaged,
        delivered_on=_day(at, line.ship_to_time_zone),
    )


def _day(at: datetime, time_zone: str | None) -> date:
    try:
        return calendar.local_day(at, time_zone or "UTC")
    except (ValueError, OverflowError):  # a zone that only its source knows; an hour before the calendar begins
        return calendar.local_day(at, "UTC")


def _with_arrival(line: OrderLine, part: DeliveryLine) -> OrderLine:
    last = max(part.delivered_on, line.delivered_on or part.delivered_on)
    return replace(line, delivered_quantity=line.delivered_quantity + part.quantity, delivered_on=last)


def _shipped(order: Order, shipment: Shipment) -> OrderShipped:
    return OrderShipped(
        lead_id=order.lead_id,
        order_id=order.order_id,
        deal_id=order.deal_id,
        shipment_id=shipment.shipment_id,
        warehouse_id=None,
        carrier_code=shipment.carrier_code,
        shipped_at=shipment.occurred_at,
        expected_delivery_date=shipment.expected_delivery_date,
        final_shipment=not any(line.open for line in order.lines if line.fulfilment_type == "goods"),
        lines=tuple(ShippedLine(order_line_id=line.order_line_id, quantity=line.quantity) for line in shipment.lines),
    )


def _delivered(order: Order, delivery: Delivery) -> OrderDelivered:
    lines = {line.order_line_id: line for line in order.lines}
    complete = not any(line.to_deliver for line in order.lines)
    return OrderDelivered(
        lead_id=order.lead_id,
        order_id=order.order_id,
        deal_id=order.deal_id,
        delivery_id=delivery.delivery_id,
        shipment_id=delivery.shipment_id,
        delivered_at=delivery.occurred_at,
        delivered_local_date=max(part.delivered_on for part in delivery.lines),
        lines=tuple(_delivered_line(lines[part.order_line_id], part) for part in delivery.lines),
        order_complete=complete,
        order_on_time=_all_on_time(order.lines) if complete else None,
        order_in_full=all(_in_full(line) for line in order.lines) if complete else None,
        receipt_confirmed=delivery.receipt_confirmed,
        documents_correct=None,
        satisfaction_score=None,
        exception_codes=(),
    )


def _delivered_line(line: OrderLine, part: DeliveryLine) -> DeliveredLine:
    return DeliveredLine(
        order_line_id=line.order_line_id,
        product_id=line.product_id,
        outlet_id=line.outlet_id,
        quantity=part.quantity,
        accepted_quantity=part.accepted_quantity,
        damaged_quantity=part.damaged_quantity,
        on_time=_on_time(part.delivered_on, line.promise_date),
        in_full=_in_full(line),
    )


def _on_time(delivered_on: date, promise_date: date | None) -> bool | None:
    return None if promise_date is None else delivered_on <= promise_date


def _in_full(line: OrderLine) -> bool:
    # Against what was ordered: a cancelled quantity is missing.
    return line.delivered_quantity >= line.quantity


def _all_on_time(lines: Sequence[OrderLine]) -> bool | None:
    answers = {_on_time(line.delivered_on, line.promise_date) for line in lines if line.delivered_on is not None}
    return False if False in answers else None if None in answers else True
