"""What arrives: deliveries are facts that never change; the order's quantities and days follow from them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from services.distribution.orders import domain as orders
from services.distribution.orders.domain import NOTHING, Named, Order, OrderLine, QuantityExceedsOrdered, Told
from shared import calendar
from shared.errors import Conflict, Invalid
from shared.events.distribution.orders import DeliveredLine, OrderDelivered


class QuantityExceedsShipment(Conflict):
    """More than is still on its way with this shipment."""


class DeliveryAlreadyRecorded(Conflict):
    """A delivery of this id, but other content, is recorded already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryLine:
    """How much of an order line arrived, and on which day where it arrived. What was refused is neither accepted nor damaged.

    `rest`: all that no other delivery names.
    """

    delivery_id: UUID
    order_line_id: UUID
    quantity: Decimal
    rest: bool
    accepted_quantity: Decimal
    damaged_quantity: Decimal
    delivered_on: date
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Something of an order arrived, or a service was performed; `occurred_at` is when. Its lines are rows of their own.

    `whole`: all of it, lines to come included. `day_only`: only the day of `occurred_at` is known. `reported_at`: when the source heard.
    """

    delivery_id: UUID
    order_id: UUID
    shipment_id: UUID | None
    whole: bool
    receipt_confirmed: bool | None
    day_only: bool
    reported_at: datetime | None
    estimated: bool
    occurred_at: datetime
    recorded_at: datetime
    asked: str | None = None
    version: int = 0
    lines: tuple[DeliveryLine, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the customer says to have received of a line. Accepted is, if it is not said, all that is not damaged."""

    line_no: int
    quantity: Decimal
    accepted_quantity: Decimal | None = None
    damaged_quantity: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedReceipt(Named):
    """The same as a source says it. What is accepted and damaged can only be said of a quantity."""

    accepted_quantity: Decimal | None = None
    damaged_quantity: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldDelivery(Told):
    """What a source says of a delivery; without lines, the whole order arrived with it. The shipment may be told later."""

    shipment_id: UUID | None = None
    day_only: bool = False
    reported_at: datetime | None = None
    receipt_confirmed: bool | None = None
    lines: tuple[NamedReceipt, ...] | None = None


@dataclass(frozen=True, slots=True)
class _Arrival:
    quantity: Decimal | None = None
    accepted_quantity: Decimal | None = None
    damaged_quantity: Decimal | None = None


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
    wanted: list[tuple[OrderLine, _Arrival]] = []
    for place, (line, quantity) in enumerate(taken):
        if aboard is not None and quantity > aboard.get(line.order_line_id, NOTHING):
            raise QuantityExceedsShipment(order_id=order.order_id, line_no=line.line_no, shipment_id=shipment_id)
        if line.delivered_quantity + quantity > line.quantity:
            raise QuantityExceedsOrdered(order_id=order.order_id, line_no=line.line_no, open=line.quantity - line.delivered_quantity)
        receipt = said.get(line.line_no)
        parts = (receipt.accepted_quantity, receipt.damaged_quantity) if receipt else (None, None)
        wanted.append((line, _checked(_Arrival(quantity, *parts), place)))
    head = Delivery(
        delivery_id=delivery_id,
        order_id=order.order_id,
        shipment_id=shipment_id,
        whole=False,
        receipt_confirmed=receipt_confirmed,
        day_only=False,
        reported_at=None,
        estimated=False,
        occurred_at=at,
        recorded_at=now,
    )
    return _arrived(order, head, wanted, now=now)


def record(order: Order, told: ToldDelivery, now: datetime) -> tuple[Order, Delivery, list[OrderDelivered]]:
    """Notes a delivery that a source tells of, whatever has become of the order. Raises NotKnownYet, QuantityExceedsOrdered, Invalid."""
    head = Delivery(
        delivery_id=told.fact_id,
        order_id=order.order_id,
        shipment_id=told.shipment_id,
        whole=told.lines is None,
        receipt_confirmed=told.receipt_confirmed,
        day_only=told.day_only,
        reported_at=told.reported_at,
        estimated=told.estimated,
        occurred_at=told.occurred_at,
        recorded_at=now,
        asked=orders.digest(told),
    )
    wanted = _all(order.lines)
    if told.lines is not None:
        wanted = [
            (line, _checked(_Arrival(part.quantity, part.accepted_quantity, part.damaged_quantity), place))
            for place, (line, part) in enumerate(orders.named_lines(order, told.lines))
        ]
    after, delivery, event = _arrived(order, head, wanted, now=now)
    return after, delivery, [event]


