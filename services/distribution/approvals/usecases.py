"""What is done with approvals."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.distribution.approvals import domain, store
from services.distribution.approvals.domain import ToldApproval
from services.distribution.orders import usecases as orders
from services.distribution.orders.domain import Order
from services.distribution.orders.usecases import Asked, Ledger, Recorded
from shared import ids
from shared.cause import Cause, Version
from shared.db.saving import Change
from shared.db.transaction import Transaction
from shared.errors import Refusal

LEDGER = Ledger(find=store.find_approvals, decide=domain.record, keep=store.save_approvals, already=domain.ApprovalAlreadyRecorded)


async def approve_order(tx: Transaction, order_id: UUID, *, expected: Version | None, cause: Cause) -> Order:
    """Approves an order. Raises NotFound, Stale, OrderAlreadyApproved, NothingOpen."""
    order = await orders.lock_order(tx, order_id, expected)
    after, approval = domain.approve(order, approval_id=ids.new_id(), at=cause.at, now=tx.now)
    await store.save_approvals(tx, [Change(approval, (), cause)])
    return await orders.save_order(tx, order, Change(after, (), cause))


async def record_approvals(tx: Transaction, asked: Sequence[Asked[ToldApproval]]) -> list[Recorded | Refusal]:
    """Records what sources say of approvals, each once; a refusal is the outcome of its item alone."""
    return await orders.record_facts(tx, asked, LEDGER)
