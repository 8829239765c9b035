"""Decisions over HTTP: what was decided, and why."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from services.handoff.decisions import domain, usecases
from services.handoff.rulesets.domain import Terms
from shared.errors import NotFound
from shared.http import edge
from shared.http.bodies import Answer
from shared.http.edge import Call, requires
from shared.http.pages import Page, PageRequest, page_request
from shared.http.problems import problems
from shared.money import PlainDecimal

router = edge.router(tags=["decisions"])


class ContributionOut(Answer):
    """What one rule did: matched or not (null: undetermined), its points, and what the caps left of them."""

    rule_code: str
    axis: str
    kind: str
    group: str | None
    matched: bool | None
    points_before_caps: PlainDecimal
    points: PlainDecimal


class DecisionOut(Answer):
    """A decision. Per axis the points of its contributions add up to the score exactly."""

    decision_id: UUID
    lead_id: UUID
    supersedes_decision_id: UUID | None
    outcome: domain.Outcome
    reason_codes: tuple[str, ...]
    rule_codes: tuple[str, ...]
    decided_by: str
    rule_set_id: UUID
    rule_set_version: int
    as_of: datetime
    decided_at: datetime
    recorded_at: datetime
    input_hash: str
    inputs: dict[str, Any]
    fit_score: PlainDecimal
    engagement_score: PlainDecimal
    grade: str
    readiness: str
    customer_type: str | None
    route_path: str
    contributions: tuple[ContributionOut, ...]
    version: int

    @classmethod
    def of(cls, decision: domain.Decision) -> "DecisionOut":
        """The decision as it was stored."""
        return cls.model_validate(decision)


class ExplainedRule(ContributionOut):
    """A rule with the condition that was evaluated."""

    when: str


class ExplainedInput(Answer):
    """A fact that the conditions read, and the event that it came with."""

    name: str
    value: Any
    source_event_id: UUID
    occurred_at: datetime


class CandidateOut(Answer):
    """Somebody who could have had the lead."""

    assignee_id: UUID
    exclusion_reason: str


class RoutingOut(Answer):
    """Where the lead went and why; due times are null where no clock runs."""

    routing_id: UUID
    queue_code: str
    assignee_id: UUID | None
    attempt: int
    cause: str
    reason_codes: tuple[str, ...]
    candidates: tuple[CandidateOut, ...]
    suggested_queue_code: str | None
    suggestion_followed: bool | None
    policy_code: str
    clock: str
    acceptance_due_at: datetime | None
    response_due_at: datetime | None


class ExplanationOut(Answer):
    """Why a lead was decided on as it was. Without a decision `nothing_decided_because` says why, as a code."""

    lead_id: UUID
    decision: DecisionOut | None
    nothing_decided_because: str | None
    rules: tuple[ExplainedRule, ...]
    inputs: tuple[ExplainedInput, ...]
    terms: Terms | None
    routing: RoutingOut | None
    not_routed_because: str | None

    @classmethod
    def of(cls, explained: domain.Explanation) -> "ExplanationOut":
        """The explanation with every rule of the rule set that decided."""
        return cls.model_validate(explained)


@router.get("/decisions/{decision_id}", responses=problems(NotFound))
async def get_decision(decision_id: UUID, call: Annotated[Call, requires("handoffs:read")]) -> DecisionOut:
    """One decision with its trace."""
    return DecisionOut.of(await usecases.get_decision(call.tx, decision_id))


@router.get("/decisions")
async def list_decisions(
    call: Annotated[Call, requires("handoffs:read")],
    page: Annotated[PageRequest, page_request()],
    lead_id: UUID | None = None,
    outcome: domain.Outcome | None = None,
) -> Page[DecisionOut]:
    """Decisions in the order in which they were made, of one lead or of one outcome if asked so."""
    found = await usecases.list_decisions(call.tx, lead_id=lead_id, outcome=outcome, after=page.after, limit=page.limit + 1)
    return page.answer(found, key=lambda decision: (decision.recorded_at, decision.decision_id), out=DecisionOut.of)


@router.get("/leads/{lead_id}/explain", responses=problems(NotFound))
async def explain_lead(lead_id: UUID, call: Annotated[Call, requires("handoffs:read")]) -> ExplanationOut:
    """Every rule, matched or not, every input and its source, and the routing; or why nothing was decided."""
    return ExplanationOut.of(await usecases.explain_lead(call.tx, lead_id))
