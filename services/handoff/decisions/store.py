"""SQL of the decisions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, bindparam, select, tuple_

from services.handoff.decisions.domain import Decision
from services.handoff.decisions.tables import decisions
from shared.db import saving
from shared.db.saving import Change
from shared.db.transaction import Transaction
from shared.db.types import Instant

_GET = select(decisions).where(decisions.c.decision_id == bindparam("decision_id"))
_LATEST = (
    select(decisions)
    .where(decisions.c.lead_id == bindparam("lead_id"))
    .order_by(decisions.c.recorded_at.desc(), decisions.c.decision_id)
    .limit(1)
)
_LIST = select(decisions).order_by(decisions.c.recorded_at, decisions.c.decision_id).limit(bindparam("limit"))
_AFTER = tuple_(decisions.c.recorded_at, decisions.c.decision_id) > tuple_(
    bindparam("after_at", type_=Instant()), bindparam("after_id", type_=Uuid())
)


async def get_decision(tx: Transaction, decision_id: UUID) -> Decision:
    """A decision. Raises NotFound."""
    return saving.one(await tx.first(_GET, {"decision_id": decision_id}), Decision, decision_id=decision_id)


async def find_latest(tx: Transaction, lead_id: UUID) -> Decision | None:
    """The decision on a lead that stands, None before the first."""
    row = await tx.first(_LATEST, {"lead_id": lead_id})
    return Decision(**row._mapping) if row else None


async def list_decisions(
    tx: Transaction, *, lead_id: UUID | None, outcome: str | None, after: tuple[datetime, UUID] | None, limit: int
) -> list[Decision]:
    """Decisions in the order in which they were recorded, behind a position."""
    statement = _LIST
    parameters: dict[str, Any] = {"limit": limit}
    for column, value in ((decisions.c.lead_id, lead_id), (decisions.c.outcome, outcome)):
        if value is not None:
            statement = statement.where(column == value)
    if after is not None:
        statement = statement.where(_AFTER)
        parameters |= {"after_at": after[0], "after_id": after[1]}
    return saving.many(await tx.all(statement, parameters), Decision)


async def save_decisions(tx: Transaction, changes: Sequence[Change[Decision]]) -> list[Decision]:
    """Stores decisions and hands over what they tell."""
    return await saving.save_many(tx, decisions, changes)
