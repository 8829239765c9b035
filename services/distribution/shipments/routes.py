"""Shipments over HTTP: one by one against the state of the order, or many as sources tell of them."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field

from services.distribution.orders import domain as orders
from services.distribution.orders.domain import NothingOpen, Order, QuantityExceedsOpen
from services.distribution.orders.usecases import Asked, Recorded
from services.distribution.shipments import domain, usecases
from shared import ids
from shared.errors import Invalid, NotFound, Stale
from shared.events.distribution.orders import FulfilmentStatus
from shared.http import edge
from shared.http.bodies import STORABLE, Answer, Body, Command, ItemList, Result, Results, Word
from shared.http.edge import Call, requires
from shared.http.pages import Page, PageRequest, page_request
from shared.http.problems import problems
from shared.money import PlainDecimal

router = edge.router(tags=["shipments"])

LineNo = Annotated[int, Field(ge=0, le=1_000_000)]
Quantity = Annotated[PlainDecimal, Field(gt=0)]
ExternalId = Annotated[str, Field(min_length=1, max_length=128, pattern=STORABLE)]


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


class ShippedPart(Body):
    """A line by its id or number; without a quantity, all of it that no other shipment names."""

    order_line_id: UUID | None = None
    line_no: LineNo | None = None
    quantity: Quantity | None = None

    def named(self) -> orders.Named:
        """The part as the domain has it."""
        return orders.Named(order_line_id=self.order_line_id, line_no=self.line_no, quantity=self.quantity)


class TellShipment(Body):
    """That goods of an order left; without lines, all of them, lines to come included."""

    order_id: UUID
    shipment_id: UUID | None = None
    source: Word | None = None
    external_id: ExternalId | None = None
    occurred_at: AwareDatetime
    estimated: bool = False
    carrier_code: Word | None = None
    expected_delivery_date: date | None = None
    lines: Annotated[tuple[ShippedPart, ...], Field(min_length=1, max_length=200)] | None = None

    def asked(self, call: Call) -> Asked[domain.ToldShipment]:
        """The same for the use case, under an id of its own. Raises Invalid."""
        cause = call.cause_at(self)
        fact_id = orders.id_of(self.shipment_id, source=self.source, external_id=self.external_id, kind="shipment")
        told = domain.ToldShipment(
            fact_id=fact_id or ids.new_id(),
            order_id=self.order_id,
            occurred_at=cause.at,
            estimated=self.estimated,
            carrier_code=self.carrier_code,
            expected_delivery_date=self.expected_delivery_date,
            lines=None if self.lines is None else tuple(line.named() for line in self.lines),
        )
        return Asked(command=told, cause=cause)


class TellShipments(Body):
    """Up to 500 shipments."""

    items: ItemList[TellShipment]


class ShipmentLineOut(Answer):
    """How much of an order line left."""

    order_line_id: UUID
    quantity: PlainDecimal


class ShipmentOut(Answer):
    """A shipment; `occurred_at` is when it left."""

    shipment_id: UUID
    order_id: UUID
    whole_order: bool
    carrier_code: str | None
    expected_delivery_date: date | None
    estimated: bool
    occurred_at: datetime
    recorded_at: datetime
    lines: tuple[ShipmentLineOut, ...]

    @classmethod
    def seen(cls, shipment: domain.Shipment) -> "ShipmentOut":
        """The shipment as callers see it."""
        return cls.model_validate(asdict(shipment) | {"whole_order": shipment.whole})


class ShippedOut(ShipmentOut):
    """A shipment, and where the order stands with it; `version` is the order's."""

    order_status: FulfilmentStatus
    version: int

    @classmethod
    def of(cls, result: tuple[Order, domain.Shipment]) -> "ShippedOut":
        """The shipment beside its order."""
        order, shipment = result
        beside = {"whole_order": shipment.whole, "order_status": order.status, "version": order.version}
        return cls.model_validate(asdict(shipment) | beside)


REFUSALS = (NothingOpen, QuantityExceedsOpen, domain.ServiceNeedsNoShipment, domain.ShipmentAlreadyRecorded)


@router.post("/orders/{order_id}/shipments", status_code=201, responses=problems(NotFound, Stale, *REFUSALS, Invalid))
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


@router.post("/shipments/batch")
async def record_shipments(body: TellShipments, call: Annotated[Call, requires("shipments:write", bulk=True)]) -> Results:
    """Record up to 500 shipments, each with a result of its own."""
    return await body.items.results(lambda item: item.asked(call), partial(usecases.record_shipments, call.tx), _result)


@router.get("/orders/{order_id}/shipments", responses=problems(NotFound))
async def list_shipments(
    order_id: UUID, call: Annotated[Call, requires("orders:read")], page: Annotated[PageRequest, page_request()]
) -> Page[ShipmentOut]:
    """The shipments of an order in the order in which they were recorded."""
    found = await usecases.list_shipments(call.tx, order_id, after=page.after, limit=page.limit)
    return page.answer(found, key=lambda shipment: (shipment.recorded_at, shipment.shipment_id), out=ShipmentOut.seen)


def _result(index: int, recorded: Recorded) -> Result:
    return Result(index=index, status=recorded.status, id=recorded.id, version=recorded.version)
