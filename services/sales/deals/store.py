"""Deals in the database. Who may see one is a condition of the query."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Boolean, ColumnElement, Text, Uuid, bindparam, func, or_, select, tuple_, union

from services.sales.deals import domain
from services.sales.deals.tables import deals
from shared.cause import Actor
from shared.db import saving
from shared.db.transaction import Transaction

_ID = deals.c.deal_id
_IS_SEEN: ColumnElement[bool] = or_(
    bindparam("sees_every", type_=Boolean), deals.c.owner_id.is_(None), deals.c.owner_id == bindparam("user_id", type_=Uuid)
)
_GET = select(deals).where(bindparam("deal_id", type_=Uuid) == _ID, _IS_SEEN)

_keys = saving.unnested({"sources": Text, "external_ids": Text})
_IDS = select(func.unnest(bindparam("ids", type_=ARRAY(Uuid))))
_BY_KEY = select(_ID).join(_keys, (deals.c.source == _keys.c.sources) & (deals.c.external_id == _keys.c.external_ids))
_LOCK_KNOWN = select(deals).where(_ID.in_(union(_IDS, _BY_KEY))).order_by(_ID).with_for_update()


async def get_deal(tx: Transaction, deal_id: UUID, *, seen_by: Actor) -> domain.Deal:
    """One deal. Raises NotFound, also for another person's."""
    return saving.one(await tx.first(_GET, {"deal_id": deal_id, **_eyes(seen_by)}), domain.Deal, deal_id=deal_id)


async def lock_known(tx: Transaction, commands: Sequence[domain.CloseDeal]) -> list[domain.Deal]:
    """Deals that exist under an id, or a source and external id, that one of the commands names."""
    keys = [(command.source, command.external_id) for command in commands if command.external_id is not None]
    given = {
        "ids": [command.deal_id for command in commands],
        "sources": [source for source, _ in keys],
        "external_ids": [external_id for _, external_id in keys],
    }
    return saving.many(await tx.all(_LOCK_KNOWN, given), domain.Deal)


async def list_deals(
    tx: Transaction,
    *,
    lead_id: UUID | None,
    outcome: str | None,
    source: str | None,
    seen_by: Actor,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[domain.Deal]:
    """Deals that the person may see, in the order in which they were recorded."""
    query = select(deals).where(_IS_SEEN).order_by(deals.c.recorded_at, _ID).limit(limit)
    wanted = {deals.c.lead_id: lead_id, deals.c.outcome: outcome, deals.c.source: source}
    query = query.where(*(column == value for column, value in wanted.items() if value is not None))
    if after is not None:
        query = query.where(tuple_(deals.c.recorded_at, _ID) > tuple_(*after))
    return saving.many(await tx.all(query, _eyes(seen_by)), domain.Deal)


async def save_deals(tx: Transaction, changes: Sequence[saving.Change[domain.Deal]]) -> list[domain.Deal]:
    """New deals, each once, with their events."""
    return await saving.save_many(tx, deals, changes)


def _eyes(actor: Actor) -> dict[str, Any]:
    return {"sees_every": bool(actor.roles & domain.SEES_EVERY_DEAL), "user_id": actor.user_id}
