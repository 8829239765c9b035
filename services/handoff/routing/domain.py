"""Where a qualified lead goes: for now always into one queue, with the reason written down."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from services.handoff.rulesets.domain import ResponsePolicy
from shared.cause import Cause
from shared.events.handoff.decisions import ClockKind, RoutePath
from shared.events.handoff.routing import LeadRouted
from shared.ids import derived_id

DEFAULT_QUEUE = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Somebody who could have had the lead, and why it was given to somebody else."""

    assignee_id: UUID
    exclusion_reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A qualified lead that needs a place, and why. No `policy`: no clock runs."""

    lead_id: UUID
    decision_id: UUID
    route_path: RoutePath
    suggested_queue: str | None
    policy: ResponsePolicy | None
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """One attempt to hand a lead to somebody: the assignee, or the queue in which it waits, the candidates, and why.

    `suggestion_followed` is None where marketing suggested nothing. Due times are None where no clock runs.
    """

    routing_id: UUID
    lead_id: UUID
    decision_id: UUID
    route_path: RoutePath
    assignee_id: UUID | None
    assignee_role: str | None
    assignee_org: Literal["sales", "distribution"]
    queue_code: str
    attempt: int
    cause: Literal["first", "sla_breach", "absence", "rejection", "manual"]
    previous_assignee_id: UUID | None
    candidates: tuple[Candidate, ...]
    suggested_queue_code: str | None
    suggestion_followed: bool | None
    reason_codes: tuple[str, ...]
    policy_code: str
    clock: ClockKind
    acceptance_due_at: datetime | None
    response_due_at: datetime | None
    occurred_at: datetime
    recorded_at: datetime
    version: int = 0


def route(request: Request) -> tuple[Routing, LeadRouted]:
    """The first routing of a lead, decided and recorded when its cause says: the default queue, since there are no candidates yet.

    A suggested queue is noted, and followed only where it is this one. The same decision always gives the same routing id.
    """
    at, policy = request.cause.at, request.policy
    followed = None if request.suggested_queue is None else request.suggested_queue == DEFAULT_QUEUE
    routing = Routing(
        routing_id=derived_id("handoff", "routing", f"{request.decision_id}:1"),
        lead_id=request.lead_id,
        decision_id=request.decision_id,
        route_path=request.route_path,
        assignee_id=None,
        assignee_role=None,
        assignee_org="sales",
        queue_code=DEFAULT_QUEUE,
        attempt=1,
        cause="first",
        previous_assignee_id=None,
        candidates=(),
        suggested_queue_code=request.suggested_queue,
        suggestion_followed=followed,
        reason_codes=("no_roster", "default_queue", *(("suggestion_not_available",) if followed is False else ())),
        policy_code=policy.policy_code if policy else "none",
        clock="wall",
        acceptance_due_at=at + timedelta(hours=policy.acceptance_hours) if policy else None,
        response_due_at=at + timedelta(hours=policy.response_hours) if policy else None,
        occurred_at=at,
        recorded_at=at,
    )
    return routing, _announcement(routing)


def _announcement(routing: Routing) -> LeadRouted:
    return LeadRouted(
        routing_id=routing.routing_id,
        lead_id=routing.lead_id,
        decision_id=routing.decision_id,
        route_path=routing.route_path,
        assignee_id=routing.assignee_id,
        assignee_role=routing.assignee_role,
        assignee_org=routing.assignee_org,
        queue_code=routing.queue_code,
        attempt=routing.attempt,
        cause=routing.cause,
        previous_assignee_id=routing.previous_assignee_id,
        candidate_count=len(routing.candidates),
        suggestion_followed=routing.suggestion_followed,
        policy_code=routing.policy_code,
        clock=routing.clock,
        acceptance_due_at=routing.acceptance_due_at,
        response_due_at=routing.response_due_at,
    )
