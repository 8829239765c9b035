"""How far the orders of a deal are, worked out from what distribution told, in whatever order it arrived."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from shared.cause import Version
from shared.events.distribution.orders import FulfilmentStatus, OrderCancelled, OrderDelivered, OrderPromised, OrderShipped
from shared.events.language import Received

FactKind = Literal["promised", "shipped", "delivered", "cancelled"]
OrderEvent = OrderPromised | OrderShipped | OrderDelivered | OrderCancelled

_NONE = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFact:
    """What one fact says about one order line; number, product and promised day are known from promises only."""

    order_line_id: UUID
    quantity: Decimal
    line_no: int | None = None
    product_id: UUID | None = None
    promise_date: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFact:
    """One thing that happened to an order. `whole` says that it settled all of it: the last delivery, or a full cancellation.

    One that settled all and names no line holds for the lines that become known later, too.
    """

    event_id: UUID
    order_id: UUID
    deal_id: UUID
    kind: FactKind
    sequence: int
    whole: bool
    promise_date: date | None
    lines: tuple[LineFact, ...]
    occurred_at: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFulfilment:
    """Exact quantities of one order line. `ordered` is null until distribution has told of the line itself; none shown is more.

    A fact about a whole order may be told again for a line that was added to it: what was told twice counts up to what was ordered.
    """

    order_line_id: UUID
    line_no: int | None
    product_id: UUID | None
    ordered: Decimal | None
    promised: Decimal
    shipped: Decimal
    delivered: Decimal
    cancelled: Decimal
    promise_date: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFulfilment:
    """How far one order is, with the day it was last promised for."""

    order_id: UUID
    status: FulfilmentStatus
    promise_date: date | None
    lines: tuple[LineFulfilment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fulfilment:
    """How far a deal is; status null while nothing is known of any order. The version rises with each fact."""

    deal_id: UUID
    status: FulfilmentStatus | None
    promise_date: date | None
    orders: tuple[OrderFulfilment, ...]
    version: Version


def note(received: Received[OrderEvent], *, recorded_at: datetime) -> OrderFact:
    """The fact that an event of an order tells. `recorded_at`: when sales stores it (UTC)."""
    event = received.event
    match event:
        case OrderPromised():
            kind: FactKind = "promised"
            whole = False
            lines = tuple(
                LineFact(
                    order_line_id=line.order_line_id,
                    quantity=line.quantity,
                    line_no=line.deal_line_no,
                    product_id=line.product_id,
                    promise_date=line.promise_date,
                )
                for line in event.lines
            )
        case OrderShipped():
            kind, whole = "shipped", False
            lines = tuple(LineFact(order_line_id=line.order_line_id, quantity=line.quantity) for line in event.lines)
        case OrderDelivered():
            kind, whole = "delivered", event.order_complete
            lines = tuple(
                LineFact(order_line_id=line.order_line_id, quantity=line.quantity, product_id=line.product_id) for line in event.lines
            )
        case OrderCancelled():
            kind, whole = "cancelled", event.whole_order
            lines = tuple(LineFact(order_line_id=line.order_line_id, quantity=line.cancelled_quantity) for line in event.lines)
    return OrderFact(
        event_id=received.id,
        order_id=event.order_id,
        deal_id=event.deal_id,
        kind=kind,
        sequence=received.sequence,
        whole=whole,
        promise_date=event.promise_date if isinstance(event, OrderPromised) else None,
        lines=lines,
        occurred_at=received.occurred_at,
        recorded_at=recorded_at,
    )


def fulfilment(deal_id: UUID, facts: Iterable[OrderFact]) -> Fulfilment:
    """The state that a set of facts gives, whatever order they arrived in."""
    by_order: dict[UUID, dict[UUID, OrderFact]] = {}
    for fact in facts:
        by_order.setdefault(fact.order_id, {})[fact.event_id] = fact
    orders = tuple(_order(order_id, sorted(known.values(), key=_place)) for order_id, known in sorted(by_order.items()))
    alive = [order for order in orders if order.status != "cancelled"]
    return Fulfilment(
        deal_id=deal_id,
        status=_status_of_deal(orders),
        promise_date=max((order.promise_date for order in alive if order.promise_date), default=None),
        orders=orders,
        version=1 + sum(len(known) for known in by_order.values()),
    )


def _place(fact: OrderFact) -> tuple[int, UUID]:
    return fact.sequence, fact.event_id


def _order(order_id: UUID, facts: Sequence[OrderFact]) -> OrderFulfilment:
    promises = [fact for fact in facts if fact.kind == "promised"]
    promised = {line.order_line_id: line for line in promises[-1].lines} if promises else {}
    line_ids = dict.fromkeys((*promised, *sorted({line.order_line_id for fact in facts for line in fact.lines})))
    lines = tuple(_line(line_id, promised.get(line_id), facts) for line_id in line_ids)
    return OrderFulfilment(
        order_id=order_id,
        status=_status(lines, facts),
        promise_date=promises[-1].promise_date if promises else None,
        lines=tuple(sorted(lines, key=lambda line: (line.line_no is None, line.line_no or 0, line.order_line_id))),
    )


def _line(order_line_id: UUID, promised: LineFact | None, facts: Sequence[OrderFact]) -> LineFulfilment:
    ordered = promised.quantity if promised else None
    return LineFulfilment(
        order_line_id=order_line_id,
        line_no=promised.line_no if promised else None,
        product_id=next((line.product_id for line in _told(order_line_id, facts) if line.product_id), None),
        ordered=ordered,
        promised=promised.quantity if promised and promised.promise_date else _NONE,
        shipped=_quantity("shipped", order_line_id, ordered, facts),
        delivered=_quantity("delivered", order_line_id, ordered, facts),
        cancelled=_quantity("cancelled", order_line_id, ordered, facts),
        promise_date=promised.promise_date if promised else None,
    )


def _told(order_line_id: UUID, facts: Iterable[OrderFact]) -> list[LineFact]:
    return [line for fact in facts for line in fact.lines if line.order_line_id == order_line_id]


def _quantity(kind: FactKind, order_line_id: UUID, ordered: Decimal | None, facts: Sequence[OrderFact]) -> Decimal:
    ours = [fact for fact in facts if fact.kind == kind]
    named = sum((line.quantity for line in _told(order_line_id, ours)), _NONE)
    if ordered is None:
        return named
    return ordered if any(_holds_for_all(fact) for fact in ours) else min(named, ordered)


def _holds_for_all(fact: OrderFact) -> bool:
    # Of a shipment that names no line nobody says that it is whole: it cannot be anything else.
    return not fact.lines and (fact.whole or fact.kind == "shipped")


def _status(lines: Sequence[LineFulfilment], facts: Sequence[OrderFact]) -> FulfilmentStatus:
    if any(fact.kind == "delivered" for fact in facts) and _settled("delivered", lines, facts):
        return "delivered"
    kinds = {fact.kind for fact in facts}
    if "cancelled" in kinds and "delivered" not in kinds and _settled("cancelled", lines, facts):
        return "cancelled"
    return "shipped" if kinds & {"shipped", "delivered"} else "received"


def _settled(kind: FactKind, lines: Sequence[LineFulfilment], facts: Sequence[OrderFact]) -> bool:
    ordered = [line for line in lines if line.ordered is not None]
    if not ordered:  # the order itself is not known yet: only distribution's own word says that it is complete
        return any(fact.whole for fact in facts if fact.kind == kind)
    if kind == "cancelled":
        return all(line.cancelled >= (line.ordered or _NONE) for line in ordered)
    return all(line.delivered + line.cancelled >= (line.ordered or _NONE) for line in ordered)


def _status_of_deal(orders: Sequence[OrderFulfilment]) -> FulfilmentStatus | None:
    statuses: set[FulfilmentStatus] = {order.status for order in orders}
    alive: set[FulfilmentStatus] = {status for status in statuses if status != "cancelled"}
    if not statuses:
        return None
    if len(alive) <= 1:
        return next(iter(alive or statuses))
    return "shipped"  # some orders are further than others: the deal is on its way
