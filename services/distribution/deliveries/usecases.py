"""What is done with deliveries."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from services.distribution.deliveries import domain, store
from services.distribution.deliveries.domain import Delivery, Receipt, ToldDelivery
from services.distribution.orders import usecases as orders
from services.distribution.orders.domain import NOTHING, Order
from services.distribution.orders.usecases import Asked, Ledger, Recorded
from services.distribution.shipments import usecases as shipments
from shared import ids
from shared.cause import Cause, Version
from shared.db.saving import Change
from shared.db.transaction import Transaction
from shared.errors import NotFound, Refusal

LEDGER = Ledger(find=store.find_deliveries, decide=domain.record, keep=store.save_deliveries, already=domain.DeliveryAlreadyRecorded)


async def deliver_order(
    tx: Transaction,
    order_id: UUID,
    receipts: Sequence[Receipt] | None,
    *,
    delivery_id: UUID | None,
    shipment_id: UUID | None,
    receipt_confirmed: bool | None,
    expected: Version | None,
    cause: Cause,
) -> tuple[Order, Delivery]:
    """Records that something arrived or a service was performed; a delivery that is recorded already has no second effect.

    Raises NotFound (also for a shipment of another order), Stale, NothingOpen, QuantityExceedsOrdered, QuantityExceedsShipment,
    DeliveryAlreadyRecorded, Invalid.
    """
    order = await orders.lock_order(tx, order_id, expected)
    known = None if delivery_id is None else await store.find_delivery(tx, delivery_id)
    if known is not None:
        said = {"shipment_id": shipment_id, "receipt_confirmed": receipt_confirmed}
        domain.check_same_delivery(known, order, receipts, at=None if cause.at == tx.now else cause.at, **said)
        return order, known
    after, delivery, delivered = domain.deliver(
        order,
        receipts,
        None if shipment_id is None else await _aboard(tx, order, shipment_id),
        delivery_id=delivery_id or ids.new_id(),
        shipment_id=shipment_id,
        receipt_confirmed=receipt_confirmed,
        at=cause.at,
        now=tx.now,
    )
    await store.save_deliveries(tx, [Change(delivery, [delivered], cause)])
    return await orders.save_order(tx, order, Change(after, (), cause)), delivery


async def record_deliveries(tx: Transaction, asked: Sequence[Asked[ToldDelivery]]) -> list[Recorded | Refusal]:
    """Records what sources say of deliveries, each once; a refusal is the outcome of its item alone."""
    return await orders.record_facts(tx, asked, LEDGER)


async def list_deliveries(tx: Transaction, order_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int) -> list[Delivery]:
    """An order's deliveries in the order in which they were recorded, with one more than `limit` if there are more. Raises NotFound."""
    await orders.get_order(tx, order_id)
    return await store.list_deliveries(tx, order_id, after=after, limit=limit)


async def list_whole(tx: Transaction, order_ids: Collection[UUID]) -> list[Delivery]:
    """Deliveries of whole orders, in the order in which they were recorded."""
    return await store.list_whole(tx, order_ids)


async def save_parts(tx: Transaction, facts: Sequence[Delivery]) -> None:
    """Keeps what deliveries of whole orders say of lines that were added after them."""
    await store.save_parts(tx, facts)


async def _aboard(tx: Transaction, order: Order, shipment_id: UUID) -> dict[UUID, Decimal]:
    """What is still on its way with a shipment of this order, by order line."""
    shipment = await shipments.get_shipment(tx, shipment_id)
    if shipment.order_id != order.order_id:
        raise NotFound(shipment_id=shipment_id)
    arrived = await store.sum_arrived(tx, shipment_id)
    # A source may have named more of a shipment than it says to have shipped.
    return {line.order_line_id: max(line.quantity - arrived.get(line.order_line_id, NOTHING), NOTHING) for line in shipment.lines}
