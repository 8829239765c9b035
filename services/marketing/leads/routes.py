"""Leads over HTTP."""

import hashlib
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, StringConstraints

from services.marketing.leads import domain, usecases
from shared import calendar
from shared.errors import Invalid, NotFound
from shared.events.marketing.leads import Audience, ConsentState, InteractionMode, JourneyStage, LawfulBasis, Medium, Origin, TouchIntent
from shared.http import edge
from shared.http.bodies import Answer, Body, Command, ItemList, Result, Results
from shared.http.edge import Call, requires
from shared.http.pages import Page, PageRequest, page_request
from shared.http.problems import problems
from shared.money import Money

router = edge.router(tags=["leads"])


def _utc(instant: datetime) -> datetime:
    if not 1900 <= instant.year <= 9000:
        raise ValueError("not a time of this world")
    return instant.astimezone(UTC)


def _zone(name: str) -> str:
    calendar.zone(name)
    return name


def _in_order(labels: dict[str, str]) -> dict[str, str]:
    return dict(sorted(labels.items()))


PRINTABLE = r"^[^\x00]*$"
When = Annotated[AwareDatetime, AfterValidator(_utc)]
Code = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=PRINTABLE)]
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=PRINTABLE)]
LongText = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=PRINTABLE)]
LabelText = Annotated[str, StringConstraints(min_length=1, max_length=32, pattern=PRINTABLE)]
LabelValue = Annotated[str, StringConstraints(min_length=1, max_length=120, pattern=PRINTABLE)]
Labels = Annotated[dict[LabelText, LabelValue], Field(max_length=20), AfterValidator(_in_order)]
Email = Annotated[str, StringConstraints(max_length=254, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$")]


class FactIn(Body):
    """A non-personal fact, such as an industry; a decimal value is written as text."""

    fact_code: Code
    value: bool | Annotated[int, Field(ge=-(2**53), le=2**53)] | Code


class MoneyIn(Body):
    """An amount in one currency."""

    amount: Annotated[Decimal, Field(ge=0, max_digits=20, decimal_places=4)]
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


class ContactIn(Body):
    """How to reach somebody. It goes to the subject register and nowhere else."""

    given_name: ShortText | None = None
    family_name: ShortText | None = None
    email: Email | None = None
    phone: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=PRINTABLE)] | None = None
    organisation_name: ShortText | None = None


class ConsentIn(Body):
    """What somebody agreed to or withdrew, with the words that were shown."""

    purpose: Code
    state: ConsentState
    lawful_basis: LawfulBasis
    source_text: LongText
    occurred_at: When | None = None


