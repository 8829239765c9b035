"""SQL of the rule sets."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Uuid, bindparam, func, select, tuple_

from services.handoff.rulesets.domain import RuleSet
from services.handoff.rulesets.tables import rule_sets
from shared.cause import Cause, Version
from shared.db import saving
from shared.db.transaction import Transaction
from shared.db.types import Instant

_GET = select(rule_sets).where(rule_sets.c.rule_set_id == bindparam("rule_set_id"))
_LOCK = _GET.with_for_update()
_IN_FORCE = select(rule_sets).where(rule_sets.c.status == "published")
_LOCK_IN_FORCE = _IN_FORCE.with_for_update()
_LAST_NUMBER = select(func.coalesce(func.max(rule_sets.c.number), 0))
_LIST = select(rule_sets).order_by(rule_sets.c.recorded_at, rule_sets.c.rule_set_id).limit(bindparam("limit"))
_AFTER = tuple_(rule_sets.c.recorded_at, rule_sets.c.rule_set_id) > tuple_(
    bindparam("after_at", type_=Instant()), bindparam("after_id", type_=Uuid())
)


async def get_rule_set(tx: Transaction, rule_set_id: UUID) -> RuleSet:
    """A rule set. Raises NotFound."""
    return saving.one(await tx.first(_GET, {"rule_set_id": rule_set_id}), RuleSet, rule_set_id=rule_set_id)


async def find_rule_set(tx: Transaction, rule_set_id: UUID) -> RuleSet | None:
    """A rule set, None if there is none of that id."""
    row = await tx.first(_GET, {"rule_set_id": rule_set_id})
    return RuleSet(**row._mapping) if row else None


async def lock_rule_set(tx: Transaction, rule_set_id: UUID, expected: Version | None) -> RuleSet:
    """A rule set, to be changed. Raises NotFound, Stale."""
    return saving.one(await tx.first(_LOCK, {"rule_set_id": rule_set_id}), RuleSet, expected, rule_set_id=rule_set_id)


async def find_in_force(tx: Transaction) -> RuleSet | None:
    """The published rule set, None if none was ever published."""
    row = await tx.first(_IN_FORCE)
    return RuleSet(**row._mapping) if row else None


async def lock_in_force(tx: Transaction) -> RuleSet | None:
    """The published rule set, to be replaced."""
    row = await tx.first(_LOCK_IN_FORCE)
    return RuleSet(**row._mapping) if row else None


async def get_last_number(tx: Transaction) -> int:
    """The number of the latest published version, 0 before the first."""
    return (await tx.execute(_LAST_NUMBER)).scalar_one()


async def list_rule_sets(tx: Transaction, *, status: str | None, after: tuple[datetime, UUID] | None, limit: int) -> list[RuleSet]:
    """Rule sets in the order in which they were recorded, behind a position."""
    statement, parameters = _LIST, {"limit": limit}
    if status is not None:
        statement = statement.where(rule_sets.c.status == status)
    if after is not None:
        statement = statement.where(_AFTER)
        return saving.many(await tx.all(statement, {**parameters, "after_at": after[0], "after_id": after[1]}), RuleSet)
    return saving.many(await tx.all(statement, parameters), RuleSet)


async def save_rule_set(tx: Transaction, rule_set: RuleSet, *, cause: Cause) -> RuleSet:
    """Stores a rule set. Raises Stale."""
    return await saving.save(tx, rule_sets, rule_set, cause=cause)
