"""Quantities will not be delivered: cancellations are facts that never change; the order's quantities and money follow from them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from services.distribution.orders import domain as orders
from services.distribution.orders.domain import NOTHING, Named, Order, OrderLine, QuantityExceedsOpen, Told
from shared.errors import Conflict
from shared.events.distribution.orders import OrderCancelled

CancellationCause = Literal["imported"]


class CancellationAlreadyRecorded(Conflict):
    """A cancellation of this id, but other content, is recorded already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineCancellation:
    """A quantity of a line was cancelled, worth `value` in the order's currency. `rest`: all that no other cancellation names."""

    cancellation_id: UUID
    order_line_id: UUID
    order_id: UUID
    deal_version: int
    quantity: Decimal
    rest: bool
    value: Decimal
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """Something of an order will not be delivered; `whole`: all of it, lines to come included. Its lines are rows of their own."""

    cancellation_id: UUID
    order_id: UUID
    whole: bool
    cause: CancellationCause
    estimated: bool
    occurred_at: datetime
    recorded_at: datetime
    asked: str | None = None
    version: int = 0
    lines: tuple[LineCancellation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldCancellation(Told):
    """What a source says of a cancellation; without lines, the whole order is cancelled."""

    cause: CancellationCause = "imported"
    lines: tuple[Named, ...] | None = None


def cancel(
    order: Order, quantities: Sequence[tuple[int, Decimal]] | None, *, cancellation_id: UUID, at: datetime, now: datetime
) -> tuple[Order, Cancellation, OrderCancelled]:
    """Cancels what has not left, all of it if no quantities are named. The values of a line's cancelled parts add up to its amount.

    Raises NothingOpen, QuantityExceedsOpen, Invalid.
    """
    taken = orders.chosen(order, quantities, lambda line: line.open)
    for line, quantity in taken:
        if quantity > line.open:
            raise QuantityExceedsOpen(order_id=order.order_id, line_no=line.line_no, open=line.open)
    head = Cancellation(
        cancellation_id=cancellation_id,
        order_id=order.order_id,
        whole=False,
        cause="imported",
        estimated=False,
        occurred_at=at,
        recorded_at=now,
    )
    return _without(order, head, taken, now=now)


def record(order: Order, told: ToldCancellation, now: datetime) -> tuple[Order, Cancellation, list[OrderCancelled]]:
    """Notes a cancellation that a source tells of, whatever has left or arrived. Raises NotKnownYet, QuantityExceedsOrdered, Invalid."""
    head = Cancellation(
        cancellation_id=told.fact_id,
        order_id=order.order_id,
        whole=told.lines is None,
        cause=told.cause,
        estimated=told.estimated,
        occurred_at=told.occurred_at,
        recorded_at=now,
        asked=orders.digest(told),
    )
    wanted = None if told.lines is None else [(line, part.quantity) for line, part in orders.named_lines(order, told.lines)]
    after, cancellation, event = _without(order, head, _all(order.lines) if wanted is None else wanted, now=now)
    return after, cancellation, [event]


def take_in(
    order: Order, whole: Cancellation, line_ids: Collection[UUID], now: datetime
) -> tuple[Order, Cancellation, list[OrderCancelled]]:
    """What a cancellation of the whole order says of lines that were added after it."""
    added = _all([line for line in order.lines if line.order_line_id in line_ids])
    after, cancellation, event = _without(order, whole, added, now=now)
    return after, cancellation, [event] if added else []


def _all(lines: Sequence[OrderLine]) -> list[tuple[OrderLine, Decimal | None]]:
    return [(line, None) for line in lines]


def _without(
    order: Order, head: Cancellation, wanted: Sequence[tuple[OrderLine, Decimal | None]], *, now: datetime
) -> tuple[Order, Cancellation, OrderCancelled]:
    changed: list[OrderLine] = []
    parts: list[LineCancellation] = []
    for line, asked in wanted:
        less, quantity = orders.take(line, "cancelled", asked)
        changed.append(less)
        parts.append(
            LineCancellation(
                cancellation_id=head.cancellation_id,
                order_line_id=line.order_line_id,
                order_id=order.order_id,
                deal_version=line.deal_version,
                quantity=quantity,
                rest=asked is None,
                value=orders.worth(line, less.cancelled_quantity) - orders.worth(line, line.cancelled_quantity),
                recorded_at=now,
            )
        )
    after = orders.moved(replace(order, wholly_cancelled=order.wholly_cancelled or head.whole), changed)
    event = orders.cancelled(
        after,
        [(part.order_line_id, part.quantity) for part in parts],
        value=_dropped_value(after) - _dropped_value(order),
        cause=head.cause,
        at=head.occurred_at,
    )
    return after, replace(head, lines=tuple(parts)), event


def _dropped_value(order: Order) -> Decimal:
    return sum((orders.worth(line, line.dropped) for line in order.lines if line.dropped), NOTHING)
