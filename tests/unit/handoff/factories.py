"""Plain things of handoff, each with what matters overridden."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from services.handoff.leads import domain as leads
from services.handoff.leads.domain import LeadFacts
from services.handoff.rulesets.domain import Rule, RuleSet, Terms
from shared.cause import Actor, Cause
from shared.events.distribution.orders import OrderCancelled, OrderDelivered, OrderPromised, OrderShipped
from shared.events.language import Received
from shared.events.marketing.leads import Fact, LeadGenerated, LeadSnapshot
from shared.events.sales.deals import DealClosed, Lost, Won
from shared.events.sales.offers import LeadAccepted, LeadRejected
from shared.events.sales.opportunities import OpportunityStageChanged, Stage
from shared.money import Money

NOON = datetime.fromisoformat("2026-03-02T12:00:00+00:00")
_NAMES = UUID("00000000-0000-4000-8000-000000000001")


def an_id(name: str) -> UUID:
    """The id of a thing with that name in a test."""
    return uuid5(_NAMES, name)


LEAD, DEAL, ORDER = an_id("lead"), an_id("deal"), an_id("order")


def euros(amount: str | int) -> Money:
    return Money(amount=Decimal(amount), currency="EUR")


def make_fact(code: str, value: bool | int | str, at: datetime = NOON) -> Fact:
    return Fact(fact_code=code, value=value, source_code="form", observed_at=at)


def make_generated(lead_id: UUID = LEAD, **overrides: Any) -> LeadGenerated:
    """A lead of which nothing is known unless said."""
    snapshot = {name: overrides.pop(name) for name in LeadSnapshot.__dataclass_fields__ if name in overrides}
    fields: dict[str, Any] = {
        "source_code": "api",
        "captured_at": NOON,
        "first_response_at": None,
        "customer_initiated": None,
        "touch_id": None,
        "interaction_mode": None,
        "audience": None,
        "touch_intent": None,
    }
    lead = LeadSnapshot(**{"subject_id": an_id("person"), "origin": "form", **snapshot})
    return LeadGenerated(lead_id=lead_id, lead=lead, **(fields | overrides))


def make_promising(lead_id: UUID = LEAD, **overrides: Any) -> LeadGenerated:
    """A lead that the default criteria qualify."""
    given: dict[str, Any] = {
        "country": "DE",
        "organisation_id": an_id("organisation"),
        "need_codes": ("reporting", "planning"),
        "expected_value": euros(30_000),
        "customer_initiated": True,
        "interaction_mode": "two_way",
        "touch_intent": "transactional",
        "journey_stage": "purchase",
        "medium": "referral",
        "facts": (make_fact("industry", "retail"), make_fact("company_size", "enterprise")),
    }
    return make_generated(lead_id, **(given | overrides))


def receive(event: Any, *, sequence: int = 1, at: datetime = NOON, name: str = "") -> Received[Any]:
    """The event as a handler gets it; equal arguments give the same event id."""
    event_id = an_id(f"{type(event).__name__}/{event}/{sequence}/{name}")
    cause = Cause(actor=Actor(principal="test"), at=at, correlation_id=event_id, causation_id=event_id)
    return Received(event=event, id=event_id, sequence=sequence, occurred_at=at, recorded_at=at, cause=cause)


def make_lead(generated: LeadGenerated | None = None, *, at: datetime = NOON, **overrides: Any) -> LeadFacts:
    return leads.note(receive(generated or make_generated(**overrides)), at=at)


def make_rule(code: str = "rule", **overrides: Any) -> Rule:
    given: dict[str, Any] = {"axis": "fit", "when": "true", "points": Decimal(10)}
    return Rule(code=code, **(given | overrides))


def make_rule_set(rules: Sequence[Rule] = (make_rule(),), **overrides: Any) -> RuleSet:
    given: dict[str, Any] = {
        "rule_set_id": an_id("rule set"),
        "name": "Criteria",
        "status": "published",
        "number": 3,
        "terms": Terms(),
        "author_ids": (an_id("author"),),
        "published_by_id": an_id("approver"),
        "occurred_at": NOON,
        "recorded_at": NOON,
        "published_at": NOON,
        "version": 2,
    }
    return RuleSet(rules=tuple(rules), **(given | overrides))


def make_accepted(lead_id: UUID = LEAD) -> LeadAccepted:
    return LeadAccepted(
        lead_id=lead_id,
        decision_id=an_id("decision"),
        routing_id=an_id("routing"),
        accepted_by_id=an_id("rep"),
        accepted_at=NOON,
        acceptance_mode="manual",
    )


def make_rejected(lead_id: UUID = LEAD) -> LeadRejected:
    return LeadRejected(
        lead_id=lead_id,
        decision_id=an_id("decision"),
        routing_id=an_id("routing"),
        phase="before_acceptance",
        rejected_by_id=an_id("rep"),
        rejected_at=NOON,
        reason_code="no_budget",
        note_id=None,
        suggested_disposition="recycle",
        touch_count=0,
    )


def make_stage_change(lead_id: UUID = LEAD, deal_id: UUID = DEAL, lead_ids: Iterable[UUID] = ()) -> OpportunityStageChanged:
    stage = Stage(stage_code="proposal", stage_type="open", probability=Decimal("0.5"), forecast_category="pipeline")
    return OpportunityStageChanged(
        lead_id=lead_id,
        opportunity_id=deal_id,
        lead_ids=tuple(lead_ids) or (lead_id,),
        customer_id=None,
        organisation_id=None,
        previous=None,
        current=stage,
        amount=None,
        expected_close_date=None,
        owner_id=None,
    )


def make_closed(
    lead_id: UUID = LEAD,
    deal_id: UUID = DEAL,
    *,
    lead_ids: Iterable[UUID] = (),
    won: bool = True,
    blanket: bool = False,
    deal_version: int = 1,
) -> DealClosed:
    won_part = Won(
        credited_function=None,
        credit_override_reason_code=None,
        payment_terms_code=None,
        credit_status="clear",
        blanket_order=blanket,
        contract_starts_on=None,
        contract_ends_on=None,
    )
    unknown = (
        "previous_deal_id", "customer_id", "organisation_id", "subject_id", "customer_type", "channel_id", "owner_id", "owner_role",
        "first_touch_at", "first_response_at", "opportunity_created_at", "list_total", "discount_total", "net_total", "margin_total",
    )  # fmt: skip
    empty = ("campaign_ids", "segment_versions", "need_codes", "rep_credits", "coverage_goal_ids", "lines")
    return DealClosed(
        **dict.fromkeys(unknown),
        **dict.fromkeys(empty, ()),
        lead_id=lead_id,
        deal_id=deal_id,
        deal_version=deal_version,
        opportunity_id=deal_id,
        closed_at=NOON,
        close_mode="negotiated",
        lead_ids=tuple(lead_ids) or (lead_id,),
        won=won_part if won else None,
        lost=None if won else Lost(lost_reasons=("budget",)),
    )


def make_promised(lead_id: UUID = LEAD, deal_id: UUID = DEAL, order_id: UUID = ORDER, day: date | None = date(2026, 4, 1)) -> OrderPromised:
    return OrderPromised(
        lead_id=lead_id,
        order_id=order_id,
        deal_id=deal_id,
        deal_version=1,
        received_at=NOON,
        order_value=euros(100),
        cause="replanned" if day else "received",
        promise_date=day,
        blockers=(),
        lines=(),
    )


def make_shipped(lead_id: UUID = LEAD, deal_id: UUID = DEAL, order_id: UUID = ORDER) -> OrderShipped:
    return OrderShipped(
        lead_id=lead_id,
        order_id=order_id,
        deal_id=deal_id,
        shipment_id=an_id("shipment"),
        warehouse_id=None,
        carrier_code=None,
        shipped_at=NOON,
        expected_delivery_date=None,
        final_shipment=True,
        lines=(),
    )


def make_delivered(lead_id: UUID = LEAD, deal_id: UUID = DEAL, order_id: UUID = ORDER, *, complete: bool = True) -> OrderDelivered:
    return OrderDelivered(
        lead_id=lead_id,
        order_id=order_id,
        deal_id=deal_id,
        delivery_id=an_id("delivery"),
        shipment_id=None,
        delivered_at=NOON,
        delivered_local_date=date(2026, 4, 1),
        lines=(),
        order_complete=complete,
        order_on_time=None,
        order_in_full=None,
        receipt_confirmed=None,
        documents_correct=None,
        satisfaction_score=None,
        exception_codes=(),
    )


def make_cancelled(lead_id: UUID = LEAD, deal_id: UUID = DEAL, order_id: UUID = ORDER, *, whole: bool = True) -> OrderCancelled:
    return OrderCancelled(
        lead_id=lead_id,
        order_id=order_id,
        deal_id=deal_id,
        cause="imported",
        cancelled_at=NOON,
        whole_order=whole,
        cancelled_value=euros(100),
        lines=(),
    )


def whole_way(lead_id: UUID = LEAD) -> list[Received[Any]]:
    """One lead from capture to delivery, a day between two events; sequences as their services would give them."""
    told = [
        (make_promising(lead_id), 1),
        (make_accepted(lead_id), 1),
        (make_stage_change(lead_id), 1),
        (make_closed(lead_id), 2),
        (make_promised(lead_id), 1),
        (make_shipped(lead_id), 2),
        (make_delivered(lead_id), 3),
    ]
    return [receive(event, sequence=sequence, at=NOON + timedelta(days=day)) for day, (event, sequence) in enumerate(told)]


def a_market(size: int, seed: int) -> list[LeadGenerated]:
    """Leads as a sensible market sends them: most of them say something about themselves, few are ready to buy."""
    dice = random.Random(seed)

    def sometimes(share: float, value: Any) -> Any:
        return value if dice.random() < share else None

    def one(place: int) -> LeadGenerated:
        size_code = dice.choices(["smb", "enterprise", "consumer", "key_account"], [60, 20, 15, 5])[0]
        facts = [make_fact("company_size", size_code)] if dice.random() < 0.8 else []
        facts += [make_fact("industry", dice.choice(["retail", "food", "energy"]))] if dice.random() < 0.8 else []
        return make_generated(
            an_id(f"market {seed}/{place}"),
            country=sometimes(0.9, dice.choice(["DE", "FR", "US"])),
            organisation_id=sometimes(0.7, an_id(f"organisation {place}")),
            need_codes=tuple(dice.sample(["reporting", "planning", "stock"], dice.choices([0, 1, 2], [30, 45, 25])[0])),
            expected_value=sometimes(0.7, euros(int(dice.lognormvariate(10.2, 1.0)))),
            journey_stage=sometimes(0.9, dice.choices(["awareness", "consideration", "purchase"], [35, 40, 25])[0]),
            medium=dice.choice(["search", "email", "referral", "event", "social", "web"]),
            customer_initiated=dice.random() < 0.5,
            interaction_mode=dice.choice(["one_way", "two_way"]),
            touch_intent=sometimes(0.6, dice.choice(["informational", "promotional", "transactional"])),
            facts=tuple(facts),
        )

    return [one(place) for place in range(size)]
