"""What sales does with leads: notes them, and finds them again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from services.sales.leads import domain, store
from shared.db.transaction import Transaction
from shared.errors import NotFound
from shared.events.handoff.decisions import LeadDisqualified, LeadQualified
from shared.events.language import Received
from shared.events.marketing.leads import LeadGenerated

Leads = dict[UUID, domain.DecidedLead]
"""Leads by id."""


async def note_leads(tx: Transaction, generated: Sequence[Received[LeadGenerated]]) -> None:
    """Every lead once, however often it is told."""
    await store.save_leads(tx, [domain.learned(told.event, recorded_at=tx.now) for told in generated])


async def note_qualified(tx: Transaction, told: Sequence[Received[LeadQualified]]) -> None:
    """Every qualifying decision once, whether or not its lead is known yet."""
    await store.save_decisions(tx, [domain.qualified(each.event, recorded_at=tx.now) for each in told])


async def note_disqualified(tx: Transaction, told: Sequence[Received[LeadDisqualified]]) -> None:
    """Every disqualifying decision once, whether or not its lead is known yet."""
    await store.save_decisions(tx, [domain.disqualified(each.event, recorded_at=tx.now) for each in told])


async def find_leads(tx: Transaction, lead_ids: Collection[UUID]) -> Leads:
    """Those of the leads that sales knows, by id."""
    return await store.find_leads(tx, lead_ids)


async def get_lead(tx: Transaction, lead_id: UUID) -> domain.DecidedLead:
    """One lead with its decisions. Raises NotFound."""
    found = (await store.find_leads(tx, [lead_id])).get(lead_id)
    if found is None:
        raise NotFound(lead_id=lead_id)
    return found


async def list_leads(tx: Transaction, *, source: str | None, after: tuple[datetime, UUID] | None, limit: int) -> list[domain.DecidedLead]:
    """At most `limit` leads behind the position (recorded_at, lead_id), in the order in which they became known."""
    return await store.list_leads(tx, source=source, after=after, limit=limit)
