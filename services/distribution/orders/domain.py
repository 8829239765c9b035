"""An order and its lines: what is owed to a customer, and how much of it is promised, shipped, delivered and cancelled.

Every transition ends in `moved`, which derives status, day and value from exact quantities; nothing else sets them. Facts may come
in any order and twice: what a kind of fact has taken of a line depends on the set of facts alone (`take`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, Literal, TypeVar
from uuid import UUID

from shared import ids
from shared.errors import Conflict, Invalid, NotKnownYet
from shared.events.distribution.orders import CancelledLine, FulfilmentStatus, OrderCancelled, OrderPromised, PromisedLine
from shared.events.sales.deals import FulfilmentType
from shared.money import Money, split

T = TypeVar("T")
N = TypeVar("N", bound="Named")
Kind = Literal["shipped", "delivered", "cancelled"]
Status = Literal["created", "unchanged"]

NOTHING = Decimal(0)


class NothingOpen(Conflict):
    """No line of the order has anything open for this."""


class QuantityExceedsOpen(Conflict):
    """More than is still open of this line."""


class QuantityExceedsOrdered(Conflict):
    """With this, more would be named of the line than was ordered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """One product of an order, at the agreed price. Withdrawn is what the deal no longer asks for; the other quantities sum up facts.

    `…_named` is what facts of that kind say in numbers; the quantity is more where one of them takes all that was left.
    """

    order_line_id: UUID
    order_id: UUID
    line_no: int
    deal_version: int
    product_id: UUID
    sku: str
    fulfilment_type: FulfilmentType
    quantity: Decimal
    unit: str
    net_unit_price: Decimal | None
    net_amount: Decimal
    freight_amount: Decimal | None = None
    ship_by: datetime | None = None
    labels: dict[str, str] = field(default_factory=dict)
    outlet_id: UUID | None
    ship_to_time_zone: str | None
    requested_date: date | None
    confirmed_date: date | None
    previous_promise_date: date | None = None
    promise_date: date | None
    shipped_quantity: Decimal = NOTHING
    shipped_named: Decimal = NOTHING
    delivered_quantity: Decimal = NOTHING
    delivered_named: Decimal = NOTHING
    cancelled_quantity: Decimal = NOTHING
    cancelled_named: Decimal = NOTHING
    withdrawn_quantity: Decimal = NOTHING
    delivered_on: date | None = None
    occurred_at: datetime
    recorded_at: datetime
    asked: str | None = None
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
    """What is owed to a customer: for one won deal, or a call-off under a blanket one. The lines are rows of their own, by number.

    `standing`: the deal still asks for it. `estimated`: `received_at` stands in for an unknown time. `whole_…` are days for lines that
    say none, `wholly_…` tells that a fact holds for all of it, lines to come included. `asked`: digest of the command it was made by.
    """

    order_id: UUID
    deal_id: UUID
    lead_id: UUID
    deal_version: int
    call_off: bool = False
    standing: bool
    source: str | None = None
    external_id: str | None = None
    customer_id: UUID | None = None
    time_zone: str = "UTC"
    estimated: bool = False
    labels: dict[str, str] = field(default_factory=dict)
    whole_requested_date: date | None = None
    whole_promise_date: date | None = None
    wholly_shipped: bool = False
    wholly_delivered: bool = False
    wholly_cancelled: bool = False
    approved_at: datetime | None = None
    status: FulfilmentStatus
    currency: str
    order_value: Decimal
    promise_date: date | None
    received_at: datetime
    recorded_at: datetime
    asked: str | None = None
    version: int = 0
    lines: tuple[OrderLine, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a source tells of an order, checked against nothing but the order; kept as a digest, to know the same again."""

    fact_id: UUID
    order_id: UUID
    occurred_at: datetime
    estimated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a fact says of one line, by id or by number; without a quantity, all that no other fact of its kind names."""

    order_line_id: UUID | None = None
    line_no: int | None = None
    quantity: Decimal | None = None


def order_id_of(deal_id: UUID) -> UUID:
    """The id of a deal's own order: the same whoever derives it."""
    return ids.derived_id("distribution", "order", str(deal_id))


def line_id_of(order_id: UUID, line_no: int) -> UUID:
    """The id of a line that nobody else gave one."""
    return ids.derived_id("distribution", "order_line", f"{order_id}/{line_no}")


def id_of(given: UUID | None, *, source: str | None, external_id: str | None, kind: str) -> UUID | None:
    """The id that is given, or else follows from the name of the thing in its source; None without either. Raises Invalid."""
    if external_id is not None and source is None:
        raise Invalid.at("/source", "SOURCE_REQUIRED", "An external id belongs to a source.")
    if given is not None or external_id is None or source is None:
        return given
    return ids.derived_id(source, kind, external_id)


def digest(command: Any) -> str:
    """A short text that two commands share exactly if they ask for the same: 2 is 2.0, and noon in Paris is 11:00 UTC."""
    return hashlib.sha256(repr(_canonical(command)).encode()).hexdigest()[:32]


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


def named_lines(order: Order, named: Sequence[N]) -> list[tuple[OrderLine, N]]:
    """The lines that a source names, by id or number. Raises NotKnownYet for one that may still come, Invalid for one named twice."""
    by_id = {line.order_line_id: line for line in order.lines}
    by_number = {line.line_no: line for line in order.lines}
    found: dict[UUID, tuple[OrderLine, N]] = {}
    for index, part in enumerate(named):
        if (part.order_line_id is None) == (part.line_no is None):
            raise Invalid.at(f"/lines/{index}/line_no", "LINE_REQUIRED", "A line is named by its id or by its number.")
        line = by_number.get(part.line_no) if part.line_no is not None else by_id.get(part.order_line_id or order.order_id)
        if line is None:
            raise NotKnownYet(order_id=order.order_id, line_no=part.line_no, order_line_id=part.order_line_id)
        if line.order_line_id in found:
            raise Invalid.at(f"/lines/{index}/line_no", "LINE_NAMED_TWICE", "Each line may be named once.")
        found[line.order_line_id] = (line, part)
    return list(found.values())


def take(line: OrderLine, kind: Kind, quantity: Decimal | None) -> tuple[OrderLine, Decimal]:
    """The line after a fact took this much of it, and how much that was; None: all that no other fact of the kind names.

    Once a fact takes the rest, the total is what was ordered, whatever is named before or after. Raises QuantityExceedsOrdered if the
    named quantities alone are more than that.
    """
    taken: Decimal = getattr(line, f"{kind}_quantity")
    named: Decimal = getattr(line, f"{kind}_named")
    if quantity is None:
        return replace(line, **{f"{kind}_quantity": line.quantity}), line.quantity - taken
    if named + quantity > line.quantity:
        raise QuantityExceedsOrdered(order_id=line.order_id, line_no=line.line_no, open=line.quantity - named)
    return replace(line, **{f"{kind}_quantity": max(taken, named + quantity), f"{kind}_named": named + quantity}), quantity


def moved(order: Order, changed: Iterable[OrderLine]) -> Order:
    """The order with these lines in their new state or added to it, and all that follows from the quantities."""
    lines = {line.line_no: line for line in order.lines} | {line.line_no: line for line in changed}
    now = tuple(_withdrawn(lines[number], standing=order.standing) for number in sorted(lines))
    days = [line.promise_date for line in now if line.promise_date is not None]
    return replace(
        order,
        lines=now,
        status=_status(now) if now else _status_without_lines(order),
        order_value=sum((line.net_amount for line in now), Decimal("0.00")),
        promise_date=max(days, default=None) if now else order.whole_promise_date,
    )


def worth(line: OrderLine, quantity: Decimal) -> Decimal:
    """What this much of a line is worth, to the cent. Parts are differences of it, so that they add up to the line's amount."""
    if not quantity:
        return NOTHING
    step = min(Decimal("0.01"), Decimal(1).scaleb(int(line.net_amount.as_tuple().exponent)))
    return split(line.net_amount, [quantity, line.quantity - quantity], step)[0]


def promised(order: Order, *, cause: Literal["received", "replanned", "customer_request"]) -> OrderPromised:
    """What is told of an order with its lines and their days."""
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


def cancelled(
    after: Order, taken: Sequence[tuple[UUID, Decimal]], *, value: Decimal, cause: Literal["imported", "deal_reopened"], at: datetime
) -> OrderCancelled:
    """What is told of quantities that will not be delivered. `value`: what the order lost by it, in its currency."""
    return OrderCancelled(
        lead_id=after.lead_id,
        order_id=after.order_id,
        deal_id=after.deal_id,
        cause=cause,
        cancelled_at=at,
        whole_order=after.status == "cancelled",
        cancelled_value=Money(amount=value + Decimal("0.00"), currency=after.currency),
        lines=tuple(CancelledLine(order_line_id=line_id, cancelled_quantity=quantity) for line_id, quantity in taken),
    )


def _withdrawn(line: OrderLine, *, standing: bool) -> OrderLine:
    asked_for = replace(line, withdrawn_quantity=NOTHING) if line.withdrawn_quantity else line
    return asked_for if standing or not asked_for.open else replace(asked_for, withdrawn_quantity=asked_for.open)


def _status(lines: Sequence[OrderLine]) -> FulfilmentStatus:
    statuses = {line.status for line in lines}
    if statuses == {"cancelled"}:
        return "cancelled"
    if statuses <= {"cancelled", "delivered"}:
        return "delivered"
    return "shipped" if statuses & {"shipped", "delivered"} else "received"


def _status_without_lines(order: Order) -> FulfilmentStatus:
    # As a line of any quantity would stand.
    if order.wholly_delivered:
        return "delivered"
    if order.wholly_cancelled:
        return "cancelled"
    if order.wholly_shipped:
        return "shipped"
    return "received" if order.standing else "cancelled"


def _canonical(value: Any) -> Any:
    if value is None or isinstance(value, str | UUID | bool | int):
        return value
    if isinstance(value, Decimal):
        return value.normalize()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, tuple):
        return [_canonical(part) for part in value]
    if isinstance(value, dict):
        return sorted(value.items())
    if isinstance(value, date):
        return value.isoformat()
    # What is not said does not count, so that a command which can say more one day still knows its former self.
    said = ((name, getattr(value, name)) for name in _names(type(value)))
    return [type(value).__name__, *((name, _canonical(part)) for name, part in said if part is not None)]


@cache
def _names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind))