def take_in(order: Order, whole: Delivery, line_ids: Collection[UUID], now: datetime) -> tuple[Order, Delivery, list[OrderDelivered]]:
    """What a delivery of the whole order says of lines that were added after it."""
    added = _all([line for line in order.lines if line.order_line_id in line_ids])
    after, delivery, event = _arrived(order, whole, added, now=now)
    return after, delivery, [event] if added else []


def check_same_delivery(known: Delivery, order: Order, receipts: Sequence[Receipt] | None, *, at: datetime | None, **said: object) -> None:
    """Raises DeliveryAlreadyRecorded unless the recorded delivery is what is said again; what is not said (None) is no difference."""
    numbers = {line.order_line_id: line.line_no for line in order.lines}
    recorded = {(numbers.get(line.order_line_id), line.quantity, line.accepted_quantity, line.damaged_quantity) for line in known.lines}
    again = {(each.line_no, each.quantity, *_kept(each.quantity, each.accepted_quantity, each.damaged_quantity)) for each in receipts or ()}
    same = known.order_id == order.order_id and (receipts is None or again == recorded)
    if not (same and at in (None, known.occurred_at) and all(value in (None, getattr(known, name)) for name, value in said.items())):
        raise DeliveryAlreadyRecorded(delivery_id=known.delivery_id)


def _all(lines: Sequence[OrderLine]) -> list[tuple[OrderLine, _Arrival]]:
    return [(line, _Arrival()) for line in lines]


def _checked(arrival: _Arrival, place: int) -> _Arrival:
    parts = (("damaged_quantity", arrival.damaged_quantity), ("accepted_quantity", arrival.accepted_quantity))
    for name, part in parts:
        if part is not None and arrival.quantity is None:
            raise Invalid.at(f"/lines/{place}/quantity", "QUANTITY_REQUIRED", "What is accepted or damaged is a part of a quantity.")
        if part is not None and arrival.quantity is not None and part > arrival.quantity:
            raise Invalid.at(f"/lines/{place}/{name}", "EXCEEDS_QUANTITY", "No part can be more than what arrived.")
    return arrival


def _kept(quantity: Decimal, accepted: Decimal | None, damaged: Decimal | None) -> tuple[Decimal, Decimal]:
    """Accepted and damaged."""
    spoilt = damaged or NOTHING
    return quantity - spoilt if accepted is None else accepted, spoilt


def _arrived(
    order: Order, head: Delivery, wanted: Sequence[tuple[OrderLine, _Arrival]], *, now: datetime
) -> tuple[Order, Delivery, OrderDelivered]:
    changed: list[OrderLine] = []
    parts: list[DeliveryLine] = []
    for line, arrival in wanted:
        more, quantity = orders.take(line, "delivered", arrival.quantity)
        accepted, damaged = _kept(quantity, arrival.accepted_quantity, arrival.damaged_quantity)
        day = _day(head.occurred_at, line.ship_to_time_zone)
        changed.append(replace(more, delivered_on=max(day, line.delivered_on or day)))
        parts.append(
            DeliveryLine(
                delivery_id=head.delivery_id,
                order_line_id=line.order_line_id,
                quantity=quantity,
                rest=arrival.quantity is None,
                accepted_quantity=accepted,
                damaged_quantity=damaged,
                delivered_on=day,
                recorded_at=now,
            )
        )
    after = orders.moved(replace(order, wholly_delivered=order.wholly_delivered or head.whole), changed)
    delivery = replace(head, lines=tuple(parts))
    return after, delivery, _delivered(after, delivery)


def _day(at: datetime, time_zone: str | None) -> date:
    try:
        return calendar.local_day(at, time_zone or "UTC")
    except (ValueError, OverflowError):  # a zone that only its source knows; an hour before the calendar begins
        return calendar.local_day(at, "UTC")


def _delivered(order: Order, delivery: Delivery) -> OrderDelivered:
    lines = {line.order_line_id: line for line in order.lines}
    day = max((part.delivered_on for part in delivery.lines), default=_day(delivery.occurred_at, order.time_zone))
    complete = not any(line.to_deliver for line in order.lines)
    on_time = _all_on_time(order.lines) if order.lines else _on_time(day, order.promise_date)
    return OrderDelivered(
        lead_id=order.lead_id,
        order_id=order.order_id,
        deal_id=order.deal_id,
        delivery_id=delivery.delivery_id,
        shipment_id=delivery.shipment_id,
        delivered_at=delivery.occurred_at,
        delivered_local_date=day,
        lines=tuple(_delivered_line(lines[part.order_line_id], part) for part in delivery.lines),
        order_complete=complete,
        order_on_time=on_time if complete else None,
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
