"""Journeys over HTTP."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from services.handoff.journeys import domain, usecases
from shared.errors import NotFound
from shared.http import edge
from shared.http.bodies import Answer
from shared.http.edge import Call, requires
from shared.http.pages import Page, PageRequest, page_request
from shared.http.problems import problems

router = edge.router(tags=["journeys"])


class PassageOut(Answer):
    """A stage: passed and when, skipped because a later one is passed, or open."""

    stage: str
    status: domain.PassageStatus
    at: datetime | None


class JourneyEventOut(Answer):
    """One thing that happened on the way."""

    event_id: UUID
    event: str
    source: str
    subject: UUID
    deal_id: UUID | None
    stage: str | None
    occurred_at: datetime
    recorded_at: datetime
    details: dict[str, Any]


class JourneySummary(Answer):
    """Where a lead stands, and which stages it has passed."""

    journey_id: UUID
    state: domain.State
    final: bool
    stages: tuple[PassageOut, ...]
    funnel: tuple[PassageOut, ...]


class JourneyOut(JourneySummary):
    """A lead's journey with everything that happened on it, in the order in which it happened."""

    events: tuple[JourneyEventOut, ...]


@router.get("/journeys/{journey_id}", responses=problems(NotFound))
async def get_journey(journey_id: UUID, call: Annotated[Call, requires("handoffs:read")]) -> JourneyOut:
    """The journey of a lead (its id is the lead's) through all services."""
    return JourneyOut.model_validate(await usecases.get_journey(call.tx, journey_id))


@router.get("/journeys")
async def list_journeys(
    call: Annotated[Call, requires("handoffs:read")],
    page: Annotated[PageRequest, page_request()],
    stage: domain.Stage | None = None,
) -> Page[JourneySummary]:
    """Journeys in the order in which their leads were recorded; with `stage`, those of which it was ever told that they passed it."""
    found = await usecases.list_journeys(call.tx, stage=stage, after=page.after, limit=page.limit + 1)
    return page.answer(found, key=lambda item: (item[0], item[1].journey_id), out=lambda item: JourneySummary.model_validate(item[1]))
