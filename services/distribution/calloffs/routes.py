"""Orders over HTTP: read, call off, add lines, promise a day, approve, cancel. What answers a whole order stands here."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from pydantic import AwareDatetime, Field

from services.distribution.approvals import domain as approval
from services.distribution.approvals import usecases as approvals
from services.distribution.calloffs import domain, usecases
from services.distribution.calloffs.usecases import AddLine
from services.distribution.cancellations import domain as cancellation
from services.distribution.cancellations import usecases as cancellations
from services.distribution.orders import domain as orders
from services.distribution.orders import usecases as order_usecases
from services.distribution.orders.usecases import Asked, Recorded
from services.distribution.promises import domain as promise
from services.distribution.promises import usecases as promises
from shared import ids
from shared.errors import Invalid, NotFound, NotKnownYet, Stale
from shared.events.distribution.orders import Blocker, FulfilmentStatus
from shared.events.sales.deals import FulfilmentType
from shared.http import edge
from shared.http.bodies import STORABLE, Answer, Body, Command, ItemList, Labels, Result, Results, Word
from shared.http.edge import Call, requires
from shared.http.pages import Page, PageRequest, page_request
from shared.http.problems import problems
from shared.money import Money, PlainDecimal

router = edge.router(tags=["orders"])

LineNo = Annotated[int, Field(ge=0, le=1_000_000)]
Part = Annotated[PlainDecimal, Field(gt=0)]
# a price times a quantity stays exact in 28 digits
Price = Annotated[PlainDecimal, Field(ge=0, max_digits=16, decimal_places=4)]
Quantity = Annotated[PlainDecimal, Field(gt=0, max_digits=12, decimal_places=4)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
ExternalId = Annotated[str, Field(min_length=1, max_length=128, pattern=STORABLE)]
Moment = Annotated[AwareDatetime, Field(ge=datetime(1900, 1, 1, tzinfo=UTC), lt=datetime(9000, 1, 1, tzinfo=UTC))]


class LineDay(Body):
    """A day for one line."""

    line_no: LineNo
    promise_date: date


class PromiseOrder(Command):
    """Either days for some lines, or one day for all that is still to come."""

    lines: Annotated[tuple[LineDay, ...], Field(min_length=1, max_length=200)] | None = None
    promise_date: date | None = None
    cause: promise.PromiseCause = "replanned"

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
    quantity: Part


class CancelOrder(Command):
    """Quantities that will not be delivered; without lines, all that has not left."""

    cause: cancellation.CancellationCause
    lines: Annotated[tuple[LineQuantity, ...], Field(min_length=1, max_length=200)] | None = None

    def quantities(self) -> Sequence[tuple[int, Decimal]] | None:
        """What is cancelled, by line number; None for all that is open."""
        return None if self.lines is None else [(line.line_no, line.quantity) for line in self.lines]


class Amount(Body):
    """A price or an amount."""

    amount: Price
    currency: Currency

    def money(self) -> Money:
        """The amount as the domain has it."""
        return Money(amount=self.amount, currency=self.currency)


class LineOfOrder(Body):
    """One product that is called off. A unit price or an amount is needed; where both are given, the amount counts."""

    order_line_id: UUID | None = None
    source: Word | None = None
    external_id: ExternalId | None = None
    line_no: LineNo | None = None
    product_id: UUID | None = None
    sku: Word | None = None
    fulfilment_type: FulfilmentType = "goods"
    quantity: Quantity
    unit: Word = "piece"
    net_unit_price: Amount | None = None
    net_amount: Amount | None = None
    freight_amount: Amount | None = None
    ship_by: Moment | None = None
    requested_date: date | None = None
    promise_date: date | None = None
    outlet_id: UUID | None = None
    ship_to_time_zone: Word | None = None
    labels: Labels = Field(default_factory=dict)

    def asked(self, source: str | None = None) -> domain.AskedLine:
        """The line as the domain has it; `source`: of the order, if the line itself says none. Raises Invalid."""
        given = {name: getattr(self, name) for name in LineOfOrder.model_fields if name not in {"source", "external_id"}}
        amounts = {name: given[name] and given[name].money() for name in ("net_unit_price", "net_amount", "freight_amount")}
        line_id = orders.id_of(self.order_line_id, source=self.source or source, external_id=self.external_id, kind="order_line")
        return domain.AskedLine(**{**given, **amounts, "order_line_id": line_id})


class AddOrderLine(LineOfOrder):
    """One more line for a call-off."""

    order_id: UUID


class CallOffOrder(Command):
    """An order under a blanket deal; `occurred_at` is when it was received. Its days hold for all lines that say none of their own."""

    order_id: UUID | None = None
    source: Word | None = None
    external_id: ExternalId | None = None
    estimated: bool = False
    customer_id: UUID | None = None
    currency: Currency | None = None
    time_zone: Word = "UTC"
    requested_date: date | None = None
    promise_date: date | None = None
    labels: Labels = Field(default_factory=dict)
    lines: Annotated[tuple[LineOfOrder, ...], Field(max_length=domain.MOST_LINES)] = ()

    def command(self, deal_id: UUID) -> domain.CallOff:
        """The order as the domain is asked for it, under an id of its own. Raises Invalid."""
        given = {name: getattr(self, name) for name in CallOffOrder.model_fields}
        lines = tuple(line.asked(self.source) for line in self.lines)
        order_id = orders.id_of(self.order_id, source=self.source, external_id=self.external_id, kind="order")
        return domain.CallOff(**{**given, "deal_id": deal_id, "lines": lines, "order_id": order_id or ids.new_id()})


class CallOffUnderDeal(CallOffOrder):
    """The same with the deal that it is called off under."""

    deal_id: UUID


class CallOffOrders(Body):
    """Up to 500 orders."""

    items: ItemList[CallOffUnderDeal]


class AddOrderLines(Body):
    """Up to 500 lines."""

    items: ItemList[AddOrderLine]


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
    net_unit_price: Money | None
    net_amount: Money
    freight_amount: Money | None
    ship_by: datetime | None
    outlet_id: UUID | None
    ship_to_time_zone: str | None
    requested_date: date | None
    confirmed_date: date | None
    previous_promise_date: date | None
    promise_date: date | None
    delivered_on: date | None
    labels: dict[str, str]
    status: FulfilmentStatus

    @classmethod
    def of(cls, line: orders.OrderLine, currency: str) -> "OrderLineOut":
        """The line as callers see it: what the deal withdrew counts as cancelled."""
        seen = {
            "promised_quantity": Decimal(0) if line.promise_date is None else max(line.quantity - line.dropped, line.delivered_quantity),
            "cancelled_quantity": line.dropped,
            "status": line.status,
        }
        for name in ("net_unit_price", "net_amount", "freight_amount"):
            amount: Decimal | None = getattr(line, name)
            seen[name] = None if amount is None else Money(amount=amount, currency=currency)
        return cls.model_validate({name: getattr(line, name) for name in cls.model_fields if name not in seen} | seen)


class OrderOut(Answer):
    """An order. `promise_date` is the latest of its lines; `standing` is false once its deal no longer asks for it."""

    order_id: UUID
    deal_id: UUID
    lead_id: UUID
    deal_version: int
    call_off: bool
    standing: bool
    source: str | None
    external_id: str | None
    customer_id: UUID | None
    time_zone: str
    status: FulfilmentStatus
    order_value: Money
    promise_date: date | None
    received_at: datetime
    estimated: bool
    approved_at: datetime | None
    recorded_at: datetime
    labels: dict[str, str]
    blockers: tuple[Blocker, ...] = ()
    lines: tuple[OrderLineOut, ...]
    version: int

    @classmethod
    def of(cls, order: orders.Order) -> "OrderOut":
        """The order with its lines."""
        seen = {
            "order_value": Money(amount=order.order_value, currency=order.currency),
            "lines": tuple(OrderLineOut.of(line, order.currency) for line in order.lines),
            "blockers": (),
        }
        return cls.model_validate({name: getattr(order, name) for name in cls.model_fields if name not in seen} | seen)


SAME_BEFORE = {200: {"model": OrderOut, "description": "The same was done before."}}
CALL_OFF_REFUSALS = (NotKnownYet, domain.DealNotWon, domain.DealNotBlanket, domain.OrderAlreadyRecorded, domain.OrderLineAlreadyRecorded)
LINE_REFUSALS = (domain.OrderFollowsDeal, domain.DealNotWon, domain.OrderFull, domain.LineNumberTaken, domain.OrderLineAlreadyRecorded)


@router.get("/orders")
async def list_orders(
    call: Annotated[Call, requires("orders:read")],
    page: Annotated[PageRequest, page_request()],
    deal_id: UUID | None = None,
    status: Annotated[FulfilmentStatus | None, Query()] = None,
) -> Page[OrderOut]:
    """Orders in the order in which they were recorded."""
    found = await order_usecases.list_orders(call.tx, deal_id=deal_id, status=status, after=page.after, limit=page.limit)
    return page.answer(found, key=lambda order: (order.recorded_at, order.order_id), out=OrderOut.of)


@router.get("/orders/{order_id}", responses=problems(NotFound))
async def get_order(order_id: UUID, call: Annotated[Call, requires("orders:read")]) -> OrderOut:
    """An order with its lines, quantities and status."""
    return OrderOut.of(await order_usecases.get_order(call.tx, order_id))


@router.post("/deals/{deal_id}/orders", status_code=201, responses=SAME_BEFORE | problems(*CALL_OFF_REFUSALS, Invalid))
async def call_off_order(
    deal_id: UUID, body: CallOffOrder, call: Annotated[Call, requires("orders:write")], response: Response
) -> OrderOut:
    """Call off an order under a blanket deal."""
    order, status = await usecases.call_off_order(call.tx, Asked(command=body.command(deal_id), cause=call.cause_at(body)))
    response.status_code = 201 if status == "created" else 200
    return OrderOut.of(order)


@router.post("/orders/batch")
async def call_off_orders(body: CallOffOrders, call: Annotated[Call, requires("orders:write", bulk=True)]) -> Results:
    """Call off up to 500 orders, each with a result of its own."""
    return await body.items.results(
        lambda item: Asked(command=item.command(item.deal_id), cause=call.cause_at(item)),
        partial(usecases.call_off_orders, call.tx),
        _result,
    )


@router.post("/orders/{order_id}/lines", status_code=201, responses=SAME_BEFORE | problems(NotFound, Stale, *LINE_REFUSALS, Invalid))
async def add_line(
    order_id: UUID, body: LineOfOrder, call: Annotated[Call, requires("orders:write", if_match=True)], response: Response
) -> OrderOut:
    """Add a line to a call-off; what holds for the whole order takes it in."""
    order, status = await usecases.add_line(call.tx, Asked(command=_one_more(order_id, body), cause=call.cause), expected=call.expected)
    response.status_code = 201 if status == "created" else 200
    return OrderOut.of(order)


@router.post("/order-lines/batch")
async def add_lines(body: AddOrderLines, call: Annotated[Call, requires("orders:write", bulk=True)]) -> Results:
    """Add up to 500 lines to call-offs, each with a result of its own."""
    return await body.items.results(
        lambda item: Asked(command=_one_more(item.order_id, item), cause=call.cause), partial(usecases.add_lines, call.tx), _result
    )


@router.post("/orders/{order_id}/promise", responses=problems(NotFound, Stale, orders.NothingOpen, promise.LineComplete, Invalid))
async def promise_order(order_id: UUID, body: PromiseOrder, call: Annotated[Call, requires("orders:write", if_match=True)]) -> OrderOut:
    """Promise a day; the promise that was made last holds, whenever it is recorded."""
    cause = call.cause_at(body)
    return OrderOut.of(
        await promises.promise_order(call.tx, order_id, body.dates(), reason=body.cause, expected=call.expected, cause=cause)
    )


@router.post("/orders/{order_id}/approve", responses=problems(NotFound, Stale, orders.NothingOpen, approval.OrderAlreadyApproved))
async def approve_order(order_id: UUID, body: Command, call: Annotated[Call, requires("orders:write", if_match=True)]) -> OrderOut:
    """Approve an order: it may be carried out."""
    return OrderOut.of(await approvals.approve_order(call.tx, order_id, expected=call.expected, cause=call.cause_at(body)))


@router.post("/orders/{order_id}/cancel", responses=problems(NotFound, Stale, orders.NothingOpen, orders.QuantityExceedsOpen, Invalid))
async def cancel_order(order_id: UUID, body: CancelOrder, call: Annotated[Call, requires("orders:write", if_match=True)]) -> OrderOut:
    """Cancel what has not left, or a part of it."""
    cause = call.cause_at(body)
    return OrderOut.of(await cancellations.cancel_order(call.tx, order_id, body.quantities(), expected=call.expected, cause=cause))


def _one_more(order_id: UUID, body: LineOfOrder) -> AddLine:
    line = body.asked()
    if line.order_line_id is None:
        named = ids.new_id() if line.line_no is None else orders.line_id_of(order_id, line.line_no)
        return AddLine(order_id=order_id, line=replace(line, order_line_id=named))
    return AddLine(order_id=order_id, line=line)


def _result(index: int, recorded: Recorded) -> Result:
    return Result(index=index, status=recorded.status, id=recorded.id, version=recorded.version)
