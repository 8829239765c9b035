"""SQL of the facts about leads."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, select

from services.handoff.leads.domain import LeadFacts
from services.handoff.leads.tables import leads
from shared.db import saving
from shared.db.transaction import Transaction

_GET = select(leads).where(leads.c.lead_id == bindparam("lead_id"))
_KNOWN = select(leads.c.lead_id).where(leads.c.lead_id == any_(bindparam("lead_ids", type_=ARRAY(Uuid))))


async def get_lead(tx: Transaction, lead_id: UUID) -> LeadFacts:
    """The facts of a lead. Raises NotFound."""
    return saving.one(await tx.first(_GET, {"lead_id": lead_id}), LeadFacts, lead_id=lead_id)


async def list_known_ids(tx: Transaction, lead_ids: Collection[UUID]) -> set[UUID]:
    """Which of these leads are stored."""
    return {row.lead_id for row in await tx.all(_KNOWN, {"lead_ids": sorted(lead_ids)})}


async def save_leads(tx: Transaction, facts: Sequence[LeadFacts]) -> None:
    """Stores leads that are not known yet."""
    await saving.insert_many(tx, leads, facts)
