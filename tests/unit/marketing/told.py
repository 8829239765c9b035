"""Leads, captures and received events for the tests of marketing, with every field that a test does not care about filled in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from services.marketing.leads import domain as leads
from shared.cause import Actor, Cause
from shared.events.distribution.orders import OrderDelivered
from shared.events.handoff.decisions import LeadDisqualified, LeadQualified, QualifyingDecision
from shared.events.language import Received
from shared.events.marketing.leads import LeadSnapshot
from shared.events.sales.deals import DealClosed, Lost, Won
from shared.events.sales.offers import LeadAccepted, LeadRejected
from shared.events.sales.opportunities import OpportunityStageChanged, Stage
from shared.money import Money

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ZERO = Decimal(0)


def named(name: str) -> UUID:
    """The same id for the same name."""
    return uuid5(UUID(int=0), name)


LEAD = named("lead")


def hours(count: float) -> datetime:
    """That many hours after noon."""
    return NOON + timedelta(hours=count)


def make_capture(**stated: Any) -> leads.Capture:
    """A capture that states almost nothing."""
    plain = leads.Capture(
        source="api",
        external_id=None,
        origin="api",
        estimated=False,
        customer_initiated=None,
        first_response_at=None,
        interaction_mode=None,
        audience=None,
        touch_intent=None,
        journey_stage=None,
        need_codes=(),
        facts=(),
        expected_units=None,
        expected_value=None,
        country=None,
        region_code=None,
        language=None,
        time_zone=None,
        organisation_id=None,
        labels={},
        lead_id=None,
        captured_at=None,
        campaign_id=None,
        campaign_code=None,
        channel_id=None,
        channel_code=None,
        medium=None,
        utm_medium=None,
        fingerprint=b"as said",
    )
    return replace(plain, **stated)


def _received(event: Any, at: datetime, name: str) -> Received[Any]:
    actor = Actor(principal="test")
    cause = Cause(actor=actor, at=at, correlation_id=named("correlation"), causation_id=named(name))
    return Received(event=event, id=named(name), sequence=1, occurred_at=at, recorded_at=at, cause=cause)


def qualified(at: datetime = NOON, *, lead_id: UUID = LEAD, outcome: str = "qualified", name: str = "qualified") -> Received[LeadQualified]:
    """handoff decided that sales should take the lead."""
    decision = QualifyingDecision(
        decision_id=named(f"decision of {name}"),
        supersedes_decision_id=None,
        outcome=outcome,  # type: ignore[arg-type]  open for consumers
        decided_at=at,
        as_of=at,
        rule_set_id=named("rules"),
        rule_set_version=1,
        input_hash="0" * 64,
        decided_by="rule",
        override_reason_code=None,
        fit_score=ZERO,
        engagement_score=ZERO,
        grade="A1",
        readiness="ready",
        customer_type=None,
        route_path="transactional",
    )
    lead = LeadSnapshot(subject_id=named("subject"), origin="api")
    return _received(LeadQualified(lead_id=lead_id, decision=decision, lead=lead, clock=None), at, f"{name} {lead_id}")


def disqualified(at: datetime = NOON, *, lead_id: UUID = LEAD, name: str = "disqualified") -> Received[LeadDisqualified]:
    """handoff decided that the lead will not be pursued."""
    event = LeadDisqualified(
        lead_id=lead_id,
        decision_id=named(f"decision of {name}"),
        supersedes_decision_id=None,
        rule_set_id=named("rules"),
        rule_set_version=1,
        decided_at=at,
        as_of=at,
        decided_by="rule",
        reason_codes=("competitor",),
        disqualifier_rule_codes=(),
        fit_score=ZERO,
        engagement_score=ZERO,
        reopen_allowed=True,
    )
    return _received(event, at, f"{name} {lead_id}")


def accepted(at: datetime = NOON, *, lead_id: UUID = LEAD, name: str = "accepted") -> Received[LeadAccepted]:
    """Sales took the lead."""
    event = LeadAccepted(
        lead_id=lead_id,
        decision_id=named("decision"),
        routing_id=named("routing"),
        accepted_by_id=None,
        accepted_at=at,
        acceptance_mode="manual",
    )
    return _received(event, at, f"{name} {lead_id}")


def rejected(at: datetime = NOON, *, lead_id: UUID = LEAD, disposition: str = "recycle", name: str = "rejected") -> Received[LeadRejected]:
    """Sales refused the lead."""
    event = LeadRejected(
        lead_id=lead_id,
        decision_id=named("decision"),
        routing_id=named("routing"),
        phase="before_acceptance",
        rejected_by_id=named("rep"),
        rejected_at=at,
        reason_code="no_budget",
        note_id=None,
        suggested_disposition=disposition,  # type: ignore[arg-type]  open for consumers
        touch_count=0,
    )
    return _received(event, at, f"{name} {lead_id}")


def staged(
    at: datetime = NOON,
    *,
    lead_id: UUID = LEAD,
    lead_ids: tuple[UUID, ...] = (),
    stage_type: str = "open",
    previous: bool = False,
    sized: bool = True,
    name: str = "staged",
) -> Received[OpportunityStageChanged]:
    """An opportunity was opened or moved."""
    stage = Stage(stage_code="proposal", stage_type=stage_type, probability=Decimal("0.5"), forecast_category="pipeline")  # type: ignore[arg-type]
    event = OpportunityStageChanged(
        lead_id=lead_id,
        opportunity_id=named("opportunity"),
        lead_ids=lead_ids or (lead_id,),
        customer_id=None,
        organisation_id=None,
        previous=stage if previous else None,
        current=stage,
        amount=Money(amount=Decimal(100), currency="EUR") if sized else None,
        expected_close_date=at.date() if sized else None,
        owner_id=None,
    )
    return _received(event, at, f"{name} {lead_id}")


def closed(
    at: datetime = NOON,
    *,
    lead_id: UUID = LEAD,
    lead_ids: tuple[UUID, ...] = (),
    deal_id: UUID | None = None,
    version: int = 1,
    won: bool = True,
) -> Received[DealClosed]:
    """A deal was won or lost."""
    event = DealClosed(
        lead_id=lead_id,
        deal_id=deal_id or named("deal"),
        deal_version=version,
        opportunity_id=None,
        previous_deal_id=None,
        closed_at=at,
        close_mode="negotiated",
        customer_id=None,
        organisation_id=None,
        subject_id=None,
        customer_type=None,
        lead_ids=lead_ids or (lead_id,),
        campaign_ids=(),
        segment_versions=(),
        need_codes=(),
        channel_id=None,
        owner_id=None,
        owner_role=None,
        rep_credits=(),
        first_touch_at=None,
        first_response_at=None,
        opportunity_created_at=None,
        list_total=None,
        discount_total=None,
        net_total=None,
        margin_total=None,
        coverage_goal_ids=(),
        won=Won(
            credited_function=None,
            credit_override_reason_code=None,
            payment_terms_code=None,
            credit_status="clear",
            blanket_order=True,
            contract_starts_on=None,
            contract_ends_on=None,
        )
        if won
        else None,
        lost=None if won else Lost(lost_reasons=("pricing",)),
        lines=(),
    )
    return _received(event, at, f"closed {event.deal_id} {version}")


def delivered(
    at: datetime = NOON, *, lead_id: UUID = LEAD, deal_id: UUID | None = None, complete: bool = True, name: str = "delivered"
) -> Received[OrderDelivered]:
    """Something of an order reached the customer."""
    event = OrderDelivered(
        lead_id=lead_id,
        order_id=named("order"),
        deal_id=deal_id or named("deal"),
        delivery_id=named(f"delivery of {name}"),
        shipment_id=None,
        delivered_at=at,
        delivered_local_date=at.date(),
        lines=(),
        order_complete=complete,
        order_on_time=None,
        order_in_full=None,
        receipt_confirmed=None,
        documents_correct=None,
        satisfaction_score=None,
        exception_codes=(),
    )
    return _received(event, at, f"{name} {lead_id}")
