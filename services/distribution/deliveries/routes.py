"""Deliveries over HTTP: one by one against the state of the order, or many as sources tell of them."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from functools import partial
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field

from services.distribution.deliveries import domain, usecases
from services.distribution.orders import domain as orders
from services.distribution.orders.domain import NothingOpen, Order, QuantityExceedsOrdered
from services.distribution.orders.usecases import Asked, Recorded
from shared import ids
from shared.errors import Invalid, NotFound, Stale
from shared.events.distribution.orders import FulfilmentStatus
from shared.http import edge
from shared.http.bodies import STORABLE, Answer, Body, Command, ItemList, Result, Results, Word
from shared.http.edge import Call, requires
from shared.http.pages import Page, PageRequest, page_request
from shared.http.problems import problems
from shared.money import PlainDecimal

router = edge.router(tags=["deliveries"])

LineNo = Annotated[int, Field(ge=0, le=1_000_000)]
Quantity = Annotated[PlainDecimal, Field(gt=0)]
Part = Annotated[PlainDecimal, Field(ge=0)]
ExternalId = Annotated[str, Field(min_length=1, max_length=128, pattern=STORABLE)]
Moment = Annotated[AwareDatetime, Field(ge=datetime(1900, 1, 1, tzinfo=UTC), lt=datetime(9000, 1, 1, tzinfo=UTC))]


class ReceivedQuantity(Body):
    """A part of one line that arrives. Accepted is, if it is not said, all that is not damaged."""

    line_no: LineNo
    quantity: Quantity
    accepted_quantity: Part | None = None
    damaged_quantity: Part | None = None


class DeliverOrder(Command):
    """What arrives or is performed; without lines, all of the named shipment, or else all that the customer waits for."""

    delivery_id: UUID | None = None
    shipment_id: UUID | None = None
    receipt_confirmed: bool | None = None
    lines: Annotated[tuple[ReceivedQuantity, ...], Field(min_length=1, max_length=200)] | None = None

    def receipts(self) -> Sequence[domain.Receipt] | None:
        """What arrives, line by line; None for all."""
        return None if self.lines is None else [domain.Receipt(**line.model_dump()) for line in self.lines]


class ReceivedPart(Body):
    """A line by its id or number; without a quantity, all of it that no other delivery names."""

    order_line_id: UUID | None = None
    line_no: LineNo | None = None
    quantity: Quantity | None = None
    accepted_quantity: Part | None = None
    damaged_quantity: Part | None = None

    def named(self) -> domain.NamedReceipt:
        """The part as the domain has it."""
        return domain.NamedReceipt(**{name: getattr(self, name) for name in type(self).model_fields})


class TellDelivery(Body):
    """That something of an order arrived or was performed; without lines, all of it, lines to come included.

    `day_only`: only the day of `occurred_at` is known. `reported_at`: when the source heard of it.
    """

    order_id: UUID
    delivery_id: UUID | None = None
    source: Word | None = None
    external_id: ExternalId | None = None
    shipment_id: UUID | None = None
    occurred_at: AwareDatetime
    estimated: bool = False
    day_only: bool = False
    reported_at: Moment | None = None
    receipt_confirmed: bool | None = None
    lines: Annotated[tuple[ReceivedPart, ...], Field(min_length=1, max_length=200)] | None = None

    def asked(self, call: Call) -> Asked[domain.ToldDelivery]:
        """The same for the use case, under an id of its own. Raises Invalid."""
        cause = call.cause_at(self)
        fact_id = orders.id_of(self.delivery_id, source=self.source, external_id=self.external_id, kind="delivery")
        told = domain.ToldDelivery(
            fact_id=fact_id or ids.new_id(),
            order_id=self.order_id,
            occurred_at=cause.at,
            estimated=self.estimated,
            shipment_id=self.shipment_id,
            day_only=self.day_only,
            reported_at=self.reported_at,
            receipt_confirmed=self.receipt_confirmed,
            lines=None if self.lines is None else tuple(line.named() for line in self.lines),
        )
        return Asked(command=told, cause=cause)


class TellDeliveries(Body):
    """Up to 500 deliveries."""

    items: ItemList[TellDelivery]


class DeliveryLineOut(Answer):
    """How much of an order line arrived, and the day it was there."""

    order_line_id: UUID
    quantity: PlainDecimal
    accepted_quantity: PlainDecimal
    damaged_quantity: PlainDecimal
    delivered_on: date


class DeliveryOut(Answer):
    """A delivery; `occurred_at` is when it arrived or was performed."""

    delivery_id: UUID
    order_id: UUID
    shipment_id: UUID | None
    whole_order: bool
    receipt_confirmed: bool | None
    day_only: bool
    reported_at: datetime | None
    estimated: bool
    occurred_at: datetime
    recorded_at: datetime
    lines: tuple[DeliveryLineOut, ...]

    @classmethod
    def seen(cls, delivery: domain.Delivery) -> "DeliveryOut":
        """The delivery as callers see it."""
        return cls.model_validate(asdict(delivery) | {"whole_order": delivery.whole})


class DeliveredOut(DeliveryOut):
    """A delivery, and where the order stands with it; `version` is the order's."""

    order_status: FulfilmentStatus
    version: int

    @classmethod
    def of(cls, result: tuple[Order, domain.Delivery]) -> "DeliveredOut":
        """The delivery beside its order."""
        order, delivery = result
        beside = {"whole_order": delivery.whole, "order_status": order.status, "version": order.version}
        return cls.model_validate(asdict(delivery) | beside)


REFUSALS = (NothingOpen, QuantityExceedsOrdered, domain.QuantityExceedsShipment, domain.DeliveryAlreadyRecorded)


@router.post("/orders/{order_id}/deliveries", status_code=201, responses=problems(NotFound, Stale, *REFUSALS, Invalid))
async def deliver_order(
    order_id: UUID, body: DeliverOrder, call: Annotated[Call, requires("shipments:write", if_match=True)]
) -> DeliveredOut:
    """Record that something arrived or a service was performed. If-Match names the order's version."""
    return DeliveredOut.of(
        await usecases.deliver_order(
            call.tx,
            order_id,
            body.receipts(),
            delivery_id=body.delivery_id,
            shipment_id=body.shipment_id,
            receipt_confirmed=body.receipt_confirmed,
            expected=call.expected,
            cause=call.cause_at(body),
        )
    )


@router.post("/deliveries/batch")
async def record_deliveries(body: TellDeliveries, call: Annotated[Call, requires("shipments:write", bulk=True)]) -> Results:
    """Record up to 500 deliveries, each with a result of its own."""
    return await body.items.results(lambda item: item.asked(call), partial(usecases.record_deliveries, call.tx), _result)


@router.get("/orders/{order_id}/deliveries", responses=problems(NotFound))
async def list_deliveries(
    order_id: UUID, call: Annotated[Call, requires("orders:read")], page: Annotated[PageRequest, page_request()]
) -> Page[DeliveryOut]:
    """The deliveries of an order in the order in which they were recorded."""
    found = await usecases.list_deliveries(call.tx, order_id, after=page.after, limit=page.limit)
    return page.answer(found, key=lambda delivery: (delivery.recorded_at, delivery.delivery_id), out=DeliveryOut.seen)


def _result(index: int, recorded: Recorded) -> Result:
    return Result(index=index, status=recorded.status, id=recorded.id, version=recorded.version)
