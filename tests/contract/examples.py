"""One story in stored events: a lead of a trade fair becomes a delivered order, with its detours beside it.

Every field of every event has a value in at least one of its examples; all examples fit together, so that a service can replay them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from shared import ids
from shared.events.distribution import orders
from shared.events.handoff import decisions, routing
from shared.events.marketing import leads
from shared.events.sales import deals, offers, opportunities
from shared.money import Money


def _id(kind: str, name: str = "1") -> UUID:
    return ids.derived_id("example", kind, name)


def _at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def _euro(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="EUR")


LEAD, OTHER_LEAD, DEAL, ORDER = _id("lead"), _id("lead", "2"), _id("deal"), _id("order")
PRODUCT, LINE = _id("product"), _id("order line")
SEGMENT = leads.SegmentVersion(segment_id=_id("segment"), version=3)

SNAPSHOT = leads.LeadSnapshot(
    subject_id=_id("subject"),
    organisation_id=_id("organisation"),
    origin="form",
    campaign_id=_id("campaign"),
    channel_id=_id("channel"),
    medium="event",
    segment_versions=(SEGMENT,),
    need_codes=("cold-chain",),
    journey_stage="consideration",
    expected_units=Decimal(120),
    expected_value=_euro("9000.00"),
    country="DE",
    region_code="DE-BY",
    language="de",
    time_zone="Europe/Berlin",
    nurture_programme_id=_id("programme"),
    routing_suggestion=leads.RoutingSuggestion(queue_code="inside-sales", segment_id=SEGMENT.segment_id, campaign_intent="convert"),
)

LEAD_GENERATED = leads.LeadGenerated(
    lead_id=LEAD,
    lead=SNAPSHOT,
    source_code="trade-fair",
    captured_at=_at(2, 9, 30),
    first_response_at=_at(2, 9, 41),
    customer_initiated=True,
    touch_id=_id("touch"),
    interaction_mode="two_way",
    audience="individual",
    touch_intent="relationship",
    facts=(
        leads.Fact(fact_code="employees", value=240, source_code="form", observed_at=_at(2, 9, 30)),
        leads.Fact(fact_code="budget-approved", value=True, source_code="form", observed_at=_at(2, 9, 30)),
        leads.Fact(fact_code="industry", value="food", source_code="form", observed_at=_at(2, 9, 30)),
    ),
    consents=(leads.Consent(purpose="email", state="granted", lawful_basis="consent", recorded_at=_at(2, 9, 30)),),
    verification="human_likely",
    possible_duplicate_of=(_id("lead", "0"),),
)

LEAD_QUALIFIED = decisions.LeadQualified(
    lead_id=LEAD,
    decision=decisions.QualifyingDecision(
        decision_id=_id("decision"),
        supersedes_decision_id=_id("decision", "0"),
        outcome="qualified",
        decided_at=_at(2, 9, 31),
        as_of=_at(2, 9, 31),
        rule_set_id=_id("rule set"),
        rule_set_version=4,
        input_hash="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        decided_by="manual_override",
        override_reason_code="known-need",
        fit_score=Decimal(72),
        engagement_score=Decimal("41.5"),
        grade="A2",
        readiness="considering",
        customer_type="enterprise",
        route_path="transactional",
    ),
    lead=SNAPSHOT,
    clock=decisions.ResponseClock(policy_code="standard", kind="business", clock_started_at=_at(2, 9, 31)),
)

LEAD_DISQUALIFIED = decisions.LeadDisqualified(
    lead_id=OTHER_LEAD,
    decision_id=_id("decision", "2"),
    supersedes_decision_id=_id("decision", "2a"),
    rule_set_id=_id("rule set"),
    rule_set_version=4,
    decided_at=_at(2, 10),
    as_of=_at(2, 10),
    decided_by="rule",
    reason_codes=("outside-territory",),
    disqualifier_rule_codes=("country-not-served",),
    fit_score=Decimal(12),
    engagement_score=Decimal(0),
    reopen_allowed=True,
)

LEAD_ROUTED = routing.LeadRouted(
    routing_id=_id("routing"),
    lead_id=LEAD,
    decision_id=_id("decision"),
    route_path="transactional",
    assignee_id=_id("user"),
    assignee_role="sales_rep",
    assignee_org="sales",
    queue_code="inside-sales",
    attempt=1,
    cause="first",
    previous_assignee_id=_id("user", "2"),
    candidate_count=3,
    suggestion_followed=True,
    policy_code="standard",
    clock="business",
    acceptance_due_at=_at(2, 11, 31),
    response_due_at=_at(2, 11, 31),
)

LEAD_ACCEPTED = offers.LeadAccepted(
    lead_id=LEAD,
    decision_id=_id("decision"),
    routing_id=_id("routing"),
    accepted_by_id=_id("user"),
    accepted_at=_at(2, 10, 5),
    acceptance_mode="manual",
)

LEAD_REJECTED = offers.LeadRejected(
    lead_id=OTHER_LEAD,
    decision_id=_id("decision", "2a"),
    routing_id=_id("routing", "2"),
    phase="before_acceptance",
    rejected_by_id=_id("user"),
    rejected_at=_at(2, 9, 55),
    reason_code="wrong_geography",
    note_id=_id("note"),
    suggested_disposition="disqualify",
    touch_count=1,
)

PROPOSAL = opportunities.Stage(stage_code="proposal", stage_type="open", probability=Decimal("0.5"), forecast_category="best_case")

OPPORTUNITY_STAGE_CHANGED = opportunities.OpportunityStageChanged(
    lead_id=LEAD,
    opportunity_id=_id("opportunity"),
    lead_ids=(LEAD,),
    customer_id=_id("customer"),
    organisation_id=_id("organisation"),
    previous=PROPOSAL,
    current=opportunities.Stage(stage_code="closed_lost", stage_type="lost", probability=Decimal(0), forecast_category="closed"),
    amount=_euro("8800.00"),
    expected_close_date=date(2026, 3, 20),
    owner_id=_id("user"),
    need_codes=("cold-chain",),
    product_ids=(PRODUCT,),
    lost_reasons=("budget",),
)

DEAL_CLOSED = deals.DealClosed(
    lead_id=LEAD,
    deal_id=DEAL,
    deal_version=1,
    opportunity_id=_id("opportunity", "2"),
    previous_deal_id=_id("deal", "0"),
    closed_at=_at(12, 15),
    close_mode="negotiated",
    customer_id=_id("customer"),
    organisation_id=_id("organisation"),
    subject_id=_id("subject"),
    customer_type="enterprise",
    lead_ids=(LEAD,),
    campaign_ids=(_id("campaign"),),
    segment_versions=(SEGMENT,),
    need_codes=("cold-chain",),
    channel_id=_id("channel"),
    owner_id=_id("user"),
    owner_role="sales_rep",
    rep_credits=(deals.RepCredit(user_id=_id("user"), role="sales_rep", share=Decimal(1)),),
    first_touch_at=_at(2, 9, 30),
    first_response_at=_at(2, 9, 41),
    opportunity_created_at=_at(3, 8),
    list_total=_euro("9000.00"),
    discount_total=_euro("200.00"),
    net_total=_euro("8800.00"),
    margin_total=_euro("2100.00"),
    coverage_goal_ids=(_id("goal"),),
    won=deals.Won(
        credited_function="marketing",
        credit_override_reason_code="split-by-agreement",
        payment_terms_code="net-30",
        credit_status="clear",
        blanket_order=False,
        contract_starts_on=date(2026, 4, 1),
        contract_ends_on=date(2027, 3, 31),
        win_reason_codes=("delivery-time",),
    ),
    lost=None,
    lines=(
        deals.DealLine(
            line_no=1,
            product_id=PRODUCT,
            sku="BOX-40",
            fulfilment_type="goods",
            quantity=Decimal(110),
            unit="piece",
            list_unit_price=_euro("81.82"),
            net_unit_price=_euro("80.00"),
            net_amount=_euro("8800.00"),
            price_list_entry_id=_id("price"),
            promotion_ids=(_id("promotion"),),
            promise_id=_id("promise"),
            requested_date=date(2026, 3, 20),
            confirmed_date=date(2026, 3, 20),
            schedule=(deals.ScheduledQuantity(date=date(2026, 3, 20), quantity=Decimal(110)),),
            outlet_id=_id("outlet"),
            ship_to_id=_id("address"),
            ship_to_country="DE",
            ship_to_time_zone="Europe/Berlin",
            delivery_preference_codes=("tail-lift",),
            instruction_id=_id("instruction"),
        ),
    ),
)

DEAL_LOST = deals.DealClosed(
    lead_id=OTHER_LEAD,
    deal_id=_id("deal", "2"),
    deal_version=1,
    opportunity_id=None,
    previous_deal_id=None,
    closed_at=_at(12, 16),
    close_mode="negotiated",
    customer_id=None,
    organisation_id=None,
    subject_id=None,
    customer_type=None,
    lead_ids=(OTHER_LEAD,),
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
    won=None,
    lost=deals.Lost(lost_reasons=("pricing", "budget")),
    lines=(),
)

ORDER_PROMISED = orders.OrderPromised(
    lead_id=LEAD,
    order_id=ORDER,
    deal_id=DEAL,
    deal_version=1,
    received_at=_at(12, 15, 1),
    order_value=_euro("8800.00"),
    cause="replanned",
    promise_date=date(2026, 3, 19),
    blockers=(orders.Blocker(blocker="awaiting_stock", owner_role="warehouse_operator", since=_at(12, 15, 1)),),
    lines=(
        orders.PromisedLine(
            order_line_id=LINE,
            deal_line_no=1,
            product_id=PRODUCT,
            fulfilment_type="goods",
            quantity=Decimal(110),
            outlet_id=_id("outlet"),
            requested_date=date(2026, 3, 20),
            previous_promise_date=date(2026, 3, 20),
            promise_date=date(2026, 3, 19),
            status="received",
        ),
    ),
)

ORDER_SHIPPED = orders.OrderShipped(
    lead_id=LEAD,
    order_id=ORDER,
    deal_id=DEAL,
    shipment_id=_id("shipment"),
    warehouse_id=_id("warehouse"),
    carrier_code="road",
    shipped_at=_at(18, 6),
    expected_delivery_date=date(2026, 3, 19),
    final_shipment=True,
    lines=(orders.ShippedLine(order_line_id=LINE, quantity=Decimal(100)),),
)

ORDER_DELIVERED = orders.OrderDelivered(
    lead_id=LEAD,
    order_id=ORDER,
    deal_id=DEAL,
    delivery_id=_id("delivery"),
    shipment_id=_id("shipment"),
    delivered_at=_at(19, 10, 20),
    delivered_local_date=date(2026, 3, 19),
    lines=(
        orders.DeliveredLine(
            order_line_id=LINE,
            product_id=PRODUCT,
            outlet_id=_id("outlet"),
            quantity=Decimal(100),
            accepted_quantity=Decimal(99),
            damaged_quantity=Decimal(1),
            on_time=True,
            in_full=False,
        ),
    ),
    order_complete=True,
    order_on_time=True,
    order_in_full=False,
    receipt_confirmed=True,
    documents_correct=True,
    satisfaction_score=8,
    exception_codes=("damaged",),
)

ORDER_CANCELLED = orders.OrderCancelled(
    lead_id=LEAD,
    order_id=ORDER,
    deal_id=DEAL,
    cause="imported",
    cancelled_at=_at(17, 12),
    whole_order=False,
    cancelled_value=_euro("800.00"),
    lines=(orders.CancelledLine(order_line_id=LINE, cancelled_quantity=Decimal(10)),),
)

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "lead-generated": {"example": LEAD_GENERATED},
    "lead-qualified": {"example": LEAD_QUALIFIED},
    "lead-disqualified": {"example": LEAD_DISQUALIFIED},
    "lead-routed": {"example": LEAD_ROUTED},
    "lead-accepted": {"example": LEAD_ACCEPTED},
    "lead-rejected": {"example": LEAD_REJECTED},
    "opportunity-stage-changed": {"example": OPPORTUNITY_STAGE_CHANGED},
    "deal-closed": {"example": DEAL_CLOSED, "example-lost": DEAL_LOST},
    "order-promised": {"example": ORDER_PROMISED},
    "order-shipped": {"example": ORDER_SHIPPED},
    "order-delivered": {"example": ORDER_DELIVERED},
    "order-cancelled": {"example": ORDER_CANCELLED},
}
"""Event name to its stored examples, in the order of the story."""
