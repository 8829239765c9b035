"""An order: what a won deal asks for, and how much of each line is promised, shipped, delivered and cancelled.

Every transition ends in `moved`, which derives status and dates from exact quantities; nothing else sets them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, TypeVar
from uuid import UUID

from services.distribution.deals import domain as deals
from services.distribution.deals.domain import Deal
from shared import ids
from shared.errors import Conflict, Invalid
from shared.events.distribution.orders import CancelledLine, FulfilmentStatus, OrderCancelled, OrderPromised, PromisedLine
from shared.events.sales.deals import DealClosed, DealLine, FulfilmentType
from shared.money import Money, split, total

T = TypeVar("T")
PromiseCause = Literal["replanned", "customer_request"]

NOTHING = Decimal(0)


class NothingOpen(Conflict):
    """No line of the order has anything open for this."""


class LineComplete(Conflict):
    """Everything of this line is delivered or cancelled."""


class QuantityExceedsOpen(Conflict):
    """More than is still open of this line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """One product of an order, at the agreed price. Withdrawn is what the deal no longer asks for; the other quantities sum up facts."""

    order_line_id: UUID
    order_id: UUID
    line_no: int
    deal_version: int
    product_id: UUID
    sku: str
    fulfilment_type: FulfilmentType
    quantity: Decimal
    unit: str
    net_unit_price: Decimal
    net_amount: Decimal
    outlet_id: UUID | None
    ship_to_time_zone: str | None
    requested_date: date | None
    confirmed_date: date | None
    previous_promise_date: date | None
    promise_date: date | None
    shipped_quantity: Decimal
    delivered_quantity: Decimal
    cancelled_quantity: Decimal
    withdrawn_quantity: Decimal
    delivered_on: date | None
    occurred_at: datetime
    recorded_at: datetime
    version: int = 0

    @property
    def dropped(self) -> Decimal:
        """What will not be delivered, cancelled or withdrawn."""
        return self.cancelled_quantity + self.withdrawn_quantity

    @property
    def left(self) -> Decimal:
        """What has left the house: shipped, or delivered where no shipment is known."""
        return max(self.shipped_quantity, self.delivered_quantity)

    @property
    def open(self) -> Decimal:
        """What has neither left nor been dropped."""
        return max(self.quantity - self.dropped - self.left, NOTHING)

    @property
    def to_deliver(self) -> Decimal:
        """What the customer still waits for."""
        return max(self.quantity - self.dropped - self.delivered_quantity, NOTHING)

    @property
    def status(self) -> FulfilmentStatus:
        """Where the line stands, by exact quantities; shipped: some of it has left, and some is still to come."""
        if not self.to_deliver:
            return "delivered" if self.delivered_quantity else "cancelled"
        return "shipped" if self.left else "received"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is owed to a customer for one deal. `standing`: the deal still asks for it. The lines are rows of their own, by number."""

    order_id: UUID
    deal_id: UUID
    lead_id: UUID
    deal_version: int
    standing: bool
    status: FulfilmentStatus
    currency: str
    order_value: Decimal
    promise_date: date | None
    received_at: datetime
    recorded_at: datetime
    version: int = 0
    lines: tuple[OrderLine, ...] = ()


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


@dataclass(frozen=True, slots=True, kw_only=True)
class LineCancellation:
    """A quantity of a line was cancelled, worth `value` in the order's currency."""

    cancellation_id: UUID
    order_line_id: UUID
    order_id: UUID
    deal_version: int
    quantity: Decimal
    value: Decimal
    cause: Literal["imported"]
    occurred_at: datetime
    recorded_at: datetime


def order_id_of(deal_id: UUID) -> UUID:
    """The id of a deal's own order: the same whoever derives it."""
    return ids.derived_id("distribution", "order", str(deal_id))


def apply_deal(order: Order | None, deal: Deal, closed: DealClosed, *, now: datetime) -> Order | None:
    """A deal's order after one more close was heard of; closes may arrive in any order, and twice. `deal`: how it closed last.

    A newer close replaces the lines of which nothing has left. ValueError if its lines are in several currencies.
    """
    if deals.asks_for_order(closed) and (order is None or closed.deal_version > order.deal_version):
        order = _asked_by(closed, order, now=now)
    return None if order is None else moved(replace(order, standing=deal.owes_order), ())


