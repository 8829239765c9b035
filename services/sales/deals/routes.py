"""Deals over HTTP: win or lose an opportunity, close a deal without one, read."""

from datetime import date, datetime
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from pydantic import Field

from services.sales.deals import domain, usecases
from shared import ids
from shared.errors import Conflict, NotFound, NotKnownYet, Stale
from shared.events.handoff.decisions import CustomerType
from shared.events.sales.deals import CloseMode, DealLine, FulfilmentType
from shared.events.sales.opportunities import LostReason
from shared.http import edge
from shared.http.bodies import STORABLE, Answer, Body, Command, ItemList, Labels, Result, Results, Word
from shared.http.edge import Call, requires
from shared.http.pages import Page, PageRequest, page_request
from shared.http.problems import problems
from shared.money import Money, PlainDecimal

router = edge.router(tags=["deals"])

# a price times a quantity stays exact in 28 digits
Price = Annotated[PlainDecimal, Field(ge=0, max_digits=16, decimal_places=4)]
Quantity = Annotated[PlainDecimal, Field(gt=0, max_digits=12, decimal_places=4)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Note = Annotated[str, Field(min_length=1, max_length=2000, pattern=STORABLE)]
LostReasons = Annotated[tuple[LostReason, ...], Field(max_length=20)]


class UnitPrice(Body):
    """A price per unit."""

    amount: Price
    currency: Currency

    def money(self) -> Money:
        """The price as the domain has it."""
        return Money(amount=self.amount, currency=self.currency)


class Line(Body):
    """One product of a deal, named by product_id or sku."""

    line_no: Annotated[int, Field(ge=1, le=1_000_000)]
    product_id: UUID | None = None
    sku: Word | None = None
    fulfilment_type: FulfilmentType = "goods"
    quantity: Quantity
    unit: Word = "piece"
    list_unit_price: UnitPrice | None = None
    net_unit_price: UnitPrice
    requested_date: date | None = None
    confirmed_date: date | None = None
    outlet_id: UUID | None = None
    ship_to_id: UUID | None = None
    ship_to_country: Word | None = None
    ship_to_time_zone: Word | None = None

    def agreed(self) -> domain.AgreedLine:
        """The line as the domain has it."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        listed = self.list_unit_price.money() if self.list_unit_price else None
        return domain.AgreedLine(**{**given, "list_unit_price": listed, "net_unit_price": self.net_unit_price.money()})


class WinOpportunity(Command):
    """What was agreed. Without lines it must be a blanket order, whose call-offs follow."""

    lines: Annotated[tuple[Line, ...], Field(max_length=domain.MOST_LISTED)] = ()
    blanket_order: bool = False
    close_mode: CloseMode = "negotiated"
    currency: Currency | None = None
    customer_id: UUID | None = None
    customer_type: CustomerType | None = None
    labels: Labels = Field(default_factory=dict)
    estimated: bool = False

    def command(self, opportunity_id: UUID) -> domain.CloseDeal:
        """The won deal of that opportunity, as the domain is asked for it."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        return domain.CloseDeal(**{**given, "deal_id": opportunity_id, "outcome": "won", "lines": _agreed(self.lines)})


class LoseOpportunity(Command):
    """Why an opportunity was lost; the reason `other` needs a note, which stays in sales."""

    lost_reasons: Annotated[LostReasons, Field(min_length=1)]
    note: Note | None = None
    estimated: bool = False

    def command(self, opportunity_id: UUID) -> domain.CloseDeal:
        """The lost deal of that opportunity, as the domain is asked for it."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        return domain.CloseDeal(**given, deal_id=opportunity_id, outcome="lost")


class CloseDeal(WinOpportunity):
    """A deal that ends without an opportunity, or ends the open opportunity that has its id.

    An id, or source and external id, makes the same request known again.
    """

    deal_id: UUID | None = None
    lead_id: UUID
    lead_ids: Annotated[tuple[UUID, ...], Field(max_length=20)] = ()
    outcome: domain.Outcome
    source: Word | None = None
    external_id: Annotated[str, Field(min_length=1, max_length=128, pattern=STORABLE)] | None = None
    owner_id: UUID | None = None
    owner_role: Word | None = None
    lost_reasons: LostReasons = ()
    note: Note | None = None

    def asked(self) -> domain.CloseDeal:
        """The same for the domain, under an id of its own."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        return domain.CloseDeal(**{**given, "deal_id": self._id(), "lines": _agreed(self.lines)})

    def _id(self) -> UUID:
        if self.deal_id is None and self.source is not None and self.external_id is not None:
            return ids.derived_id(self.source, "deal", self.external_id)
        return self.deal_id or ids.new_id()


class CloseDeals(Body):
    """Up to 500 deals to close."""

    items: ItemList[CloseDeal]


class DealOut(Answer):
    """A closed deal."""

    deal_id: UUID
    deal_version: int
    lead_id: UUID
    lead_ids: list[UUID]
    opportunity_id: UUID | None
    outcome: domain.Outcome
    source: str | None
    external_id: str | None
    close_mode: CloseMode
    closed_at: datetime
    customer_id: UUID | None
    customer_type: CustomerType | None
    owner_id: UUID | None
    owner_role: str | None
    blanket_order: bool
    lines: list[DealLine]
    lost_reasons: list[LostReason]
    list_total: Money | None
    discount_total: Money | None
    net_total: Money | None
    labels: dict[str, str]
    estimated: bool
    recorded_at: datetime
    version: int

    @classmethod
    def of(cls, deal: domain.Deal) -> "DealOut":
        """The deal as it stands; its note is left out, because answers are kept."""
        return cls.model_validate(deal)


@router.post("/opportunities/{opportunity_id}/win", responses=problems(NotFound, Conflict, Stale))
async def win_opportunity(
    opportunity_id: UUID, body: WinOpportunity, call: Annotated[Call, requires("deals:write", if_match=True)]
) -> DealOut:
    """Win an open opportunity: the deal has its id."""
    asked = usecases.Asked(command=body.command(opportunity_id), cause=call.cause_at(body))
    return DealOut.of(await usecases.close_opportunity(call.tx, asked, expected=call.expected))


@router.post("/opportunities/{opportunity_id}/lose", responses=problems(NotFound, Conflict, Stale))
async def lose_opportunity(
    opportunity_id: UUID, body: LoseOpportunity, call: Annotated[Call, requires("deals:write", if_match=True)]
) -> DealOut:
    """Lose an open opportunity: the deal has its id."""
    asked = usecases.Asked(command=body.command(opportunity_id), cause=call.cause_at(body))
    return DealOut.of(await usecases.close_opportunity(call.tx, asked, expected=call.expected))


@router.post(
    "/deals",
    status_code=201,
    responses={200: {"model": DealOut, "description": "It was closed by the same request before."}}
    | problems(NotKnownYet, domain.DealAlreadyClosed, domain.PrimaryLeadDiffers),
)
async def close_deal(body: CloseDeal, call: Annotated[Call, requires("deals:write")], response: Response) -> DealOut:
    """Close a deal that a lead led to, with or without an opportunity."""
    closed = await usecases.close_deal(call.tx, usecases.Asked(command=body.asked(), cause=call.cause_at(body)))
    response.status_code = 201 if closed.status == "created" else 200
    return DealOut.of(closed.deal)


@router.post("/deals/batch")
async def close_deals(body: CloseDeals, call: Annotated[Call, requires("deals:write", bulk=True)]) -> Results:
    """Close up to 500 deals, each with a result of its own."""
    return await body.items.results(
        lambda item: usecases.Asked(command=item.asked(), cause=call.cause_at(item)), partial(usecases.close_deals, call.tx), _result
    )


@router.get("/deals/{deal_id}", responses=problems(NotFound))
async def get_deal(deal_id: UUID, call: Annotated[Call, requires("deals:read")]) -> DealOut:
    """One deal."""
    return DealOut.of(await usecases.get_deal(call.tx, deal_id, seen_by=call.cause.actor))


@router.get("/deals")
async def list_deals(
    call: Annotated[Call, requires("deals:read")],
    page: Annotated[PageRequest, page_request()],
    lead_id: UUID | None = None,
    outcome: domain.Outcome | None = None,
    source: Annotated[str | None, Query(max_length=64, pattern=STORABLE)] = None,
) -> Page[DealOut]:
    """Deals that you may see, in the order in which they were recorded."""
    seen_by, limit = call.cause.actor, page.limit + 1
    found = await usecases.list_deals(
        call.tx, lead_id=lead_id, outcome=outcome, source=source, seen_by=seen_by, after=page.after, limit=limit
    )
    return page.answer(found, key=lambda deal: (deal.recorded_at, deal.deal_id), out=DealOut.of)


def _agreed(lines: tuple[Line, ...]) -> tuple[domain.AgreedLine, ...]:
    return tuple(line.agreed() for line in lines)


def _result(index: int, closed: usecases.Closed) -> Result:
    return Result(index=index, status=closed.status, id=closed.deal.deal_id, version=closed.deal.version)
