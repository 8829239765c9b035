"""How sales answers a lead that was routed to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from shared.events.language import Instant, Open, event

RejectReason = Literal[
    "wrong_company_size",
    "wrong_persona",
    "wrong_geography",
    "existing_customer",
    "competitor",
    "unverified_contact",
    "no_budget",
    "no_need",
    "bad_timing",
    "duplicate",
    "unreachable",
    "other",
]


@event("lead-accepted", "1.0", subject="lead_id", key="lead_id")
@dataclass(frozen=True, slots=True, kw_only=True)
class LeadAccepted:
    """Sales took a lead that was routed to it, by hand or by policy.

    handoff notes the hand-over; marketing moves the lead to `sal`.
    """

    lead_id: UUID
    decision_id: UUID
    routing_id: UUID
    accepted_by_id: UUID | None
    accepted_at: Instant
    acceptance_mode: Open[Literal["manual", "automatic"]]


@event("lead-rejected", "1.0", subject="lead_id", key="lead_id")
@dataclass(frozen=True, slots=True, kw_only=True)
class LeadRejected:
    """Sales refused a lead, or gave back one that it had accepted; the note itself stays in sales.

    handoff and marketing note the refusal and its reason.
    """

    lead_id: UUID
    decision_id: UUID
    routing_id: UUID
    phase: Open[Literal["before_acceptance", "after_acceptance"]]
    rejected_by_id: UUID
    rejected_at: Instant
    reason_code: Open[RejectReason]
    note_id: UUID | None
    suggested_disposition: Open[Literal["recycle", "disqualify", "re_route"]]
    touch_count: int
