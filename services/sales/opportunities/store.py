"""Opportunities and their steps in the database. Who may see one is a condition of the query."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Boolean, ColumnElement, Text, Uuid, any_, bindparam, func, or_, select, tuple_, union

from services.sales.opportunities import domain
from services.sales.opportunities.tables import opportunities, stage_changes
from shared.cause import Actor, Version
from shared.db import saving
from shared.db.transaction import Transaction

_ID = opportunities.c.opportunity_id
_IDS = bindparam("ids", type_=ARRAY(Uuid))
_IS_SEEN: ColumnElement[bool] = or_(
    bindparam("sees_every", type_=Boolean), opportunities.c.owner_id.is_(None), opportunities.c.owner_id == bindparam("user_id", type_=Uuid)
)
_GET = select(opportunities).where(bindparam("opportunity_id", type_=Uuid) == _ID, _IS_SEEN)
_LOCK = _GET.with_for_update()
_LOCK_MANY = select(opportunities).where(any_(_IDS) == _ID).order_by(_ID).with_for_update()

_keys = saving.unnested({"sources": Text, "external_ids": Text})
_BY_KEY = select(_ID).join(_keys, (opportunities.c.source == _keys.c.sources) & (opportunities.c.external_id == _keys.c.external_ids))
_LOCK_KNOWN = select(opportunities).where(_ID.in_(union(select(func.unnest(_IDS)), _BY_KEY))).order_by(_ID).with_for_update()


async def get_opportunity(tx: Transaction, opportunity_id: UUID, *, seen_by: Actor) -> domain.Opportunity:
    """One opportunity. Raises NotFound, also for another person's."""
    row = await tx.first(_GET, {"opportunity_id": opportunity_id, **_eyes(seen_by)})
    return saving.one(row, domain.Opportunity, opportunity_id=opportunity_id)


async def lock_opportunity(tx: Transaction, opportunity_id: UUID, expected: Version | None, *, seen_by: Actor) -> domain.Opportunity:
    """One opportunity, to be changed. Raises NotFound, also for another person's, and Stale."""
    row = await tx.first(_LOCK, {"opportunity_id": opportunity_id, **_eyes(seen_by)})
    return saving.one(row, domain.Opportunity, expected, opportunity_id=opportunity_id)


async def lock_opportunities(tx: Transaction, opportunity_ids: Collection[UUID]) -> list[domain.Opportunity]:
    """Those of the opportunities that exist, to be changed."""
    return saving.many(await tx.all(_LOCK_MANY, {"ids": list(opportunity_ids)}), domain.Opportunity)


async def lock_known(tx: Transaction, commands: Sequence[domain.OpenOpportunity]) -> list[domain.Opportunity]:
    """Opportunities that exist under an id, or a source and external id, that one of the commands names."""
    keys = [(command.source, command.external_id) for command in commands if command.external_id is not None]
    given = {
        "ids": [command.opportunity_id for command in commands],
        "sources": [source for source, _ in keys],
        "external_ids": [external_id for _, external_id in keys],
    }
    return saving.many(await tx.all(_LOCK_KNOWN, given), domain.Opportunity)


async def list_opportunities(
    tx: Transaction,
    *,
    lead_id: UUID | None,
    stage_type: str | None,
    source: str | None,
    seen_by: Actor,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[domain.Opportunity]:
    """Opportunities that the person may see, in the order in which they were recorded."""
    query = select(opportunities).where(_IS_SEEN).order_by(opportunities.c.recorded_at, _ID).limit(limit)
    wanted = {opportunities.c.lead_id: lead_id, opportunities.c.stage_type: stage_type, opportunities.c.source: source}
    query = query.where(*(column == value for column, value in wanted.items() if value is not None))
    if after is not None:
        query = query.where(tuple_(opportunities.c.recorded_at, _ID) > tuple_(*after))
    return saving.many(await tx.all(query, _eyes(seen_by)), domain.Opportunity)


async def save_opportunities(tx: Transaction, changes: Sequence[saving.Change[domain.Opportunity]]) -> list[domain.Opportunity]:
    """New and changed opportunities, each at most once, with a record of every step. Raises Stale."""
    saved = await saving.save_many(tx, opportunities, changes)
    steps = [
        domain.step_of(opportunity, event, recorded_at=tx.now)
        for opportunity, change in zip(saved, changes, strict=True)
        for event in change.events
    ]
    await saving.insert_many(tx, stage_changes, steps)
    return saved


def _eyes(actor: Actor) -> dict[str, Any]:
    return {"sees_every": bool(actor.roles & domain.SEES_EVERY_OPPORTUNITY), "user_id": actor.user_id}
