"""Approvals in and out of the database."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, select

from services.distribution.approvals.domain import Approval
from services.distribution.approvals.tables import approvals
from shared.db.saving import Change, save_many
from shared.db.transaction import Transaction

FIND = select(approvals.c.approval_id, approvals.c.asked).where(approvals.c.approval_id == any_(bindparam("ids", type_=ARRAY(Uuid))))


async def find_approvals(tx: Transaction, approval_ids: Collection[UUID]) -> dict[UUID, str | None]:
    """Those that are recorded, each with the digest of the command that told it."""
    return {row.approval_id: row.asked for row in await tx.all(FIND, {"ids": list(approval_ids)})}


async def save_approvals(tx: Transaction, changes: Sequence[Change[Approval]]) -> None:
    """Stores new approvals. Nobody is told of them."""
    await save_many(tx, approvals, changes)
