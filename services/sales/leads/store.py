"""Leads and decisions in the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, select, tuple_

from services.sales.leads import domain
from services.sales.leads.tables import decisions, leads
from shared.db import saving
from shared.db.transaction import Transaction

_IDS = bindparam("ids", type_=ARRAY(Uuid))
_LEADS = select(leads).where(leads.c.lead_id == any_(_IDS))
_DECISIONS = select(decisions).where(decisions.c.lead_id == any_(_IDS))


async def save_leads(tx: Transaction, known: Iterable[domain.Lead]) -> None:
    """Keeps what is new of them."""
    await saving.insert_many(tx, leads, known, skip_existing=True)


async def save_decisions(tx: Transaction, known: Iterable[domain.Decision]) -> None:
    """Keeps what is new of them."""
    await saving.insert_many(tx, decisions, known, skip_existing=True)


async def find_leads(tx: Transaction, lead_ids: Collection[UUID]) -> dict[UUID, domain.DecidedLead]:
    """Those of the leads that are known, by id."""
    return _decided(
        saving.many(await tx.all(_LEADS, {"ids": list(lead_ids)}), domain.Lead),
        saving.many(await tx.all(_DECISIONS, {"ids": list(lead_ids)}), domain.Decision),
    )


async def list_leads(tx: Transaction, *, source: str | None, after: tuple[datetime, UUID] | None, limit: int) -> list[domain.DecidedLead]:
    """Leads in the order in which they became known."""
    query = select(leads).order_by(leads.c.recorded_at, leads.c.lead_id).limit(limit)
    if source is not None:
        query = query.where(leads.c.source_code == source)
    if after is not None:
        query = query.where(tuple_(leads.c.recorded_at, leads.c.lead_id) > tuple_(*after))
    found = saving.many(await tx.all(query), domain.Lead)
    told = saving.many(await tx.all(_DECISIONS, {"ids": [lead.lead_id for lead in found]}), domain.Decision)
    return list(_decided(found, told).values())


def _decided(found: Sequence[domain.Lead], told: Sequence[domain.Decision]) -> dict[UUID, domain.DecidedLead]:
    by_lead: dict[UUID, list[domain.Decision]] = defaultdict(list)
    for decision in told:
        by_lead[decision.lead_id].append(decision)
    return {lead.lead_id: domain.DecidedLead(lead=lead, decisions=tuple(by_lead[lead.lead_id])) for lead in found}
