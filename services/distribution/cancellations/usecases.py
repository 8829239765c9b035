"""What is done with cancellations."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal
from uuid import UUID

from services.distribution.cancellations import domain, store
from services.distribution.cancellations.domain import Cancellation, ToldCancellation
from services.distribution.orders import usecases as orders
from services.distribution.orders.domain import Order
from services.distribution.orders.usecases import Asked, Ledger, Recorded
from shared import ids
from shared.cause import Cause, Version
from shared.db.saving import Change
from shared.db.transaction import Transaction
from shared.errors import Refusal

LEDGER = Ledger(
    find=store.find_cancellations, decide=domain.record, keep=store.save_cancellations, already=domain.CancellationAlreadyRecorded
)


async def cancel_order(
    tx: Transaction, order_id: UUID, quantities: Sequence[tuple[int, Decimal]] | None, *, expected: Version | None, cause: Cause
) -> Order:
    """Cancels what has not left, or the named part of it. Raises NotFound, Stale, NothingOpen, QuantityExceedsOpen, Invalid."""
    order = await orders.lock_order(tx, order_id, expected)
    after, cancellation, event = domain.cancel(order, quantities, cancellation_id=ids.new_id(), at=cause.at, now=tx.now)
    await store.save_cancellations(tx, [Change(cancellation, [event], cause)])
    return await orders.save_order(tx, order, Change(after, (), cause))


async def record_cancellations(tx: Transaction, asked: Sequence[Asked[ToldCancellation]]) -> list[Recorded | Refusal]:
    """Records what sources say of cancellations, each once; a refusal is the outcome of its item alone."""
    return await orders.record_facts(tx, asked, LEDGER)


async def list_whole(tx: Transaction, order_ids: Collection[UUID]) -> list[Cancellation]:
    """Cancellations of whole orders, in the order in which they were recorded."""
    return await store.list_whole(tx, order_ids)


async def save_parts(tx: Transaction, facts: Sequence[Cancellation]) -> None:
    """Keeps what cancellations of whole orders say of lines that were added after them."""
    await store.save_parts(tx, facts)
