"""A lead's journey through all services, folded from what they told about it, whatever arrived first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias, get_args
from uuid import UUID

from shared.events import language
from shared.events.distribution.orders import OrderCancelled, OrderDelivered, OrderPromised, OrderShipped
from shared.events.handoff.decisions import LeadDisqualified, LeadQualified
from shared.events.handoff.routing import LeadRouted
from shared.events.language import Received
from shared.events.marketing.leads import LeadGenerated
from shared.events.sales.deals import DealClosed
from shared.events.sales.offers import LeadAccepted, LeadRejected
from shared.events.sales.opportunities import OpportunityStageChanged
from shared.ids import derived_id

Stage = Literal["captured", "qualified", "routed", "accepted", "opportunity", "won", "promised", "shipped", "delivered"]
FunnelStage = Literal["reached", "at_door", "handed_off", "through"]
State = Literal[
    "announced", "captured", "qualified", "disqualified", "routed", "accepted", "rejected", "opportunity", "lost", "won", "promised",
    "shipped", "delivered", "cancelled",
]  # fmt: skip
PassageStatus = Literal["passed", "skipped", "open"]
Details: TypeAlias = dict[str, str | int | bool | None]
Event: TypeAlias = (
    LeadGenerated
    | LeadQualified
    | LeadDisqualified
    | LeadRouted
    | LeadAccepted
    | LeadRejected
    | OpportunityStageChanged
    | DealClosed
    | OrderPromised
    | OrderShipped
    | OrderDelivered
    | OrderCancelled
)
OwnEvent: TypeAlias = LeadQualified | LeadDisqualified | LeadRouted

STAGES: tuple[Stage, ...] = get_args(Stage)
FUNNEL: tuple[FunnelStage, ...] = get_args(FunnelStage)


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneyFact:
    """That something happened to a lead: one row per event and lead. `stage` is the one that this event alone shows to be passed.

    `deal_id` ties the leads of one deal together. `sequence` orders the facts of one (source, subject); None for this service's own.
    """

    lead_id: UUID
    event_id: UUID
    event: str
    source: str
    subject: UUID
    deal_id: UUID | None
    stage: Stage | None
    sequence: int | None
    occurred_at: datetime
    recorded_at: datetime
    details: Details


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A stage of the journey: passed (and when, if that is known), skipped (a later one is passed), or open."""

    stage: Stage | FunnelStage
    status: PassageStatus
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """Everything that is known of one lead's way; `state` is where it stands, `final` whether nothing more is expected."""

    journey_id: UUID
    state: State
    final: bool
    stages: tuple[Passage, ...]
    funnel: tuple[Passage, ...]
    events: tuple[JourneyFact, ...]


def note(received: Received[Any]) -> list[JourneyFact]:
    """The facts in an event of another service: one for each lead that it concerns."""
    return _facts(
        received.event,
        event_id=received.id,
        sequence=received.sequence,
        occurred_at=received.occurred_at,
        recorded_at=received.recorded_at,
    )


def note_own(event: OwnEvent, *, occurred_at: datetime, recorded_at: datetime) -> list[JourneyFact]:
    """The fact in an event of this service, which it never receives; the same decision or routing always gives the same fact."""
    kind = language.type_of(type(event))
    origin = event.decision.decision_id if isinstance(event, LeadQualified) else event.decision_id
    identity = event.routing_id if isinstance(event, LeadRouted) else origin
    event_id = derived_id("handoff", kind.name, str(identity))
    return _facts(event, event_id=event_id, sequence=None, occurred_at=occurred_at, recorded_at=recorded_at)


def fold(journey_id: UUID, facts: Iterable[JourneyFact]) -> Journey:
    """The journey that a set of facts tells, the same for any order and any number of repetitions of them."""
    once = {fact.event_id: fact for fact in facts}
    ordered = sorted(once.values(), key=_place)
    passed = _passed(ordered)
    state, final = _state(ordered)
    return Journey(
        journey_id=journey_id,
        state=state,
        final=final,
        stages=_passages(STAGES, passed),
        funnel=_passages(FUNNEL, _funnel(ordered, passed)),
        events=tuple(ordered),
    )


def _place(fact: JourneyFact) -> tuple[Any, ...]:
    return fact.occurred_at, _USUAL_ORDER[fact.event], fact.sequence or 0, fact.event_id


