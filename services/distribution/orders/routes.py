"""Orders over HTTP: read, promise a day, cancel."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from pydantic import Field

from services.distribution.orders import domain, usecases
from shared.errors import Invalid, NotFound, Stale
from shared.events.distribution.orders import Blocker, FulfilmentStatus
from shared.events.sales.deals import FulfilmentType
from shared.http import edge
from shared.http.bodies import Answer, Body, Command
from shared.http.edge import Call, requires
from shared.http.pages import Page, PageRequest, page_request
from shared.http.problems import problems
from shared.money import Money, PlainDecimal

router = edge.router(tags=["orders"])

LineNo = Annotated[int, Field(ge=0, le=1_000_000)]
Quantity = Annotated[PlainDecimal, Field(gt=0)]


class LineDay(Body):
    """A day for one line."""

    line_no: LineNo
    promise_date: date


class PromiseOrder(Command):
    """Either days for some lines, or one day for all that is still to come."""

    lines: Annotated[tuple[LineDay, ...], Field(min_length=1, max_length=200)] | None = None
    promise_date: date | None = None
    cause: domain.PromiseCause = "replanned"

    def dates(self) -> date | Sequence[tuple[int, date]]:
        """What is promised. Raises Invalid unless it is said in exactly one way."""
        if self.promise_date is not None and self.lines is None:
            return self.promise_date
        if self.promise_date is None and self.lines is not None:
            return [(line.line_no, line.promise_date) for line in self.lines]
        raise Invalid.at("/promise_date", "LINES_OR_DATE", "Give days by line, or one day for all lines.")


class LineQuantity(Body):
    """A part of one line."""

    line_no: LineNo
    quantity: Quantity


class CancelOrder(Command):
    """Quantities that will not be delivered; without lines, all that has not left."""

    cause: Literal["imported"]
    lines: Annotated[tuple[LineQuantity, ...], Field(min_length=1, max_length=200)] | None = None

    def quantities(self) -> Sequence[tuple[int, Decimal]] | None:
        """What is cancelled, by line number; None for all that is open."""
        return None if self.lines is None else [(line.line_no, line.quantity) for line in self.lines]


class OrderLineOut(Answer):
    """One line, with its quantities as exact sums of what is recorded."""

    order_line_id: UUID
    line_no: int
    product_id: UUID
    sku: str
    fulfilment_type: FulfilmentType
    unit: str
    quantity: PlainDecimal
    promised_quantity: PlainDecimal
    shipped_quantity: PlainDecimal
    delivered_quantity: PlainDecimal
    cancelled_quantity: PlainDecimal
    net_unit_price: Money
    net_amount: Money
    outlet_id: UUID | None
    ship_to_time_zone: str | None
    requested_date: date | None
    confirmed_date: date | None
    previous_promise_date: date | None
    promise_date: date | None
    delivered_on: date | None
    status: FulfilmentStatus

    @classmethod
    def of(cls, line: domain.OrderLine, currency: str) -> "OrderLineOut":
        """The line as callers see it: what the deal withdrew counts as cancelled."""
        seen = {
            "promised_quantity": Decimal(0) if line.promise_date is None else max(line.quantity - line.dropped, line.delivered_quantity),
            "cancelled_quantity": line.dropped,
            "net_unit_price": Money(amount=line.net_unit_price, currency=currency),
            "net_amount": Money(amount=line.net_amount, currency=currency),
            "status": line.status,
        }
        return cls.model_validate(asdict(line) | seen)


class OrderOut(Answer):
    """An order. `promise_date` is the latest of its lines; `standing` is false once its deal no longer asks for it."""

    order_id: UUID
    deal_id: UUID
    lead_id: UUID
    deal_version: int
    standing: bool
    status: FulfilmentStatus
    order_value: Money
    promise_date: date | None
    received_at: datetime
    recorded_at: datetime
    blockers: tuple[Blocker, ...] = ()
    lines: tuple[OrderLineOut, ...]
    version: int

    @classmethod
    def of(cls, order: domain.Order) -> "OrderOut":
        """The order as it stands."""
        lines = [OrderLineOut.of(line, order.currency) for line in order.lines]
        return cls.model_validate(asdict(order) | {"order_value": Money(amount=order.order_value, currency=order.currency), "lines": lines})


@router.get("/orders")
async def list_orders(
    call: Annotated[Call, requires("orders:read")],
    page: Annotated[PageRequest, page_request()],
    deal_id: UUID | None = None,
    status: Annotated[FulfilmentStatus | None, Query()] = None,
) -> Page[OrderOut]:
    """Orders in the order in which they were recorded."""
    found = await usecases.list_orders(call.tx, deal_id=deal_id, status=status, after=page.after, limit=page.limit)
    return page.answer(found, key=lambda order: (order.recorded_at, order.order_id), out=OrderOut.of)


@router.get("/orders/{order_id}", responses=problems(NotFound))
async def get_order(order_id: UUID, call: Annotated[Call, requires("orders:read")]) -> OrderOut:
    """An order with its lines, quantities and status."""
    return OrderOut.of(await usecases.get_order(call.tx, order_id))


@router.post("/orders/{order_id}/promise", responses=problems(NotFound, Stale, domain.NothingOpen, domain.LineComplete, Invalid))
async def promise_order(order_id: UUID, body: PromiseOrder, call: Annotated[Call, requires("orders:write", if_match=True)]) -> OrderOut:
    """Promise a day; the promise that was made last holds, whenever it is recorded."""
    cause = call.cause_at(body)
    return OrderOut.of(
        await usecases.promise_order(call.tx, order_id, body.dates(), reason=body.cause, expected=call.expected, cause=cause)
    )


@router.post("/orders/{order_id}/cancel", responses=problems(NotFound, Stale, domain.NothingOpen, domain.QuantityExceedsOpen, Invalid))
async def cancel_order(order_id: UUID, body: CancelOrder, call: Annotated[Call, requires("orders:write", if_match=True)]) -> OrderOut:
    """Cancel what has not left, or a part of it."""
    cause = call.cause_at(body)
    return OrderOut.of(await usecases.cancel_order(call.tx, order_id, body.quantities(), expected=call.expected, cause=cause))
