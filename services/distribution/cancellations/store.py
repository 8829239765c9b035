"""Cancellations in and out of the database, each with its lines."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, select

from services.distribution.cancellations.domain import Cancellation
from services.distribution.cancellations.tables import cancellations, line_cancellations
from shared.db.saving import Change, insert_many, many, save_many
from shared.db.transaction import Transaction

_IDS = any_(bindparam("ids", type_=ARRAY(Uuid)))

FIND = select(cancellations.c.cancellation_id, cancellations.c.asked).where(cancellations.c.cancellation_id == _IDS)
WHOLE = (
    select(cancellations)
    .where(cancellations.c.order_id == _IDS, cancellations.c.whole)
    .order_by(cancellations.c.recorded_at, cancellations.c.cancellation_id)
)


async def find_cancellations(tx: Transaction, cancellation_ids: Collection[UUID]) -> dict[UUID, str | None]:
    """Those that are recorded, each with the digest of the command that told it."""
    return {row.cancellation_id: row.asked for row in await tx.all(FIND, {"ids": list(cancellation_ids)})}


async def list_whole(tx: Transaction, order_ids: Collection[UUID]) -> list[Cancellation]:
    """Cancellations of whole orders, without their lines, in the order in which they were recorded."""
    return many(await tx.all(WHOLE, {"ids": list(order_ids)}), Cancellation) if order_ids else []


async def save_cancellations(tx: Transaction, changes: Sequence[Change[Cancellation]]) -> None:
    """Stores new cancellations and hands over their events."""
    await save_many(tx, cancellations, changes)
    await save_parts(tx, [change.thing for change in changes])


async def save_parts(tx: Transaction, facts: Sequence[Cancellation]) -> None:
    """Stores what cancellations take of lines."""
    await insert_many(tx, line_cancellations, [part for fact in facts for part in fact.lines])