def _facts(event: Any, *, event_id: UUID, sequence: int | None, occurred_at: datetime, recorded_at: datetime) -> list[JourneyFact]:
    kind = language.type_of(type(event))
    stage, details = _READ[type(event)](event)
    leads = {event.lead_id, *getattr(event, "lead_ids", ())}
    return [
        JourneyFact(
            lead_id=lead_id,
            event_id=event_id,
            event=kind.name,
            source=kind.producer,
            subject=getattr(event, kind.subject),
            deal_id=getattr(event, "deal_id", None) or getattr(event, "opportunity_id", None),
            stage=stage,
            sequence=sequence,
            occurred_at=occurred_at,
            recorded_at=recorded_at,
            details=details,
        )
        for lead_id in sorted(leads)
    ]


def _of_lead(event: LeadGenerated) -> tuple[Stage | None, Details]:
    first_response = event.first_response_at.isoformat() if event.first_response_at else None
    return "captured", {
        "origin": event.lead.origin,
        "source_code": event.source_code,
        "first_response_at": first_response,
        "customer_initiated": event.customer_initiated,
    }


def _of_qualification(event: LeadQualified) -> tuple[Stage | None, Details]:
    return "qualified", {"decision_id": str(event.decision.decision_id), "grade": event.decision.grade}


def _of_disqualification(event: LeadDisqualified) -> tuple[Stage | None, Details]:
    return None, {"decision_id": str(event.decision_id), "reason_code": next(iter(event.reason_codes), None)}


def _of_routing(event: LeadRouted) -> tuple[Stage | None, Details]:
    return "routed", {"routing_id": str(event.routing_id), "queue_code": event.queue_code, "attempt": event.attempt}


def _of_acceptance(event: LeadAccepted) -> tuple[Stage | None, Details]:
    return "accepted", {"acceptance_mode": event.acceptance_mode}


def _of_rejection(event: LeadRejected) -> tuple[Stage | None, Details]:
    return None, {"phase": event.phase, "reason_code": event.reason_code, "suggested_disposition": event.suggested_disposition}


def _of_stage_change(event: OpportunityStageChanged) -> tuple[Stage | None, Details]:
    return "opportunity", {"stage_code": event.current.stage_code, "stage_type": event.current.stage_type}


def _of_close(event: DealClosed) -> tuple[Stage | None, Details]:
    won = event.won is not None
    blanket = event.won.blanket_order if event.won else None
    return "won" if won else None, {"outcome": "won" if won else "lost", "deal_version": event.deal_version, "blanket_order": blanket}


def _of_promise(event: OrderPromised) -> tuple[Stage | None, Details]:
    day = event.promise_date.isoformat() if event.promise_date else None
    return "promised" if day else None, {"cause": event.cause, "promise_date": day}


def _of_shipment(event: OrderShipped) -> tuple[Stage | None, Details]:
    return "shipped", {"shipment_id": str(event.shipment_id), "final_shipment": event.final_shipment}


def _of_delivery(event: OrderDelivered) -> tuple[Stage | None, Details]:
    complete = event.order_complete
    details: Details = {"delivery_id": str(event.delivery_id), "order_complete": complete, "order_on_time": event.order_on_time}
    return "delivered" if complete else None, details


def _of_cancellation(event: OrderCancelled) -> tuple[Stage | None, Details]:
    return None, {"cause": event.cause, "whole_order": event.whole_order}


_READ: dict[type[Any], Callable[[Any], tuple[Stage | None, Details]]] = {
    LeadGenerated: _of_lead,
    LeadQualified: _of_qualification,
    LeadDisqualified: _of_disqualification,
    LeadRouted: _of_routing,
    LeadAccepted: _of_acceptance,
    LeadRejected: _of_rejection,
    OpportunityStageChanged: _of_stage_change,
    DealClosed: _of_close,
    OrderPromised: _of_promise,
    OrderShipped: _of_shipment,
    OrderDelivered: _of_delivery,
    OrderCancelled: _of_cancellation,
}

_USUAL_ORDER = {language.type_of(kind).name: place for place, kind in enumerate(_READ)}


