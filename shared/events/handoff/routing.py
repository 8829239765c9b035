"""Where handoff sends a qualified lead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from shared.events.handoff.decisions import ClockKind, RoutePath
from shared.events.language import Code, Instant, Open, event


@event("lead-routed", "1.0", subject="lead_id", key="lead_id")
@dataclass(frozen=True, slots=True, kw_only=True)
class LeadRouted:
    """A qualified lead has an assignee, or waits in a queue for one; due times are null where no clock runs.

    sales offers the lead to the assignee, or to whoever may take it.
    """

    routing_id: UUID
    lead_id: UUID
    decision_id: UUID
    route_path: Open[RoutePath]
    assignee_id: UUID | None
    assignee_role: Code | None
    assignee_org: Open[Literal["sales", "distribution"]]
    queue_code: Code
    attempt: int
    cause: Open[Literal["first", "sla_breach", "absence", "rejection", "manual"]]
    previous_assignee_id: UUID | None
    candidate_count: int
    suggestion_followed: bool | None
    policy_code: Code
    clock: Open[ClockKind]
    acceptance_due_at: Instant | None
    response_due_at: Instant | None
