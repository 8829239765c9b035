"""How leads are read, locked and saved. Saving is also how they are announced."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Select, Subquery, Text, Uuid, bindparam, func, select, tuple_, union

from services.marketing.leads.domain import Lead
from services.marketing.leads.tables import leads
from shared.db import saving
from shared.db.saving import Change
from shared.db.transaction import Transaction
from shared.errors import NotFound

_LEAD = select(leads).where(leads.c.lead_id == bindparam("lead_id"))
_KEYS = saving.unnested({"sources": Text(), "external_ids": Text()})
_IDS = select(func.unnest(bindparam("ids", type_=ARRAY(Uuid))))
_BY_KEY = select(leads.c.lead_id).join(_KEYS, (leads.c.source == _KEYS.c.sources) & (leads.c.external_id == _KEYS.c.external_ids))
_LOCK_LEADS = select(leads).where(leads.c.lead_id.in_(union(_IDS, _BY_KEY))).order_by(leads.c.lead_id).with_for_update()


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadFilter:
    """Which leads are listed. Times are aware; `captured_from` is included, `captured_to` is not."""

    source: str | None = None
    lifecycle_stage: str | None = None
    campaign_id: UUID | None = None
    channel_id: UUID | None = None
    captured_from: datetime | None = None
    captured_to: datetime | None = None


async def get_lead(tx: Transaction, lead_id: UUID, captured_by: UUID | None) -> Lead:
    """The lead of that id. NotFound if there is none or, where `captured_by` is given, if another one captured it."""
    lead = saving.one(await tx.first(_LEAD, {"lead_id": lead_id}), Lead, lead_id=lead_id)
    if captured_by not in (None, lead.captured_by):
        raise NotFound(lead_id=lead_id)
    return lead


async def lock_leads(tx: Transaction, ids: Iterable[UUID], keys: Iterable[tuple[str, str]]) -> list[Lead]:
    """The leads that have one of these ids or one of these (source, external id), locked in the order of their ids."""
    pairs = list(keys)
    given = {"ids": list(ids), "sources": [source for source, _ in pairs], "external_ids": [external for _, external in pairs]}
    return saving.many(await tx.all(_LOCK_LEADS, given), Lead)


async def save_leads(tx: Transaction, changes: Sequence[Change[Lead]]) -> list[Lead]:
    """Stores new and revised leads and announces the new ones."""
    return await saving.save_many(tx, leads, changes)


async def list_leads(
    tx: Transaction, chosen: LeadFilter, standings: Subquery, after: tuple[datetime, UUID] | None, limit: int
) -> list[tuple[Lead, str]]:
    """At most `limit` leads behind a position, as they were recorded, each with its stage as `standings` (lead_id, stage) has it."""
    stage = func.coalesce(standings.c.stage, "lead").label("lifecycle_stage")
    query: Select[Any] = select(leads, stage).outerjoin(standings, standings.c.lead_id == leads.c.lead_id)
    equal = {
        "source": leads.c.source,
        "lifecycle_stage": stage,
        "campaign_id": leads.c.campaign_id,
        "channel_id": leads.c.channel_id,
    }
    query = query.where(*(column == wanted for name, column in equal.items() if (wanted := getattr(chosen, name)) is not None))
    if chosen.captured_from is not None:
        query = query.where(leads.c.captured_at >= chosen.captured_from)
    if chosen.captured_to is not None:
        query = query.where(leads.c.captured_at < chosen.captured_to)
    if after is not None:
        query = query.where(tuple_(leads.c.recorded_at, leads.c.lead_id) > tuple_(*after))
    rows = await tx.all(query.order_by(leads.c.recorded_at, leads.c.lead_id).limit(limit))
    return [_with_stage(dict(row._mapping)) for row in rows]


def _with_stage(columns: dict[str, Any]) -> tuple[Lead, str]:
    stage = columns.pop("lifecycle_stage")
    return Lead(**columns), stage
