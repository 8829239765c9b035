"""Shipments and deliveries over HTTP."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import Field

from services.distribution.orders.domain import NothingOpen, Order, QuantityExceedsOpen
from services.distribution.shipments import domain, usecases
from shared.errors import Invalid, NotFound, Stale
from shared.events.distribution.orders import FulfilmentStatus
from shared.http import edge
from shared.http.bodies import Answer, Body, Command, Word
from shared.http.edge import Call, requires
from shared.http.pages import Page, PageRequest, page_request
from shared.http.problems import problems
from shared.money import PlainDecimal

router = edge.router(tags=["shipments"])

LineNo = Annotated[int, Field(ge=0, le=1_000_000)]
Quantity = Annotated[PlainDecimal, Field(gt=0)]
Part = Annotated[PlainDecimal, Field(ge=0)]


class ShippedQuantity(Body):
    """A part of one line that leaves."""

    line_no: LineNo
    quantity: Quantity


class ShipOrder(Command):
    """Goods that leave; without lines, all that no shipment is known for. The same id and content again has no second effect."""

    shipment_id: UUID | None = None
    carrier_code: Word | None = None
    expected_delivery_date: date | None = None
    lines: Annotated[tuple[ShippedQuantity, ...], Field(min_length=1, max_length=200)] | None = None

    def quantities(self) -> Sequence[tuple[int, Decimal]] | None:
        """What leaves, by line number; None for all."""
        return None if self.lines is None else [(line.line_no, line.quantity) for line in self.lines]


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


class ShipmentLineOut(Answer):
    """How much of an order line left."""

    order_line_id: UUID
    quantity: PlainDecimal


class ShipmentOut(Answer):
    """A shipment; `occurred_at` is when it left."""

    shipment_id: UUID
    order_id: UUID
    carrier_code: str | None
    expected_delivery_date: date | None
    occurred_at: datetime
    recorded_at: datetime
    lines: tuple[ShipmentLineOut, ...]


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
    receipt_confirmed: bool | None
    occurred_at: datetime
    recorded_at: datetime
    lines: tuple[DeliveryLineOut, ...]


class ShippedOut(ShipmentOut):
    """A shipment, and where the order stands with it; `version` is the order's."""

    order_status: FulfilmentStatus
    version: int

    @classmethod
    def of(cls, result: tuple[Order, domain.Shipment]) -> "ShippedOut":
        """The shipment beside its order."""
        order, shipment = result
        return cls.model_validate(asdict(shipment) | {"order_status": order.status, "version": order.version})


class DeliveredOut(DeliveryOut):
    """A delivery, and where the order stands with it; `version` is the order's."""

    order_status: FulfilmentStatus
    version: int

    @classmethod
    def of(cls, result: tuple[Order, domain.Delivery]) -> "DeliveredOut":
        """The delivery beside its order."""
        order, delivery = result
        return cls.model_validate(asdict(delivery) | {"order_status": order.status, "version": order.version})


SHIP_REFUSALS = (NothingOpen, QuantityExceedsOpen, domain.ServiceNeedsNoShipment, domain.ShipmentAlreadyRecorded)
DELIVER_REFUSALS = (NothingOpen, domain.QuantityExceedsOrdered, domain.QuantityExceedsShipment, domain.DeliveryAlreadyRecorded)


@router.post("/orders/{order_id}/shipments", status_code=201, responses=problems(NotFound, Stale, *SHIP_REFUSALS, Invalid))
async def ship_order(order_id: UUID, body: ShipOrder, call: Annotated[Call, requires("shipments:write", if_match=True)]) -> ShippedOut:
    """Record that goods left. If-Match names the order's version."""
    return ShippedOut.of(
        await usecases.ship_order(
            call.tx,
            order_id,
            body.quantities(),
            shipment_id=body.shipment_id,
            carrier_code=body.carrier_code,
            expected_delivery_date=body.expected_delivery_date,
            expected=call.expected,
            cause=call.cause_at(body),
        )
    )


@router.post("/orders/{order_id}/deliveries", status_code=201, responses=problems(NotFound, Stale, *DELIVER_REFUSALS, Invalid))
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


@router.get("/orders/{order_id}/shipments", responses=problems(NotFound))
async def list_shipments(
    order_id: UUID, call: Annotated[Call, requires("orders:read")], page: Annotated[PageRequest, page_request()]
) -> Page[ShipmentOut]:
    """The shipments of an order in the order in which they were recorded."""
    found = await usecases.list_shipments(call.tx, order_id, after=page.after, limit=page.limit)
    return page.answer(found, key=lambda shipment: (shipment.recorded_at, shipment.shipment_id), out=ShipmentOut.model_validate)


@router.get("/orders/{order_id}/deliveries", responses=problems(NotFound))
async def list_deliveries(
    order_id: UUID, call: Annotated[Call, requires("orders:read")], page: Annotated[PageRequest, page_request()]
) -> Page[DeliveryOut]:
    """The deliveries of an order in the order in which they were recorded."""
    found = await usecases.list_deliveries(call.tx, order_id, after=page.after, limit=page.limit)
    return page.answer(found, key=lambda delivery: (delivery.recorded_at, delivery.delivery_id), out=DeliveryOut.model_validate)