def _passed(ordered: Sequence[JourneyFact]) -> dict[Stage, datetime]:
    standing = {fact.event_id for fact in _last_closes(ordered).values()}
    passed: dict[Stage, datetime] = {}
    for fact in ordered:
        if fact.stage is not None and (fact.event != "deal-closed" or fact.event_id in standing):
            passed.setdefault(fact.stage, fact.occurred_at)
    return passed


def _passages(stages: Sequence[Any], passed: Mapping[Any, datetime | None]) -> tuple[Passage, ...]:
    last = max((place for place, stage in enumerate(stages) if stage in passed), default=-1)
    return tuple(
        Passage(
            stage=stage,
            status="passed" if stage in passed else "skipped" if place < last else "open",
            at=passed.get(stage),
        )
        for place, stage in enumerate(stages)
    )


def _funnel(ordered: Sequence[JourneyFact], passed: Mapping[Stage, datetime]) -> dict[FunnelStage, datetime]:
    funnel: dict[FunnelStage, datetime] = {}
    for fact in ordered:
        if fact.event == "lead-generated":
            funnel["reached"] = fact.occurred_at
            first_response = fact.details.get("first_response_at")
            if isinstance(first_response, str):
                funnel["at_door"] = datetime.fromisoformat(first_response)
            elif fact.details.get("customer_initiated"):
                funnel["at_door"] = fact.occurred_at
    handed_off = passed.get("routed") or passed.get("accepted")
    if handed_off:
        funnel["handed_off"] = handed_off
    if "won" in passed:
        funnel["through"] = passed["won"]
    return funnel


def _last_closes(ordered: Sequence[JourneyFact]) -> dict[UUID, JourneyFact]:
    last: dict[UUID, JourneyFact] = {}
    for fact in ordered:
        if fact.event == "deal-closed" and fact.deal_id is not None:
            known = last.get(fact.deal_id)
            if known is None or _version(fact) > _version(known):
                last[fact.deal_id] = fact
    return last


def _version(fact: JourneyFact) -> int:
    return int(fact.details.get("deal_version") or 0)


def _state(ordered: Sequence[JourneyFact]) -> tuple[State, bool]:
    """The furthest point that still holds: fulfilment before deals, deals before opportunities, these before the hand-over."""
    closes = _last_closes(ordered)
    won = [fact for fact in closes.values() if fact.details["outcome"] == "won"]
    orders: dict[UUID, list[JourneyFact]] = {}
    for fact in ordered:
        if fact.source == "distribution":
            orders.setdefault(fact.subject, []).append(fact)
    undecided = any(fact.event == "opportunity-stage-changed" and fact.deal_id not in closes for fact in ordered)
    if orders:
        state, final = _state_of_orders(list(orders.values()))
        served = {facts[0].deal_id for facts in orders.values()}
        return state, final and not undecided and all(fact.deal_id in served or fact.details["blanket_order"] for fact in won)
    if won:
        return "won", not undecided and all(fact.details["blanket_order"] for fact in won)
    if undecided:
        return "opportunity", False
    if closes:
        return "lost", True
    return _state_before_sale(ordered)


def _state_of_orders(orders: Sequence[Sequence[JourneyFact]]) -> tuple[State, bool]:
    live = [facts for facts in orders if not any(fact.details.get("whole_order") for fact in facts)]
    if not live:
        return "cancelled", True
    if all(_has(facts, "delivered") for facts in live):
        return "delivered", True
    everything = [fact for facts in live for fact in facts]
    if any(fact.event in {"order-shipped", "order-delivered"} for fact in everything):
        return "shipped", False
    return ("promised" if _has(everything, "promised") else "won"), False


def _state_before_sale(ordered: Sequence[JourneyFact]) -> tuple[State, bool]:
    answers = [fact for fact in ordered if fact.event in {"lead-accepted", "lead-rejected"}]
    if answers:
        last = max(answers, key=lambda fact: fact.sequence or 0)
        return ("accepted" if last.event == "lead-accepted" else "rejected"), False
    decisions = [fact for fact in ordered if fact.event in {"lead-qualified", "lead-disqualified"}]
    if decisions and decisions[-1].event == "lead-disqualified":
        return "disqualified", True
    reached: Sequence[Stage] = [stage for stage in ("routed", "qualified", "captured") if _has(ordered, stage)]
    return (reached[0] if reached else "announced"), False


def _has(facts: Iterable[JourneyFact], stage: Stage) -> bool:
    return any(fact.stage == stage for fact in facts)
