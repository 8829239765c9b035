"""What is done with orders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from services.distribution.deals import usecases as deals
from services.distribution.orders import domain, store
from services.distribution.orders.domain import Order, PromiseCause
from shared import ids
from shared.cause import Cause, Version
from shared.db.saving import Change
from shared.db.transaction import Transaction
from shared.events.distribution.orders import OrderDelivered, OrderShipped
from shared.events.language import Received
from shared.events.sales.deals import DealClosed


async def open_orders(tx: Transaction, received: Sequence[Received[DealClosed]]) -> None:
    """One live order per standing won deal that is not blanket, whatever arrives first, late or twice."""
    closed = await deals.note_deals(tx, received)
    before = await store.lock_orders(tx, [domain.order_id_of(deal_id) for deal_id in closed])
    after: dict[UUID, Order | None] = {deal_id: before.get(domain.order_id_of(deal_id)) for deal_id in closed}
    causes: dict[UUID, Cause] = {}
    for each in sorted(received, key=lambda each: each.event.deal_version):
        deal_id = each.event.deal_id
        after[deal_id] = domain.apply_deal(after[deal_id], closed[deal_id], each.event, now=tx.now)
        causes[deal_id] = each.cause
    changes: list[Change[Order]] = []
    for deal_id, order in after.items():
        if order is not None and order != (known := before.get(order.order_id)):
            changes.append(Change(order, domain.announce(known, order, at=closed[deal_id].closed_at), causes[deal_id]))
    await store.save_orders_anew(tx, changes)


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
    order = await store.lock_order(tx, order_id, expected)
    known = await store.list_promises(tx, order_id)
    order, made, events = domain.promise(order, known, dates, promise_id=ids.new_id(), cause=reason, at=cause.at, now=tx.now)
    await store.save_promises(tx, made)
    return await _saved(tx, order, events, cause)


async def cancel_order(
    tx: Transaction, order_id: UUID, quantities: Sequence[tuple[int, Decimal]] | None, *, expected: Version | None, cause: Cause
) -> Order:
    """Cancels what has not left, or the named part of it. Raises NotFound, Stale, NothingOpen, QuantityExceedsOpen, Invalid."""
    order = await store.lock_order(tx, order_id, expected)
    order, facts, cancelled = domain.cancel(order, quantities, cancellation_id=ids.new_id(), at=cause.at, now=tx.now)
    await store.save_cancellations(tx, facts)
    return await _saved(tx, order, [cancelled], cause)


async def lock_order(tx: Transaction, order_id: UUID, expected: Version | None) -> Order:
    """The order, which nobody else changes until the end of the transaction. Raises NotFound, Stale."""
    return await store.lock_order(tx, order_id, expected)


async def note_moved(tx: Transaction, order: Order, event: OrderShipped | OrderDelivered, *, cause: Cause) -> Order:
    """Keeps the quantities of an order after something of it left or arrived, and tells of it."""
    return await _saved(tx, order, [event], cause)


async def get_order(tx: Transaction, order_id: UUID) -> Order:
    """The order as it stands. Raises NotFound."""
    return await store.get_order(tx, order_id)


async def list_orders(
    tx: Transaction, *, deal_id: UUID | None, status: str | None, after: tuple[datetime, UUID] | None, limit: int
) -> list[Order]:
    """Orders in the order in which they were recorded, after a position, with one more than `limit` if there are more."""
    return await store.list_orders(tx, deal_id=deal_id, status=status, after=after, limit=limit)


async def _saved(tx: Transaction, order: Order, events: Sequence[object], cause: Cause) -> Order:
    (saved,) = await store.save_orders(tx, [Change(order, events, cause)])
    return saved