class CaptureLead(Command):
    """A response of somebody. `occurred_at`: when it was made; `estimated`: that time only stands in for an unknown one."""

    lead_id: UUID | None = None
    source: Code = "api"
    external_id: ShortText | None = None
    origin: Origin = "api"
    occurred_at: When | None = None
    estimated: bool = False
    campaign_id: UUID | None = None
    campaign_code: Code | None = None
    channel_id: UUID | None = None
    channel_code: Code | None = None
    medium: Medium | None = None
    utm_medium: Code | None = None
    customer_initiated: bool | None = None
    first_response_at: When | None = None
    interaction_mode: InteractionMode | None = None
    audience: Audience | None = None
    touch_intent: TouchIntent | None = None
    journey_stage: JourneyStage | None = None
    need_codes: Annotated[tuple[Code, ...], Field(max_length=50)] = ()
    facts: Annotated[tuple[FactIn, ...], Field(max_length=100)] = ()
    expected_units: Annotated[Decimal, Field(ge=0, max_digits=24, decimal_places=8), AfterValidator(Decimal.normalize)] | None = None
    expected_value: MoneyIn | None = None
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = None
    region_code: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}-[A-Z0-9]{1,3}$")] | None = None
    language: Annotated[str, StringConstraints(max_length=35, pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")] | None = None
    time_zone: Annotated[str, StringConstraints(max_length=64), AfterValidator(_zone)] | None = None
    organisation_id: UUID | None = None
    contact: ContactIn = ContactIn()
    consents: Annotated[tuple[ConsentIn, ...], Field(max_length=50)] = ()
    labels: Labels = {}  # noqa: RUF012  pydantic gives each body its own
    on_conflict: domain.OnConflict = "refuse"

    def submission(self, call: Call) -> usecases.Submission:
        """What this body asks for. Raises Invalid for a time in the future."""
        cause = call.cause_at(self)
        said = self.model_dump_json(exclude={"lead_id", "on_conflict"}, exclude_defaults=True)
        stated: dict[str, Any] = {name: value for name, value in vars(self).items() if name not in _APART}
        stated["facts"] = tuple(domain.StatedFact(fact_code=fact.fact_code, value=fact.value) for fact in self.facts)
        value = self.expected_value
        stated["expected_value"] = Money(amount=value.amount, currency=value.currency) if value else None
        return usecases.Submission(
            stated=domain.Capture(**stated, captured_at=self.occurred_at, fingerprint=hashlib.sha256(said.encode()).digest()),
            contact=usecases.Contact(**vars(self.contact)),
            consents=tuple(usecases.StatedConsent(**vars(consent)) for consent in self.consents),
            cause=cause,
        )


_APART = frozenset({"contact", "consents", "occurred_at"})


class CaptureLeads(Body):
    """Up to 500 leads, each of which is stored or refused by itself."""

    items: ItemList[CaptureLead]


class CapturedOut(Answer):
    """What became of a captured lead."""

    status: str
    lead_id: UUID
    subject_id: UUID
    version: int


class LeadOut(Answer):
    """A lead without contact data, which stand in the subject register."""

    lead_id: UUID
    subject_id: UUID
    source: str
    external_id: str | None
    origin: str
    captured_at: datetime
    estimated: bool
    campaign_id: UUID | None
    channel_id: UUID | None
    medium: str | None
    customer_initiated: bool | None
    first_response_at: datetime | None
    interaction_mode: str | None
    audience: str | None
    touch_intent: str | None
    journey_stage: str | None
    need_codes: tuple[str, ...]
    facts: tuple[domain.StatedFact, ...]
    expected_units: Decimal | None
    expected_value: Money | None
    country: str | None
    region_code: str | None
    language: str | None
    time_zone: str | None
    organisation_id: UUID | None
    labels: dict[str, str]
    lifecycle_stage: str
    recorded_at: datetime
    version: int

    @classmethod
    def of(cls, listed: tuple[domain.Lead, str]) -> "LeadOut":
        """The answer for a lead and its stage."""
        lead, stage = listed
        return cls(lifecycle_stage=stage, **{name: getattr(lead, name) for name in _LEAD_FIELDS})


_LEAD_FIELDS = tuple(name for name in LeadOut.model_fields if name != "lifecycle_stage")


class StepOut(Answer):
    """A step of the lifecycle: passed at a time, skipped where a later one was reached, or open."""

    stage: str
    status: str
    entered_at: datetime | None


class LeadWithStepsOut(LeadOut):
    """A lead and the steps that it took."""

    steps: list[StepOut]


class LeadQuery(BaseModel):
    """Which leads are listed; `captured_from` is included, `captured_to` is not."""

    source: Code | None = None
    lifecycle_stage: usecases.LifecycleStage | None = None
    campaign_id: UUID | None = None
    channel_id: UUID | None = None
    captured_from: When | None = None
    captured_to: When | None = None


@router.post("/leads", status_code=201, responses=problems(Invalid, domain.LeadContentDiffers, domain.LeadIdTaken))
async def capture_lead(body: CaptureLead, response: Response, call: Annotated[Call, requires("leads:create")]) -> CapturedOut:
    """Capture a lead. The same content of the same source and external id again is `unchanged` (200) and has no effect."""
    captured = await usecases.capture_lead(call.tx, body.submission(call))
    response.status_code = 201 if captured.status == "created" else 200
    return CapturedOut.model_validate(captured)


@router.post("/leads/batch")
async def capture_leads(body: CaptureLeads, call: Annotated[Call, requires("leads:create", bulk=True)]) -> Results:
    """Capture up to 500 leads. Each item has its own result; a bad one does not fail the others."""
    return await body.items.results(lambda item: item.submission(call), partial(usecases.capture_leads, call.tx), _result)


@router.get("/leads")
async def list_leads(
    chosen: Annotated[LeadQuery, Query()], page: Annotated[PageRequest, page_request()], call: Annotated[Call, requires("leads:list")]
) -> Page[LeadOut]:
    """Leads as they were recorded, with the stage that each has reached."""
    found = await usecases.list_leads(call.tx, usecases.LeadFilter(**dict(chosen)), page.after, page.limit + 1)
    return page.answer(found, key=lambda listed: (listed[0].recorded_at, listed[0].lead_id), out=LeadOut.of)


@router.get("/leads/{lead_id}", responses=problems(NotFound))
async def get_lead(lead_id: UUID, call: Annotated[Call, requires("leads:read")]) -> LeadWithStepsOut:
    """One lead. Who may not list leads sees only what it captured itself."""
    captured_by = None if "leads:list" in call.scopes else call.principal.user_id
    lead, stage, steps = await usecases.get_lead(call.tx, lead_id, captured_by=captured_by)
    shown = [StepOut.model_validate(step) for step in steps]
    return LeadWithStepsOut(**dict(LeadOut.of((lead, stage))), steps=shown)


def _result(index: int, captured: usecases.Captured) -> Result:
    return Result(index=index, status=captured.status, id=captured.lead_id, version=captured.version)
