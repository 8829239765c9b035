"""What is done with promises."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from services.distribution.orders import usecases as orders
from services.distribution.orders.domain import Order
from services.distribution.promises import domain, store
from services.distribution.promises.domain import PromiseCause
from shared import ids
from shared.cause import Cause, Version
from shared.db.saving import Change
from shared.db.transaction import Transaction


async def promise_order(
    tx: Transaction,
    order_id: UUID,
    dates: date | Sequence[tuple[int, date]],
    *,
    reason: PromiseCause,
    expected: Version | None,
    cause: Cause,
) -> Order:
    """Promises days for lines of an order. Raises NotFound, Stale, NothingOpen, LineComplete, Invalid."""
    order = await orders.lock_order(tx, order_id, expected)
    known = await store.list_promises(tx, order_id)
    after, made, events = domain.promise(order, known, dates, promise_id=ids.new_id(), cause=reason, at=cause.at, now=tx.now)
    await store.save_promises(tx, made)
    return await orders.save_order(tx, order, Change(after, events, cause))
