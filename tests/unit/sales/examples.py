"""Events and objects of sales as tests need them; each takes overrides."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from services.sales.deals import domain as deals
from services.sales.offers import domain as offers
from services.sales.opportunities import domain as opportunities
from shared.cause import Actor
from shared.events.distribution.orders import (
    CancelledLine,
    DeliveredLine,
    OrderCancelled,
    OrderDelivered,
    OrderPromised,
    OrderShipped,
    PromisedLine,
    ShippedLine,
)
from shared.events.handoff.decisions import LeadDisqualified, LeadQualified, QualifyingDecision
from shared.events.handoff.routing import LeadRouted
from shared.events.marketing.leads import LeadGenerated, LeadSnapshot
from shared.ids import new_id
from shared.money import Money

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
REP = UUID(int=1)
OTHER_REP = UUID(int=2)
PRODUCT = UUID(int=3)


def actor(user_id: UUID | None = REP, *roles: str) -> Actor:
    return Actor(principal="somebody", user_id=user_id, roles=frozenset(roles or ("sales_rep",)))


def euro(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="EUR")


def snapshot(**given: Any) -> LeadSnapshot:
    return LeadSnapshot(**{"subject_id": new_id(), "origin": "form", "need_codes": ("storage",)} | given)


def generated(lead_id: UUID | None = None, **given: Any) -> LeadGenerated:
    values: dict[str, Any] = {
        "lead_id": lead_id or new_id(),
        "lead": snapshot(),
        "source_code": "web",
        "captured_at": NOON,
        "first_response_at": None,
        "customer_initiated": None,
        "touch_id": None,
        "interaction_mode": None,
        "audience": None,
        "touch_intent": None,
    }
    return LeadGenerated(**values | given)


def qualified(lead_id: UUID, *, decided_at: datetime = NOON, **given: Any) -> LeadQualified:
    values: dict[str, Any] = {
        "decision_id": new_id(),
        "supersedes_decision_id": None,
        "outcome": "qualified",
        "decided_at": decided_at,
        "as_of": decided_at,
        "rule_set_id": new_id(),
        "rule_set_version": 1,
        "input_hash": "0" * 64,
        "decided_by": "rule",
        "override_reason_code": None,
        "fit_score": Decimal(70),
        "engagement_score": Decimal(40),
        "grade": "A2",
        "readiness": "ready",
        "customer_type": "smb",
        "route_path": "transactional",
    }
    return LeadQualified(lead_id=lead_id, decision=QualifyingDecision(**values | given), lead=snapshot(), clock=None)


def disqualified(lead_id: UUID, *, decided_at: datetime = NOON, **given: Any) -> LeadDisqualified:
    values: dict[str, Any] = {
        "lead_id": lead_id,
        "decision_id": new_id(),
        "supersedes_decision_id": None,
        "rule_set_id": new_id(),
        "rule_set_version": 1,
        "decided_at": decided_at,
        "as_of": decided_at,
        "decided_by": "rule",
        "reason_codes": ("no_need",),
        "disqualifier_rule_codes": (),
        "fit_score": Decimal(0),
        "engagement_score": Decimal(0),
        "reopen_allowed": True,
    }
    return LeadDisqualified(**values | given)


def routed(lead_id: UUID | None = None, **given: Any) -> LeadRouted:
    values: dict[str, Any] = {
        "routing_id": new_id(),
        "lead_id": lead_id or new_id(),
        "decision_id": new_id(),
        "route_path": "transactional",
        "assignee_id": None,
        "assignee_role": None,
        "assignee_org": "sales",
        "queue_code": "default",
        "attempt": 1,
        "cause": "first",
        "previous_assignee_id": None,
        "candidate_count": 0,
        "suggestion_followed": None,
        "policy_code": "default",
        "clock": "business",
        "acceptance_due_at": None,
        "response_due_at": None,
    }
    return LeadRouted(**values | given)


def offer(**given: Any) -> offers.Offer:
    made = offers.offer(routed(), at=NOON, recorded_at=NOON)
    return replace(made, **given)


def asked_opportunity(**given: Any) -> opportunities.OpenOpportunity:
    values: dict[str, Any] = {"opportunity_id": new_id(), "lead_id": new_id()}
    return opportunities.OpenOpportunity(**values | given)


def opportunity(**given: Any) -> opportunities.Opportunity:
    opened, _ = opportunities.open_opportunity(
        asked_opportunity(), organisation_id=None, need_codes=("storage",), by=actor(), at=NOON, recorded_at=NOON
    )
    return replace(opened, **given)


def line(line_no: int = 1, **given: Any) -> deals.AgreedLine:
    return deals.AgreedLine(**{"line_no": line_no, "sku": "A-1", "quantity": Decimal(2), "net_unit_price": euro("10.00")} | given)


def asked_deal(**given: Any) -> deals.CloseDeal:
    return deals.CloseDeal(**{"deal_id": new_id(), "lead_id": new_id(), "outcome": "won", "lines": (line(),)} | given)


def promised(
    deal_id: UUID, order_id: UUID, quantities: dict[UUID, int], day: date | None = None, lead_id: UUID | None = None
) -> OrderPromised:
    lines = tuple(
        PromisedLine(
            order_line_id=line_id,
            deal_line_no=number,
            product_id=PRODUCT,
            fulfilment_type="goods",
            quantity=Decimal(quantity),
            outlet_id=None,
            requested_date=None,
            previous_promise_date=None,
            promise_date=day,
            status="received",
        )
        for number, (line_id, quantity) in enumerate(quantities.items(), start=1)
    )
    return OrderPromised(
        lead_id=new_id(),
        order_id=order_id,
        deal_id=deal_id,
        deal_version=1,
        received_at=NOON,
        order_value=euro("20.00"),
        cause="received",
        promise_date=day,
        blockers=(),
        lines=lines,
    )


def shipped(deal_id: UUID, order_id: UUID, quantities: dict[UUID, int]) -> OrderShipped:
    return OrderShipped(
        lead_id=new_id(),
        order_id=order_id,
        deal_id=deal_id,
        shipment_id=new_id(),
        warehouse_id=None,
        carrier_code=None,
        shipped_at=NOON,
        expected_delivery_date=None,
        final_shipment=False,
        lines=tuple(ShippedLine(order_line_id=line_id, quantity=Decimal(quantity)) for line_id, quantity in quantities.items()),
    )


def delivered(deal_id: UUID, order_id: UUID, quantities: dict[UUID, int], *, complete: bool = False) -> OrderDelivered:
    lines = tuple(
        DeliveredLine(
            order_line_id=line_id,
            product_id=PRODUCT,
            outlet_id=None,
            quantity=Decimal(quantity),
            accepted_quantity=Decimal(quantity),
            damaged_quantity=Decimal(0),
            on_time=None,
            in_full=None,
        )
        for line_id, quantity in quantities.items()
    )
    return OrderDelivered(
        lead_id=new_id(),
        order_id=order_id,
        deal_id=deal_id,
        delivery_id=new_id(),
        shipment_id=None,
        delivered_at=NOON,
        delivered_local_date=NOON.date(),
        lines=lines,
        order_complete=complete,
        order_on_time=None,
        order_in_full=None,
        receipt_confirmed=None,
        documents_correct=None,
        satisfaction_score=None,
        exception_codes=(),
    )


def cancelled(deal_id: UUID, order_id: UUID, quantities: dict[UUID, int], *, whole: bool = False) -> OrderCancelled:
    return OrderCancelled(
        lead_id=new_id(),
        order_id=order_id,
        deal_id=deal_id,
        cause="imported",
        cancelled_at=NOON,
        whole_order=whole,
        cancelled_value=euro("0.00"),
        lines=tuple(CancelledLine(order_line_id=line_id, cancelled_quantity=Decimal(quantity)) for line_id, quantity in quantities.items()),
    )
