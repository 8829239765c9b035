"""The lifecycle of a lead is a fold over time-stamped facts, which the other services tell in any order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.events.distribution.orders import OrderDelivered
from shared.events.handoff.decisions import LeadDisqualified, LeadQualified
from shared.events.language import Received
from shared.events.sales.deals import DealClosed
from shared.events.sales.offers import LeadAccepted, LeadRejected
from shared.events.sales.opportunities import OpportunityStageChanged

LifecycleStage = Literal["subscriber", "lead", "mql", "sal", "sql", "opportunity", "customer", "recycled", "disqualified"]
StageStatus = Literal["passed", "skipped", "open"]

LADDER: tuple[LifecycleStage, ...] = ("subscriber", "lead", "mql", "sal", "sql", "opportunity", "customer")
RETURNS: frozenset[LifecycleStage] = frozenset({"recycled", "disqualified"})
_RANK = {stage: rank for rank, stage in enumerate(LADDER)}
_DISPOSED: dict[str, LifecycleStage] = {"recycle": "recycled", "disqualify": "disqualified"}

StageEvent = Received[LeadQualified] | Received[LeadDisqualified] | Received[LeadAccepted] | Received[LeadRejected]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageEntry:
    """A lead entered a stage. `evidence_ref` names what proves it, `cause_event_id` the event that told it."""

    lead_id: UUID
    stage: LifecycleStage
    cause_event_id: UUID
    entered_at: datetime
    evidence_ref: str
    reason_codes: tuple[str, ...]
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DealOutcome:
    """How a deal ended, for one of the leads that led to it. Of several closes of a deal the highest version stands.

    `primary`: the lead under which the deal is counted.
    """

    deal_id: UUID
    deal_version: int
    lead_id: UUID
    outcome: Literal["won", "lost"]
    closed_at: datetime
    primary: bool
    cause_event_id: UUID
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Something of a deal reached the customer. `complete`: nothing of the order is still to come."""

    delivery_id: UUID
    order_id: UUID
    deal_id: UUID
    lead_id: UUID
    delivered_at: datetime
    complete: bool
    cause_event_id: UUID
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """Where a lead stands, and since when (None: nothing was told of it since its capture)."""

    lead_id: UUID
    stage: LifecycleStage = "lead"
    entered_at: datetime | None = None
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the ladder as a lead took it: passed at a time, skipped where a later one was reached, or open."""

    stage: LifecycleStage
    status: StageStatus
    entered_at: datetime | None


def entry_of(told: StageEvent, at: datetime) -> StageEntry | None:
    """The stage that handoff's or sales' word on a lead means; None if it means none. `at`: when it is recorded."""
    match told.event:
        case LeadQualified(decision=decision) if decision.outcome == "qualified":
            return _entry(told, at, stage="mql", entered_at=decision.decided_at, evidence_ref=f"decision/{decision.decision_id}")
        case LeadDisqualified() as event:
            evidence, reasons = f"decision/{event.decision_id}", event.reason_codes
            return _entry(told, at, stage="disqualified", entered_at=event.decided_at, evidence_ref=evidence, reason_codes=reasons)
        case LeadAccepted() as event:
            return _entry(told, at, stage="sal", entered_at=event.accepted_at, evidence_ref=f"routing/{event.routing_id}")
        case LeadRejected() as event if event.suggested_disposition in _DISPOSED:
            stage, evidence, reasons = _DISPOSED[event.suggested_disposition], f"routing/{event.routing_id}", (event.reason_code,)
            return _entry(told, at, stage=stage, entered_at=event.rejected_at, evidence_ref=evidence, reason_codes=reasons)
        case _:
            return None


def entries_of(told: Received[OpportunityStageChanged], at: datetime) -> list[StageEntry]:
    """The stages that an opportunity gives to each of its leads.

    Every opportunity is one; with amount and close date it also makes the lead `sql`. Losing one that was open says nothing new.
    """
    event = told.event
    if event.current.stage_type == "lost" and event.previous is not None:
        return []
    stages: list[LifecycleStage] = ["opportunity"]
    if event.amount is not None and event.expected_close_date is not None:
        stages.append("sql")
    evidence = f"opportunity/{event.opportunity_id}"
    return [
        replace(_entry(told, at, stage=stage, entered_at=told.occurred_at, evidence_ref=evidence), lead_id=lead_id)
        for lead_id in _leads(event.lead_id, event.lead_ids)
        for stage in stages
    ]


def outcomes_of(told: Received[DealClosed], at: datetime) -> list[DealOutcome]:
    """The outcome of a closed deal for each lead that led to it."""
    event = told.event
    return [
        DealOutcome(
            deal_id=event.deal_id,
            deal_version=event.deal_version,
            lead_id=lead_id,
            outcome="won" if event.won is not None else "lost",
            closed_at=event.closed_at,
            primary=lead_id == event.lead_id,
            cause_event_id=told.id,
            recorded_at=at,
        )
        for lead_id in _leads(event.lead_id, event.lead_ids)
    ]


def delivery_of(told: Received[OrderDelivered], at: datetime) -> Delivery:
    """The delivery that was told."""
    event = told.event
    return Delivery(
        delivery_id=event.delivery_id,
        order_id=event.order_id,
        deal_id=event.deal_id,
        lead_id=event.lead_id,
        delivered_at=event.delivered_at,
        complete=event.order_complete,
        cause_event_id=told.id,
        recorded_at=at,
    )


def standing(outcomes: Iterable[DealOutcome]) -> list[DealOutcome]:
    """The outcomes that count: those of the highest version of each deal."""
    known = list(outcomes)
    highest: dict[UUID, int] = {}
    for outcome in known:
        highest[outcome.deal_id] = max(outcome.deal_version, highest.get(outcome.deal_id, 0))
    return [outcome for outcome in known if outcome.deal_version == highest[outcome.deal_id]]


def locate(lifecycle: Lifecycle, entries: Sequence[StageEntry], outcomes: Sequence[DealOutcome]) -> Lifecycle:
    """Where a captured lead stands after all that is known, whatever the order in which it became known.

    `outcomes`: all of the lead's deals, versions that no longer name the lead included. A standing won deal makes a `customer`. Otherwise
    the last return (`recycled`, `disqualified`) holds until a stage is entered after it, and of those stages the highest counts.
    """
    lead_id = lifecycle.lead_id
    won = [outcome.closed_at for outcome in standing(outcomes) if outcome.lead_id == lead_id and outcome.outcome == "won"]
    if won:
        return replace(lifecycle, stage="customer", entered_at=min(won))
    back = max((entry for entry in entries if entry.stage in RETURNS), key=_finality, default=None)
    since = [entry for entry in entries if entry.stage in _RANK and (back is None or entry.entered_at > back.entered_at)]
    if not since:
        return replace(lifecycle, stage=back.stage if back else "lead", entered_at=back.entered_at if back else None)
    top = max((entry.stage for entry in since), key=lambda stage: _RANK[stage])
    return replace(lifecycle, stage=top, entered_at=min(entry.entered_at for entry in since if entry.stage == top))


def steps(lead_id: UUID, captured_at: datetime, entries: Iterable[StageEntry], outcomes: Iterable[DealOutcome]) -> list[Step]:
    """The ladder from `lead` on with the first time of each stage that a lead ever reached; a stage that was left out is `skipped`."""
    first: dict[LifecycleStage, datetime] = {"lead": captured_at}
    for entry in entries:
        if entry.stage in _RANK:
            first[entry.stage] = min(entry.entered_at, first.get(entry.stage, entry.entered_at))
    won = [outcome.closed_at for outcome in standing(outcomes) if outcome.lead_id == lead_id and outcome.outcome == "won"]
    if won:
        first["customer"] = min(won)
    highest = max(_RANK[stage] for stage in first)
    return [_step(stage, first.get(stage), highest) for stage in LADDER[_RANK["lead"] :]]


def _step(stage: LifecycleStage, at: datetime | None, highest: int) -> Step:
    if at is not None:
        return Step(stage=stage, status="passed", entered_at=at)
    return Step(stage=stage, status="skipped" if _RANK[stage] < highest else "open", entered_at=None)


def _finality(entry: StageEntry) -> tuple[datetime, bool]:
    return entry.entered_at, entry.stage == "disqualified"


def _leads(primary: UUID, others: Iterable[UUID]) -> list[UUID]:
    return list(dict.fromkeys((primary, *others)))


def _entry(
    told: StageEvent | Received[OpportunityStageChanged],
    at: datetime,
    *,
    stage: LifecycleStage,
    entered_at: datetime,
    evidence_ref: str,
    reason_codes: tuple[str, ...] = (),
) -> StageEntry:
    return StageEntry(
        lead_id=told.event.lead_id,
        stage=stage,
        cause_event_id=told.id,
        entered_at=entered_at,
        evidence_ref=evidence_ref,
        reason_codes=reason_codes,
        recorded_at=at,
    )
