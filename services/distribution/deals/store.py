"""Deals in and out of the database."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, select

from services.distribution.deals.domain import Deal
from services.distribution.deals.tables import deals
from shared.db.saving import Change, many, save_many
from shared.db.transaction import Transaction

_DEALS = select(deals).where(deals.c.deal_id == any_(bindparam("ids", type_=ARRAY(Uuid)))).order_by(deals.c.deal_id)
LOCK_DEALS = _DEALS.with_for_update()
HOLD_DEALS = _DEALS.with_for_update(read=True)


async def lock_deals(tx: Transaction, deal_ids: Collection[UUID]) -> dict[UUID, Deal]:
    """Those of the deals that are known, by id."""
    return {deal.deal_id: deal for deal in many(await tx.all(LOCK_DEALS, {"ids": sorted(deal_ids)}), Deal)}


async def lock_shared(tx: Transaction, deal_ids: Collection[UUID]) -> dict[UUID, Deal]:
    """The same for somebody who only relies on them: others may hold them, too, and nobody changes them meanwhile."""
    return {deal.deal_id: deal for deal in many(await tx.all(HOLD_DEALS, {"ids": sorted(deal_ids)}), Deal)}


async def save_deals(tx: Transaction, changes: Sequence[Change[Deal]]) -> list[Deal]:
    """Stores new and newer closes."""
    return await save_many(tx, deals, sorted(changes, key=lambda change: change.thing.deal_id))
