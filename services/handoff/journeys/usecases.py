"""Keeping the ledger, and reading a journey from it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.handoff.journeys import domain, store
from services.handoff.journeys.domain import Journey
from shared.db.transaction import Transaction
from shared.errors import NotFound
from shared.events.handoff.decisions import LeadDisqualified, LeadQualified
from shared.events.handoff.routing import LeadRouted
from shared.events.language import Received


async def note_events(tx: Transaction, received: Sequence[Received[Any]]) -> None:
    """Notes what another service told about leads; each event once, whatever arrives first."""
    await store.save_facts(tx, [fact for one in received for fact in domain.note(one)])


async def note_own_events(tx: Transaction, _: Sequence[Received[Any]]) -> None:
    """Notes what this service tells in the same transaction, since it does not listen to itself."""
    told = [
        fact
        for emitted in tx.emitted
        if isinstance(emitted.event, LeadQualified | LeadDisqualified | LeadRouted)
        for fact in domain.note_own(emitted.event, occurred_at=emitted.cause.at, recorded_at=tx.now)
    ]
    await store.save_facts(tx, told)


async def get_journey(tx: Transaction, lead_id: UUID) -> Journey:
    """A lead's journey as far as it is known. Raises NotFound for a lead of which nothing was told."""
    facts = (await store.list_facts(tx, [lead_id])).get(lead_id)
    if not facts:
        raise NotFound(journey_id=lead_id)
    return domain.fold(lead_id, facts)


async def list_journeys(
    tx: Transaction, *, stage: domain.Stage | None, after: tuple[datetime, UUID] | None, limit: int
) -> list[tuple[datetime, Journey]]:
    """Journeys with the time at which their lead was recorded, in that order; optionally those of which a stage was told."""
    listed = await store.list_journey_ids(tx, stage=stage, after=after, limit=limit)
    facts = await store.list_facts(tx, [lead_id for _, lead_id in listed])
    return [(recorded_at, domain.fold(lead_id, facts[lead_id])) for recorded_at, lead_id in listed]
