"""A day is promised for a line: the promise that was made last holds, whenever it is recorded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from services.distribution.orders import domain as orders
from services.distribution.orders.domain import NothingOpen, Order, OrderLine
from shared.errors import Conflict
from shared.events.distribution.orders import OrderPromised

PromiseCause = Literal["replanned", "customer_request"]


class LineComplete(Conflict):
    """Everything of this line is delivered or cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinePromise:
    """A day was promised for a line, other than the one it was ordered with."""

    promise_id: UUID
    order_line_id: UUID
    order_id: UUID
    deal_version: int
    promise_date: date
    cause: PromiseCause
    occurred_at: datetime
    recorded_at: datetime


def promise(
    order: Order,
    known: Sequence[LinePromise],
    dates: date | Sequence[tuple[int, date]],
    *,
    promise_id: UUID,
    cause: PromiseCause,
    at: datetime,
    now: datetime,
) -> tuple[Order, list[LinePromise], list[OrderPromised]]:
    """Promises a day for some lines, or one day for all that is still to come; tells of it if a date changed.

    The promise made last holds (by `at`, not by arrival), the one before it is kept beside it. Raises NothingOpen, LineComplete, Invalid.
    """
    asked = [(line.line_no, dates) for line in order.lines if line.to_deliver] if isinstance(dates, date) else dates
    if not asked:
        raise NothingOpen(order_id=order.order_id)
    made: list[LinePromise] = []
    for line, day in orders.by_line(order, asked):
        if not line.to_deliver:
            raise LineComplete(order_id=order.order_id, line_no=line.line_no)
        made.append(
            LinePromise(
                promise_id=promise_id,
                order_line_id=line.order_line_id,
                order_id=order.order_id,
                deal_version=line.deal_version,
                promise_date=day,
                cause=cause,
                occurred_at=at,
                recorded_at=now,
            )
        )
    after = orders.moved(order, [_with_promises(line, [*known, *made]) for line in order.lines])
    changed = any(old.promise_date != new.promise_date for old, new in zip(order.lines, after.lines, strict=True))
    return after, made, [orders.promised(after, cause=cause)] if changed else []


def _with_promises(line: OrderLine, facts: Iterable[LinePromise]) -> OrderLine:
    ours = [fact for fact in facts if fact.order_line_id == line.order_line_id and fact.deal_version == line.deal_version]
    made = [(fact.occurred_at, fact.recorded_at, fact.promise_id.int, fact.promise_date) for fact in ours]
    ordered = (line.occurred_at, line.recorded_at, 0, line.confirmed_date or line.requested_date)
    *_, before, last = [None, *(day for *_, day in sorted([ordered, *made], key=lambda fact: fact[:3]))]
    return replace(line, previous_promise_date=before, promise_date=last)
