"""Leads over HTTP, without anything that says who they are."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query

from services.sales.leads import domain, usecases
from shared.errors import NotFound
from shared.http import edge
from shared.http.bodies import STORABLE, Answer
from shared.http.edge import Call, requires
from shared.http.pages import Page, PageRequest, page_request
from shared.http.problems import problems

router = edge.router(tags=["leads"])


class DecisionOut(Answer):
    """The decision that counts for a lead."""

    decision_id: UUID
    outcome: str
    decided_at: datetime
    grade: str | None
    customer_type: str | None
    route_path: str | None
    reason_codes: list[str]


class LeadOut(Answer):
    """A lead as sales knows it. Contact data is marketing's."""

    lead_id: UUID
    source_code: str
    subject_id: UUID
    organisation_id: UUID | None
    campaign_id: UUID | None
    channel_id: UUID | None
    need_codes: list[str]
    captured_at: datetime
    first_response_at: datetime | None
    recorded_at: datetime
    decision: DecisionOut | None
    version: int

    @classmethod
    def of(cls, known: domain.DecidedLead) -> "LeadOut":
        """The lead with its latest decision."""
        lead = known.lead
        return cls(
            lead_id=lead.lead_id,
            source_code=lead.source_code,
            subject_id=lead.subject_id,
            organisation_id=lead.organisation_id,
            campaign_id=lead.campaign_id,
            channel_id=lead.channel_id,
            need_codes=list(lead.need_codes),
            captured_at=lead.captured_at,
            first_response_at=lead.first_response_at,
            recorded_at=lead.recorded_at,
            decision=DecisionOut.model_validate(known.standing) if known.standing else None,
            version=known.version,
        )


@router.get("/leads/{lead_id}", responses=problems(NotFound))
async def get_lead(lead_id: UUID, call: Annotated[Call, requires("leads:read")]) -> LeadOut:
    """One lead with the decision that counts."""
    return LeadOut.of(await usecases.get_lead(call.tx, lead_id))


@router.get("/leads")
async def list_leads(
    call: Annotated[Call, requires("leads:read")],
    page: Annotated[PageRequest, page_request()],
    source: Annotated[str | None, Query(max_length=64, pattern=STORABLE)] = None,
) -> Page[LeadOut]:
    """Leads in the order in which sales learned of them."""
    found = await usecases.list_leads(call.tx, source=source, after=page.after, limit=page.limit + 1)
    return page.answer(found, key=lambda known: (known.lead.recorded_at, known.lead.lead_id), out=LeadOut.of)
