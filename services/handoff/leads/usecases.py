"""What may be done with the facts about leads."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.handoff.leads import domain, store
from services.handoff.leads.domain import LeadFacts
from shared.db.transaction import Transaction
from shared.events.language import Received
from shared.events.marketing.leads import LeadGenerated


async def note_leads(tx: Transaction, announced: Sequence[Received[LeadGenerated]]) -> list[LeadFacts]:
    """Stores the leads that are new here and returns them by id; a lead is announced once, so a repetition changes nothing."""
    first: dict[UUID, Received[LeadGenerated]] = {}
    for received in sorted(announced, key=lambda one: (one.sequence, one.id)):
        first.setdefault(received.event.lead_id, received)
    known = await store.list_known_ids(tx, first.keys())
    fresh = [domain.note(first[lead_id], at=tx.now) for lead_id in sorted(first.keys() - known)]
    await store.save_leads(tx, fresh)
    return fresh


async def get_lead(tx: Transaction, lead_id: UUID) -> LeadFacts:
    """The facts of a lead as they were captured. Raises NotFound."""
    return await store.get_lead(tx, lead_id)