def announce(before: Order | None, after: Order, *, at: datetime) -> list[OrderPromised | OrderCancelled]:
    """What to tell of an order that followed its deal: promised if its content is new, cancelled if the deal stopped asking for it."""
    renewed = before is None or before.deal_version != after.deal_version
    events: list[OrderPromised | OrderCancelled] = [_promised(after, cause="received")] if renewed else []
    taken = [(line, line.withdrawn_quantity) for line in after.lines if line.withdrawn_quantity]
    if taken and (before is None or renewed or before.standing):
        events.append(
            _cancelled(after, [(replace(line, withdrawn_quantity=NOTHING), q) for line, q in taken], cause="deal_reopened", at=at)
        )
    return events


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
    for line, day in by_line(order, asked):
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
    after = moved(order, [_with_promises(line, [*known, *made]) for line in order.lines])
    changed = any(old.promise_date != new.promise_date for old, new in zip(order.lines, after.lines, strict=True))
    return after, made, [_promised(after, cause=cause)] if changed else []


def cancel(
    order: Order, quantities: Sequence[tuple[int, Decimal]] | None, *, cancellation_id: UUID, at: datetime, now: datetime
) -> tuple[Order, list[LineCancellation], OrderCancelled]:
    """Cancels what has not left, all of it if no quantities are named. The values of a line's cancelled parts add up to its amount.

    Raises NothingOpen, QuantityExceedsOpen, Invalid.
    """
    taken = chosen(order, quantities, lambda line: line.open)
    for line, quantity in taken:
        if quantity > line.open:
            raise QuantityExceedsOpen(order_id=order.order_id, line_no=line.line_no, open=line.open)
    after = moved(order, [replace(line, cancelled_quantity=line.cancelled_quantity + quantity) for line, quantity in taken])
    facts = [
        LineCancellation(
            cancellation_id=cancellation_id,
            order_line_id=line.order_line_id,
            order_id=order.order_id,
            deal_version=line.deal_version,
            quantity=quantity,
            value=_worth(line, quantity),
            cause="imported",
            occurred_at=at,
            recorded_at=now,
        )
        for line, quantity in taken
    ]
    return after, facts, _cancelled(after, taken, cause="imported", at=at)


def by_line(order: Order, asked: Sequence[tuple[int, T]]) -> list[tuple[OrderLine, T]]:
    """The lines of these numbers, each with what is asked of it. Raises Invalid for one that is unknown or named twice."""
    lines = {line.line_no: line for line in order.lines}
    found: list[tuple[OrderLine, T]] = []
    for index, (line_no, what) in enumerate(asked):
        if line_no not in lines:
            raise Invalid.at(f"/lines/{index}/line_no", "UNKNOWN_LINE", "The order has no line of this number.")
        if any(line.line_no == line_no for line, _ in found):
            raise Invalid.at(f"/lines/{index}/line_no", "LINE_NAMED_TWICE", "Each line may be named once.")
        found.append((lines[line_no], what))
    return found


def chosen(
    order: Order, quantities: Sequence[tuple[int, Decimal]] | None, of_all: Callable[[OrderLine], Decimal]
) -> list[tuple[OrderLine, Decimal]]:
    """The lines and quantities that are named, or else all that `of_all` finds. Raises NothingOpen if that is nothing, Invalid."""
    found = by_line(order, [(line.line_no, of_all(line)) for line in order.lines if of_all(line)] if quantities is None else quantities)
    if not found:
        raise NothingOpen(order_id=order.order_id)
    return found


def moved(order: Order, changed: Iterable[OrderLine]) -> Order:
    """The order with these lines in their new state, and all that follows from the quantities."""
    new = {line.line_no: line for line in changed}
    facts = [replace(new.get(line.line_no, line), withdrawn_quantity=NOTHING) for line in order.lines]
    lines = tuple(line if order.standing else replace(line, withdrawn_quantity=line.open) for line in facts)
    days = [line.promise_date for line in lines if line.promise_date is not None]
    return replace(order, lines=lines, status=_status(lines), promise_date=max(days, default=None))


def _status(lines: Sequence[OrderLine]) -> FulfilmentStatus:
    statuses = {line.status for line in lines}
    if statuses == {"cancelled"}:
        return "cancelled"
    if statuses <= {"cancelled", "delivered"}:
        return "delivered"
    return "shipped" if statuses & {"shipped", "delivered"} else "received"


