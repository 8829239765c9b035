"""SQL of the routings."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import bindparam, select

from services.handoff.routing.domain import Routing
from services.handoff.routing.tables import routings
from shared.db import saving
from shared.db.saving import Change
from shared.db.transaction import Transaction

_LATEST = select(routings).where(routings.c.decision_id == bindparam("decision_id")).order_by(routings.c.attempt.desc()).limit(1)


async def find_routing(tx: Transaction, decision_id: UUID) -> Routing | None:
    """The last routing that followed a decision, None if none did."""
    row = await tx.first(_LATEST, {"decision_id": decision_id})
    return Routing(**row._mapping) if row else None


async def save_routings(tx: Transaction, changes: Sequence[Change[Routing]]) -> list[Routing]:
    """Stores routings and hands over what they tell."""
    return await saving.save_many(tx, routings, changes)
