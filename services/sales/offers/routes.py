"""Offers over HTTP: see them, take them, refuse them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from services.sales.offers import domain, usecases
from shared.errors import NotFound, NotKnownYet, Stale
from shared.events.sales.offers import RejectReason
from shared.http import edge
from shared.http.bodies import STORABLE, Answer, Command
from shared.http.edge import Call, requires
from shared.http.pages import Page, PageRequest, page_request
from shared.http.problems import problems

router = edge.router(tags=["offers"])


class AcceptLead(Command):
    """Nothing to say but, for history, when."""


class RejectLead(Command):
    """Why a lead is refused; the reason `other` needs a note, which stays in sales."""

    reason_code: RejectReason
    note: Annotated[str, Field(min_length=1, max_length=2000, pattern=STORABLE)] | None = None
    suggested_disposition: domain.Disposition | None = None


class OfferOut(Answer):
    """A lead that sales is asked to take; without assignee it waits in its queue for whoever may accept."""

    lead_id: UUID
    decision_id: UUID
    routing_id: UUID
    attempt: int
    route_path: str
    queue_code: str
    assignee_id: UUID | None
    assignee_role: str | None
    routed_at: datetime
    acceptance_due_at: datetime | None
    response_due_at: datetime | None
    recorded_at: datetime
    status: domain.OfferStatus
    answered_at: datetime | None
    answered_by_id: UUID | None
    version: int

    @classmethod
    def of(cls, offer: domain.Offer) -> "OfferOut":
        """The offer as it stands."""
        return cls.model_validate(offer)


@router.post("/leads/{lead_id}/accept", responses=problems(NotFound, NotKnownYet, domain.OfferAlreadyAnswered, Stale))
async def accept_lead(lead_id: UUID, body: AcceptLead, call: Annotated[Call, requires("leads:accept", if_match=True)]) -> OfferOut:
    """Take a lead that was routed to you or waits in a queue."""
    return OfferOut.of(await usecases.accept_lead(call.tx, lead_id, expected=call.expected, cause=call.cause_at(body)))


@router.post("/leads/{lead_id}/reject", responses=problems(NotFound, NotKnownYet, domain.OfferAlreadyAnswered, Stale))
async def reject_lead(lead_id: UUID, body: RejectLead, call: Annotated[Call, requires("leads:accept", if_match=True)]) -> OfferOut:
    """Refuse a lead that was routed to you or waits in a queue."""
    reason = domain.Reason(reason_code=body.reason_code, note=body.note, suggested_disposition=body.suggested_disposition)
    return OfferOut.of(await usecases.reject_lead(call.tx, lead_id, reason, expected=call.expected, cause=call.cause_at(body)))


@router.get("/leads/{lead_id}/offer", responses=problems(NotFound))
async def get_offer(lead_id: UUID, call: Annotated[Call, requires("leads:read")]) -> OfferOut:
    """The offer of a lead, its own version for If-Match included."""
    return OfferOut.of(await usecases.get_offer(call.tx, lead_id, seen_by=call.cause.actor))


@router.get("/offers")
async def list_offers(
    call: Annotated[Call, requires("leads:read")],
    page: Annotated[PageRequest, page_request()],
    status: domain.OfferStatus | None = None,
) -> Page[OfferOut]:
    """Offers to you and those that wait in a queue; to a manager, everybody's."""
    found = await usecases.list_offers(call.tx, status=status, seen_by=call.cause.actor, after=page.after, limit=page.limit + 1)
    return page.answer(found, key=lambda offer: (offer.recorded_at, offer.lead_id), out=OfferOut.of)
