"""What leaves: shipments are facts that never change; the order's quantities follow from them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from services.distribution.orders import domain as orders
from services.distribution.orders.domain import NOTHING, Named, Order, OrderLine, QuantityExceedsOpen, Told
from shared.errors import Conflict
from shared.events.distribution.orders import OrderShipped, ShippedLine


class ServiceNeedsNoShipment(Conflict):
    """A service is delivered without a shipment."""


class ShipmentAlreadyRecorded(Conflict):
    """A shipment of this id, but other content, is recorded already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentLine:
    """How much of an order line left with a shipment. `rest`: all that no other shipment names."""

    shipment_id: UUID
    order_line_id: UUID
    quantity: Decimal
    rest: bool
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """Goods of an order left; `occurred_at` is when. `whole`: all goods of it, lines to come included. Its lines are rows of their own."""

    shipment_id: UUID
    order_id: UUID
    whole: bool
    carrier_code: str | None
    expected_delivery_date: date | None
    estimated: bool
    occurred_at: datetime
    recorded_at: datetime
    asked: str | None = None
    version: int = 0
    lines: tuple[ShipmentLine, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldShipment(Told):
    """What a source says of a shipment; without lines, all goods of the order left with it."""

    carrier_code: str | None = None
    expected_delivery_date: date | None = None
    lines: tuple[Named, ...] | None = None


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
        _must_be_goods(line)
        if quantity > to_ship(line):
            raise QuantityExceedsOpen(order_id=order.order_id, line_no=line.line_no, open=to_ship(line))
    head = Shipment(
        shipment_id=shipment_id,
        order_id=order.order_id,
        whole=False,
        carrier_code=carrier_code,
        expected_delivery_date=expected_delivery_date,
        estimated=False,
        occurred_at=at,
        recorded_at=now,
    )
    return _gone(order, head, taken, now=now)


def record(order: Order, told: ToldShipment, now: datetime) -> tuple[Order, Shipment, list[OrderShipped]]:
    """Notes a shipment that a source tells of, whatever has become of the order.

    Raises NotKnownYet, QuantityExceedsOrdered, ServiceNeedsNoShipment, Invalid.
    """
    head = Shipment(
        shipment_id=told.fact_id,
        order_id=order.order_id,
        whole=told.lines is None,
        carrier_code=told.carrier_code,
        expected_delivery_date=told.expected_delivery_date,
        estimated=told.estimated,
        occurred_at=told.occurred_at,
        recorded_at=now,
        asked=orders.digest(told),
    )
    wanted = None if told.lines is None else [(line, part.quantity) for line, part in orders.named_lines(order, told.lines)]
    for line, _ in wanted or ():
        _must_be_goods(line)
    after, shipment, event = _gone(order, head, _all_goods(order.lines) if wanted is None else wanted, now=now)
    return after, shipment, [event]


def take_in(order: Order, whole: Shipment, line_ids: Collection[UUID], now: datetime) -> tuple[Order, Shipment, list[OrderShipped]]:
    """What a shipment of the whole order says of lines that were added after it."""
    added = _all_goods([line for line in order.lines if line.order_line_id in line_ids])
    after, shipment, event = _gone(order, whole, added, now=now)
    return after, shipment, [event] if added else []


def check_same_shipment(
    known: Shipment, order: Order, quantities: Sequence[tuple[int, Decimal]] | None, *, at: datetime | None, **said: object
) -> None:
    """Raises ShipmentAlreadyRecorded unless the recorded shipment is what is said again; what is not said (None) is no difference."""
    numbers = {line.order_line_id: line.line_no for line in order.lines}
    recorded = {numbers[line.order_line_id]: line.quantity for line in known.lines if line.order_line_id in numbers}
    same = known.order_id == order.order_id and (quantities is None or dict(quantities) == recorded)
    if not (same and at in (None, known.occurred_at) and all(value in (None, getattr(known, name)) for name, value in said.items())):
        raise ShipmentAlreadyRecorded(shipment_id=known.shipment_id)


def _must_be_goods(line: OrderLine) -> None:
    if line.fulfilment_type == "service":
        raise ServiceNeedsNoShipment(order_id=line.order_id, line_no=line.line_no)


def _all_goods(lines: Sequence[OrderLine]) -> list[tuple[OrderLine, Decimal | None]]:
    return [(line, None) for line in lines if line.fulfilment_type != "service"]


def _gone(
    order: Order, head: Shipment, wanted: Sequence[tuple[OrderLine, Decimal | None]], *, now: datetime
) -> tuple[Order, Shipment, OrderShipped]:
    changed: list[OrderLine] = []
    parts: list[ShipmentLine] = []
    for line, asked in wanted:
        less, quantity = orders.take(line, "shipped", asked)
        changed.append(less)
        parts.append(
            ShipmentLine(
                shipment_id=head.shipment_id,
                order_line_id=line.order_line_id,
                quantity=quantity,
                rest=asked is None,
                recorded_at=now,
            )
        )
    after = orders.moved(replace(order, wholly_shipped=order.wholly_shipped or head.whole), changed)
    shipment = replace(head, lines=tuple(parts))
    return after, shipment, _shipped(after, shipment)


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
