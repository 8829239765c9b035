"""Opportunities over HTTP: open, move, read. Winning and losing is the business of deals."""

from datetime import date, datetime
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from pydantic import Field

from services.sales.opportunities import domain, usecases
from shared import ids
from shared.errors import NotFound, NotKnownYet, Stale
from shared.events.sales.opportunities import StageType
from shared.http import edge
from shared.http.bodies import STORABLE, Answer, Body, Command, ItemList, Labels, Result, Results, Word
from shared.http.edge import Call, requires
from shared.http.pages import Page, PageRequest, page_request
from shared.http.problems import problems
from shared.money import Money, PlainDecimal

router = edge.router(tags=["opportunities"])

Amount = Annotated[PlainDecimal, Field(ge=0, max_digits=18, decimal_places=4)]


class MoneyIn(Body):
    """An amount in one currency."""

    amount: Amount
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]

    def money(self) -> Money:
        """The amount as the domain has it."""
        return Money(amount=self.amount, currency=self.currency)


class OpenOpportunity(Command):
    """A chance to sell to a lead. An id, or source and external id, makes the same request known again."""

    opportunity_id: UUID | None = None
    lead_id: UUID
    lead_ids: Annotated[tuple[UUID, ...], Field(max_length=20)] = ()
    stage_code: Word = domain.FIRST_STAGE
    amount: MoneyIn | None = None
    expected_close_date: date | None = None
    owner_id: UUID | None = None
    owner_role: Word | None = None
    customer_id: UUID | None = None
    source: Word | None = None
    external_id: Annotated[str, Field(min_length=1, max_length=128, pattern=STORABLE)] | None = None
    labels: Labels = Field(default_factory=dict)
    estimated: bool = False

    def command(self) -> domain.OpenOpportunity:
        """The same for the domain, under an id of its own."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        amount = self.amount.money() if self.amount else None
        return domain.OpenOpportunity(**{**given, "opportunity_id": self._id(), "amount": amount})

    def _id(self) -> UUID:
        if self.opportunity_id is None and self.source is not None and self.external_id is not None:
            return ids.derived_id(self.source, "opportunity", self.external_id)
        return self.opportunity_id or ids.new_id()


class OpenOpportunities(Body):
    """Up to 500 opportunities to open."""

    items: ItemList[OpenOpportunity]


class ChangeStage(Command):
    """Another open stage; an absent amount or date stays as it is."""

    stage_code: Word
    amount: MoneyIn | None = None
    expected_close_date: date | None = None


class StageOut(Answer):
    """A stage and its weight in a forecast."""

    stage_code: str
    stage_type: StageType
    probability: PlainDecimal
    forecast_category: str


class OpportunityOut(Answer):
    """An opportunity as it stands."""

    opportunity_id: UUID
    lead_id: UUID
    lead_ids: list[UUID]
    source: str | None
    external_id: str | None
    stage: StageOut
    amount: Money | None
    expected_close_date: date | None
    owner_id: UUID | None
    owner_role: str | None
    customer_id: UUID | None
    organisation_id: UUID | None
    need_codes: list[str]
    labels: dict[str, str]
    estimated: bool
    opened_at: datetime
    stage_entered_at: datetime
    recorded_at: datetime
    version: int

    @classmethod
    def of(cls, opportunity: domain.Opportunity) -> "OpportunityOut":
        """The opportunity as it stands."""
        return cls.model_validate(opportunity)


@router.post(
    "/opportunities",
    status_code=201,
    responses={200: {"model": OpportunityOut, "description": "It was opened by the same request before."}}
    | problems(NotKnownYet, domain.OpportunityAlreadyExists, domain.ClosingStage),
)
async def open_opportunity(body: OpenOpportunity, call: Annotated[Call, requires("deals:write")], response: Response) -> OpportunityOut:
    """Open an opportunity for a lead; yours unless another owner is named."""
    opened = await usecases.open_opportunity(call.tx, usecases.Asked(command=body.command(), cause=call.cause_at(body)))
    response.status_code = 201 if opened.status == "created" else 200
    return OpportunityOut.of(opened.opportunity)


@router.post("/opportunities/batch")
async def open_opportunities(body: OpenOpportunities, call: Annotated[Call, requires("deals:write", bulk=True)]) -> Results:
    """Open up to 500 opportunities, each with a result of its own."""
    return await body.items.results(
        lambda item: usecases.Asked(command=item.command(), cause=call.cause_at(item)),
        partial(usecases.open_opportunities, call.tx),
        _result,
    )


@router.post(
    "/opportunities/{opportunity_id}/stage",
    responses=problems(NotFound, domain.OpportunityAlreadyClosed, domain.ClosingStage, domain.StageUnchanged, Stale),
)
async def change_stage(
    opportunity_id: UUID, body: ChangeStage, call: Annotated[Call, requires("deals:write", if_match=True)]
) -> OpportunityOut:
    """Move an opportunity to another open stage."""
    new = {"stage_code": body.stage_code, "expected_close_date": body.expected_close_date}
    amount = body.amount.money() if body.amount else None
    cause = call.cause_at(body)
    return OpportunityOut.of(
        await usecases.change_stage(call.tx, opportunity_id, **new, amount=amount, expected=call.expected, cause=cause)
    )


@router.get("/opportunities/{opportunity_id}", responses=problems(NotFound))
async def get_opportunity(opportunity_id: UUID, call: Annotated[Call, requires("deals:read")]) -> OpportunityOut:
    """One opportunity."""
    return OpportunityOut.of(await usecases.get_opportunity(call.tx, opportunity_id, seen_by=call.cause.actor))


@router.get("/opportunities")
async def list_opportunities(
    call: Annotated[Call, requires("deals:read")],
    page: Annotated[PageRequest, page_request()],
    lead_id: UUID | None = None,
    stage_type: StageType | None = None,
    source: Annotated[str | None, Query(max_length=64, pattern=STORABLE)] = None,
) -> Page[OpportunityOut]:
    """Opportunities that you may see, in the order in which they were recorded."""
    found = await usecases.list_opportunities(
        call.tx,
        lead_id=lead_id,
        stage_type=stage_type,
        source=source,
        seen_by=call.cause.actor,
        after=page.after,
        limit=page.limit + 1,
    )
    return page.answer(found, key=lambda opportunity: (opportunity.recorded_at, opportunity.opportunity_id), out=OpportunityOut.of)


def _result(index: int, opened: usecases.Opened) -> Result:
    opportunity = opened.opportunity
    return Result(index=index, status=opened.status, id=opportunity.opportunity_id, version=opportunity.version)
