"""A lead as sales knows it: what marketing told once, and every decision that handoff took about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.cause import Version
from shared.events.handoff.decisions import LeadDisqualified, LeadQualified
from shared.events.language import Open
from shared.events.marketing.leads import LeadGenerated, SegmentVersion

DecisionOutcome = Literal["qualified", "direct_purchase", "disqualified"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """That a lead exists, from where and with which need. Told once, never changed; who it is stays with marketing."""

    lead_id: UUID
    source_code: str
    subject_id: UUID
    organisation_id: UUID | None
    campaign_id: UUID | None
    channel_id: UUID | None
    segment_versions: tuple[SegmentVersion, ...]
    need_codes: tuple[str, ...]
    captured_at: datetime
    first_response_at: datetime | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What handoff decided about a lead at one moment."""

    decision_id: UUID
    lead_id: UUID
    outcome: Open[DecisionOutcome]
    decided_at: datetime
    grade: str | None
    customer_type: str | None
    route_path: str | None
    reason_codes: tuple[str, ...]
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedLead:
    """A lead with all decisions that are known about it, in no particular order."""

    lead: Lead
    decisions: tuple[Decision, ...]

    @property
    def standing(self) -> Decision | None:
        """The decision that counts: the latest one."""
        return latest(self.decisions)

    @property
    def version(self) -> Version:
        """Rises with each decision that becomes known."""
        return 1 + len(self.decisions)


def latest(decisions: Iterable[Decision]) -> Decision | None:
    """The decision with the latest `decided_at`, whatever order they arrived in; of equal ones the higher id. None of none."""
    return max(decisions, key=lambda decision: (decision.decided_at, decision.decision_id), default=None)


def learned(event: LeadGenerated, *, recorded_at: datetime) -> Lead:
    """The lead that marketing announced. `recorded_at`: when sales stores it (UTC)."""
    return Lead(
        lead_id=event.lead_id,
        source_code=event.source_code,
        subject_id=event.lead.subject_id,
        organisation_id=event.lead.organisation_id,
        campaign_id=event.lead.campaign_id,
        channel_id=event.lead.channel_id,
        segment_versions=tuple(event.lead.segment_versions),
        need_codes=tuple(event.lead.need_codes),
        captured_at=event.captured_at,
        first_response_at=event.first_response_at,
        recorded_at=recorded_at,
    )


def qualified(event: LeadQualified, *, recorded_at: datetime) -> Decision:
    """The decision that sends a lead to sales, or says that it bought directly."""
    return Decision(
        decision_id=event.decision.decision_id,
        lead_id=event.lead_id,
        outcome=event.decision.outcome,
        decided_at=event.decision.decided_at,
        grade=event.decision.grade,
        customer_type=event.decision.customer_type,
        route_path=event.decision.route_path,
        reason_codes=(),
        recorded_at=recorded_at,
    )


def disqualified(event: LeadDisqualified, *, recorded_at: datetime) -> Decision:
    """The decision that a lead is not pursued."""
    return Decision(
        decision_id=event.decision_id,
        lead_id=event.lead_id,
        outcome="disqualified",
        decided_at=event.decided_at,
        grade=None,
        customer_type=None,
        route_path=None,
        reason_codes=tuple(event.reason_codes),
        recorded_at=recorded_at,
    )
