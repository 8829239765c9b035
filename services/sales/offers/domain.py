"""A lead is offered to sales; sales takes it or refuses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Literal
from uuid import UUID

from shared.cause import Actor, Version
from shared.errors import Conflict, Forbidden, Invalid
from shared.events.handoff.routing import LeadRouted
from shared.events.sales.offers import LeadAccepted, LeadRejected, RejectReason

OfferStatus = Literal["open", "accepted", "rejected"]
Disposition = Literal["recycle", "disqualify", "re_route"]

SEES_EVERY_OFFER = frozenset({"sales_manager", "importer", "reader"})
"""Roles that see, and where their scopes allow answer, the offers of everybody."""

DISPOSITIONS: Mapping[RejectReason, Disposition] = MappingProxyType(
    {
        "wrong_company_size": "disqualify",
        "wrong_persona": "recycle",
        "wrong_geography": "re_route",
        "existing_customer": "re_route",
        "competitor": "disqualify",
        "unverified_contact": "recycle",
        "no_budget": "recycle",
        "no_need": "disqualify",
        "bad_timing": "recycle",
        "duplicate": "disqualify",
        "unreachable": "recycle",
        "other": "recycle",
    }
)
"""What sales suggests for a refused lead when the person who refuses it suggests nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A lead that sales is asked to take, by its latest routing. Without assignee it waits in a queue for whoever may accept."""

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
    status: OfferStatus = "open"
    answered_at: datetime | None = None
    answered_by_id: UUID | None = None
    version: Version = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why somebody refuses a lead, and what they would do with it instead."""

    reason_code: RejectReason
    note: str | None = None
    suggested_disposition: Disposition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What sales said to one routing. The note is free text and never leaves sales; its id does."""

    answer_id: UUID
    lead_id: UUID
    routing_id: UUID
    answer: Literal["accepted", "rejected"]
    answered_by_id: UUID | None
    occurred_at: datetime
    recorded_at: datetime
    reason_code: RejectReason | None = None
    suggested_disposition: Disposition | None = None
    note_id: UUID | None = None
    note: str | None = None


class OfferAlreadyAnswered(Conflict):
    """Only an open offer can be accepted or rejected."""


class NobodyAnswers(Forbidden):
    """A lead is refused by a person, never by a system."""


def offer(routed: LeadRouted, *, at: datetime, recorded_at: datetime) -> Offer:
    """The open offer that a routing makes. `at`: when it was routed; both times UTC."""
    return Offer(
        lead_id=routed.lead_id,
        decision_id=routed.decision_id,
        routing_id=routed.routing_id,
        attempt=routed.attempt,
        route_path=routed.route_path,
        queue_code=routed.queue_code,
        assignee_id=routed.assignee_id,
        assignee_role=routed.assignee_role,
        routed_at=at,
        acceptance_due_at=routed.acceptance_due_at,
        response_due_at=routed.response_due_at,
        recorded_at=recorded_at,
    )


def reroute(known: Offer | None, offered: Offer) -> Offer:
    """The offer after one more routing, in whatever order they arrive: the higher attempt counts, and is open until it is answered.

    An earlier or repeated routing changes nothing. The offer keeps the time at which the first of them was recorded.
    """
    if known is None:
        return offered
    if (offered.attempt, offered.routing_id) <= (known.attempt, known.routing_id):
        return known
    return replace(offered, recorded_at=known.recorded_at, version=known.version)


def accept(offer: Offer, *, by: Actor, at: datetime) -> tuple[Offer, LeadAccepted]:
    """The offer taken by that person, who becomes its assignee. Raises OfferAlreadyAnswered."""
    _must_be_open(offer)
    accepted = LeadAccepted(
        lead_id=offer.lead_id,
        decision_id=offer.decision_id,
        routing_id=offer.routing_id,
        accepted_by_id=by.user_id,
        accepted_at=at,
        acceptance_mode="manual",
    )
    return replace(offer, status="accepted", assignee_id=by.user_id, answered_at=at, answered_by_id=by.user_id), accepted


def reject(offer: Offer, reason: Reason, *, by: Actor, at: datetime, note_id: UUID) -> tuple[Offer, LeadRejected]:
    """The offer refused for a reason; `other` needs a note (vocabulary: reject_reason), which the event names by `note_id` only.

    Raises OfferAlreadyAnswered, Invalid, NobodyAnswers.
    """
    _must_be_open(offer)
    if by.user_id is None:
        raise NobodyAnswers(lead_id=offer.lead_id)
    if reason.reason_code == "other" and not reason.note:
        raise Invalid.at("/note", "NOTE_REQUIRED", "The reason `other` needs a note.")
    rejected = LeadRejected(
        lead_id=offer.lead_id,
        decision_id=offer.decision_id,
        routing_id=offer.routing_id,
        phase="before_acceptance",
        rejected_by_id=by.user_id,
        rejected_at=at,
        reason_code=reason.reason_code,
        note_id=note_id if reason.note else None,
        suggested_disposition=reason.suggested_disposition or DISPOSITIONS[reason.reason_code],
        touch_count=0,
    )
    return replace(offer, status="rejected", answered_at=at, answered_by_id=by.user_id), rejected


def answer_of(event: LeadAccepted | LeadRejected, *, answer_id: UUID, recorded_at: datetime, note: str | None = None) -> Answer:
    """The record of an answer, with the text of its note."""
    match event:
        case LeadAccepted():
            return Answer(
                answer_id=answer_id,
                lead_id=event.lead_id,
                routing_id=event.routing_id,
                answer="accepted",
                answered_by_id=event.accepted_by_id,
                occurred_at=event.accepted_at,
                recorded_at=recorded_at,
            )
        case LeadRejected():
            return Answer(
                answer_id=answer_id,
                lead_id=event.lead_id,
                routing_id=event.routing_id,
                answer="rejected",
                answered_by_id=event.rejected_by_id,
                occurred_at=event.rejected_at,
                recorded_at=recorded_at,
                reason_code=event.reason_code,
                suggested_disposition=event.suggested_disposition,
                note_id=event.note_id,
                note=note,
            )


def _must_be_open(offer: Offer) -> None:
    if offer.status != "open":
        raise OfferAlreadyAnswered(lead_id=offer.lead_id, status=offer.status)