def _asked_by(closed: DealClosed, order: Order | None, *, now: datetime) -> Order:
    order_id = order_id_of(closed.deal_id)
    former = {line.line_no: line for line in order.lines} if order else {}
    lines = {no: line for no, line in former.items() if line.left}
    for asked in closed.lines:
        if asked.line_no not in lines:
            known = former.get(asked.line_no)
            lines[asked.line_no] = _line(order_id, closed, asked, now=now, version=known.version if known else 0)
    value = total((line.net_amount for line in closed.lines), closed.lines[0].net_amount.currency)
    asked_anew = Order(
        order_id=order_id,
        deal_id=closed.deal_id,
        lead_id=closed.lead_id,
        deal_version=closed.deal_version,
        standing=True,
        status="received",
        currency=value.currency,
        order_value=sum((line.net_amount for line in lines.values()), NOTHING),
        promise_date=None,
        received_at=closed.closed_at,
        recorded_at=now,
        lines=tuple(lines[no] for no in sorted(lines)),
    )
    return replace(asked_anew, version=order.version, recorded_at=order.recorded_at) if order else asked_anew


def _line(order_id: UUID, closed: DealClosed, asked: DealLine, *, now: datetime, version: int) -> OrderLine:
    return OrderLine(
        order_line_id=ids.derived_id("distribution", "order_line", f"{order_id}/{asked.line_no}"),
        order_id=order_id,
        line_no=asked.line_no,
        deal_version=closed.deal_version,
        product_id=asked.product_id,
        sku=asked.sku,
        fulfilment_type="service" if asked.fulfilment_type == "service" else "goods",
        quantity=asked.quantity,
        unit=asked.unit,
        net_unit_price=asked.net_unit_price.amount,
        net_amount=asked.net_amount.amount,
        outlet_id=asked.outlet_id,
        ship_to_time_zone=asked.ship_to_time_zone,
        requested_date=asked.requested_date,
        confirmed_date=asked.confirmed_date,
        previous_promise_date=None,
        promise_date=asked.confirmed_date or asked.requested_date,
        shipped_quantity=NOTHING,
        delivered_quantity=NOTHING,
        cancelled_quantity=NOTHING,
        withdrawn_quantity=NOTHING,
        delivered_on=None,
        occurred_at=closed.closed_at,
        recorded_at=now,
        version=version,
    )


def _with_promises(line: OrderLine, facts: Iterable[LinePromise]) -> OrderLine:
    ours = [fact for fact in facts if fact.order_line_id == line.order_line_id and fact.deal_version == line.deal_version]
    made = [(fact.occurred_at, fact.recorded_at, fact.promise_id.int, fact.promise_date) for fact in ours]
    ordered = (line.occurred_at, line.recorded_at, 0, line.confirmed_date or line.requested_date)
    *_, before, last = [None, *(day for *_, day in sorted([ordered, *made], key=lambda fact: fact[:3]))]
    return replace(line, previous_promise_date=before, promise_date=last)


def _worth(line: OrderLine, quantity: Decimal) -> Decimal:
    """What dropping this much more of a line is worth: a difference of rounded totals, so that all differences add up."""

    def of_total(dropped: Decimal) -> Decimal:
        if not dropped:
            return NOTHING
        step = min(Decimal("0.01"), Decimal(1).scaleb(int(line.net_amount.as_tuple().exponent)))
        return split(line.net_amount, [dropped, line.quantity - dropped], step)[0]

    return of_total(line.dropped + quantity) - of_total(line.dropped)


def _promised(order: Order, *, cause: Literal["received", "replanned", "customer_request"]) -> OrderPromised:
    return OrderPromised(
        lead_id=order.lead_id,
        order_id=order.order_id,
        deal_id=order.deal_id,
        deal_version=order.deal_version,
        received_at=order.received_at,
        order_value=Money(amount=order.order_value, currency=order.currency),
        cause=cause,
        promise_date=order.promise_date,
        blockers=(),
        lines=tuple(
            PromisedLine(
                order_line_id=line.order_line_id,
                deal_line_no=line.line_no,
                product_id=line.product_id,
                fulfilment_type=line.fulfilment_type,
                quantity=line.quantity,
                outlet_id=line.outlet_id,
                requested_date=line.requested_date,
                previous_promise_date=line.previous_promise_date,
                promise_date=line.promise_date,
                status=line.status,
            )
            for line in order.lines
        ),
    )


def _cancelled(
    after: Order, taken: Sequence[tuple[OrderLine, Decimal]], *, cause: Literal["imported", "deal_reopened"], at: datetime
) -> OrderCancelled:
    return OrderCancelled(
        lead_id=after.lead_id,
        order_id=after.order_id,
        deal_id=after.deal_id,
        cause=cause,
        cancelled_at=at,
        whole_order=after.status == "cancelled",
        cancelled_value=Money(amount=sum((_worth(line, quantity) for line, quantity in taken), Decimal("0.00")), currency=after.currency),
        lines=tuple(CancelledLine(order_line_id=line.order_line_id, cancelled_quantity=quantity) for line, quantity in taken),
    )
