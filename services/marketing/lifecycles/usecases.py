"""What marketing takes from the other services' events: how far each lead has come."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.marketing.lifecycles import domain, store
from services.marketing.lifecycles.domain import LifecycleStage, Step
from services.marketing.lifecycles.store import STANDINGS
from shared.cause import Cause
from shared.db.transaction import Transaction
from shared.events.distribution.orders import OrderDelivered
from shared.events.language import Received
from shared.events.sales.deals import DealClosed
from shared.events.sales.opportunities import OpportunityStageChanged

__all__ = ["STANDINGS", "LifecycleStage", "Step"]


async def enter_stages(tx: Transaction, told: Sequence[domain.StageEvent]) -> None:
    """Moves leads by what handoff decided and sales answered."""
    await _enter(tx, [entry for each in told if (entry := domain.entry_of(each, tx.now))], cause=told[0].cause)


async def enter_opportunities(tx: Transaction, told: Sequence[Received[OpportunityStageChanged]]) -> None:
    """Moves the leads of an opportunity, all of them."""
    await _enter(tx, [entry for each in told for entry in domain.entries_of(each, tx.now)], cause=told[0].cause)


async def note_outcomes(tx: Transaction, told: Sequence[Received[DealClosed]]) -> None:
    """Notes how deals ended. Of several closes of a deal the highest version stands, whichever came last."""
    outcomes = [outcome for each in told for outcome in domain.outcomes_of(each, tx.now)]
    before = await store.list_leads_of_deals(tx, {outcome.deal_id for outcome in outcomes})
    known = await store.lock_lifecycles(tx, before | {outcome.lead_id for outcome in outcomes})
    await store.save_outcomes(tx, outcomes)
    await _relocate(tx, known, cause=told[0].cause)


async def note_deliveries(tx: Transaction, told: Sequence[Received[OrderDelivered]]) -> None:
    """Notes what reached a customer; it moves no stage, but it is counted."""
    await store.save_deliveries(tx, [domain.delivery_of(each, tx.now) for each in told])


async def get_lifecycle(tx: Transaction, lead_id: UUID, captured_at: datetime) -> tuple[LifecycleStage, list[Step]]:
    """Where a captured lead stands, and the ladder as it took it."""
    entries, outcomes = await store.list_facts(tx, [lead_id])
    lifecycle = domain.locate(domain.Lifecycle(lead_id=lead_id), entries, outcomes)
    return lifecycle.stage, domain.steps(lead_id, captured_at, entries, outcomes)


async def _enter(tx: Transaction, entries: Sequence[domain.StageEntry], *, cause: Cause) -> None:
    if entries:
        known = await store.lock_lifecycles(tx, {entry.lead_id for entry in entries})
        await store.save_entries(tx, entries)
        await _relocate(tx, known, cause=cause)


async def _relocate(tx: Transaction, known: dict[UUID, domain.Lifecycle], *, cause: Cause) -> None:
    entries, outcomes = await store.list_facts(tx, known)
    entries_by_lead: dict[UUID, list[domain.StageEntry]] = defaultdict(list)
    for entry in entries:
        entries_by_lead[entry.lead_id].append(entry)
    deals_by_lead: dict[UUID, set[UUID]] = defaultdict(set)
    outcomes_by_deal: dict[UUID, list[domain.DealOutcome]] = defaultdict(list)
    for outcome in outcomes:
        deals_by_lead[outcome.lead_id].add(outcome.deal_id)
        outcomes_by_deal[outcome.deal_id].append(outcome)
    located = [
        domain.locate(
            lifecycle, entries_by_lead[lead_id], [outcome for deal_id in deals_by_lead[lead_id] for outcome in outcomes_by_deal[deal_id]]
        )
        for lead_id, lifecycle in known.items()
    ]
    await store.save_lifecycles(tx, [lifecycle for lifecycle in located if lifecycle != known[lifecycle.lead_id]], cause=cause)
