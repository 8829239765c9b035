"""Promises in and out of the database."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import bindparam, select

from services.distribution.promises.domain import LinePromise
from services.distribution.promises.tables import line_promises
from shared.db.saving import insert_many, many
from shared.db.transaction import Transaction

PROMISES = select(line_promises).where(line_promises.c.order_id == bindparam("order_id"))


async def list_promises(tx: Transaction, order_id: UUID) -> list[LinePromise]:
    """Every day that was promised for a line of the order after it was ordered."""
    return many(await tx.all(PROMISES, {"order_id": order_id}), LinePromise)


async def save_promises(tx: Transaction, promises: Sequence[LinePromise]) -> None:
    """Stores promises. Their event leaves with the order."""
    await insert_many(tx, line_promises, promises)
