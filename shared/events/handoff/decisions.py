"""What handoff decides about a lead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from shared.events.language import Code, Instant, Listed, Open, Quoted, event
from shared.events.marketing.leads import LeadSnapshot
from shared.money import PlainDecimal

QualifiedOutcome = Literal["qualified", "direct_purchase"]
DecidedBy = Literal["rule", "manual_override", "dispute"]
Readiness = Literal["unaware", "curious", "considering", "ready"]
CustomerType = Literal["key_account", "enterprise", "smb", "consumer"]
RoutePath = Literal["transactional", "key_account", "direct"]
ClockKind = Literal["business", "wall"]
Grade = Annotated[str, Field(pattern=r"^[A-C][1-3]$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class QualifyingDecision:
    """The decision behind a qualified lead; its contributions are read by API."""

    decision_id: UUID
    supersedes_decision_id: UUID | None
    outcome: Open[QualifiedOutcome]
    decided_at: Instant
    as_of: Instant
    rule_set_id: UUID
    rule_set_version: int
    input_hash: Sha256
    decided_by: Open[DecidedBy]
    override_reason_code: Code | None
    fit_score: PlainDecimal
    engagement_score: PlainDecimal
    grade: Grade
    readiness: Open[Readiness]
    customer_type: Open[CustomerType] | None
    route_path: Open[RoutePath]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseClock:
    """The response-time policy, its kind of clock, and when it began to run."""

    policy_code: Code
    kind: Open[ClockKind]
    clock_started_at: Instant


@event("lead-qualified", "1.0", subject="lead_id", key="lead_id")
@dataclass(frozen=True, slots=True, kw_only=True)
class LeadQualified:
    """A decision says that sales should take the lead, or that it bought directly.

    sales notes the decision behind an offer; marketing moves the lead to `mql`.
    """

    lead_id: UUID
    decision: QualifyingDecision
    lead: Quoted[LeadSnapshot]
    clock: ResponseClock | None


@event("lead-disqualified", "1.0", subject="lead_id", key="lead_id")
@dataclass(frozen=True, slots=True, kw_only=True)
class LeadDisqualified:
    """A decision says that the lead will not be pursued.

    marketing moves the lead to `disqualified`; sales marks what it knows of it.
    """

    lead_id: UUID
    decision_id: UUID
    supersedes_decision_id: UUID | None
    rule_set_id: UUID
    rule_set_version: int
    decided_at: Instant
    as_of: Instant
    decided_by: Open[Literal["rule", "sales_rejection", "dispute", "manual_override"]]
    reason_codes: Listed[Code]
    disqualifier_rule_codes: Listed[Code]
    fit_score: PlainDecimal
    engagement_score: PlainDecimal
    reopen_allowed: bool
