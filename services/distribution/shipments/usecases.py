"""What is done with shipments and deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from services.distribution.orders import usecases as orders
from services.distribution.orders.domain import NOTHING, Order
from services.distribution.shipments import domain, store
from services.distribution.shipments.domain import Delivery, Receipt, Shipment
from shared import ids
from shared.cause import Cause, Version
from shared.db.transaction import Transaction
from shared.errors import NotFound


async def ship_order(
    tx: Transaction,
    order_id: UUID,
    quantities: Sequence[tuple[int, Decimal]] | None,
    *,
    shipment_id: UUID | None,
    carrier_code: str | None,
    expected_delivery_date: date | None,
    expected: Version | None,
    cause: Cause,
) -> tuple[Order, Shipment]:
    """Records that goods left; a shipment that is recorded already has no second effect.

    Raises NotFound, Stale, NothingOpen, QuantityExceedsOpen, ServiceNeedsNoShipment, ShipmentAlreadyRecorded, Invalid.
    """
    order = await orders.lock_order(tx, order_id, expected)
    known = None if shipment_id is None else await store.find_shipment(tx, shipment_id)
    if known is not None:
        said = {"carrier_code": carrier_code, "expected_delivery_date": expected_delivery_date}
        domain.check_same_shipment(known, order, quantities, at=_said_at(tx, cause), **said)
        return order, known
    order, shipment, shipped = domain.ship(
        order,
        quantities,
        shipment_id=shipment_id or ids.new_id(),
        carrier_code=carrier_code,
        expected_delivery_date=expected_delivery_date,
        at=cause.at,
        now=tx.now,
    )
    await store.save_shipment(tx, shipment)
    return await orders.note_moved(tx, order, shipped, cause=cause), shipment


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
        domain.check_same_delivery(known, order, receipts, at=_said_at(tx, cause), **said)
        return order, known
    order, delivery, delivered = domain.deliver(
        order,
        receipts,
        None if shipment_id is None else await _aboard(tx, order, shipment_id),
        delivery_id=delivery_id or ids.new_id(),
        shipment_id=shipment_id,
        receipt_confirmed=receipt_confirmed,
        at=cause.at,
        now=tx.now,
    )
    await store.save_delivery(tx, delivery)
    return await orders.note_moved(tx, order, delivered, cause=cause), delivery


async def list_shipments(tx: Transaction, order_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int) -> list[Shipment]:
    """An order's shipments in the order in which they were recorded, with one more than `limit` if there are more. Raises NotFound."""
    await orders.get_order(tx, order_id)
    return await store.list_shipments(tx, order_id, after=after, limit=limit)


async def list_deliveries(tx: Transaction, order_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int) -> list[Delivery]:
    """An order's deliveries in the order in which they were recorded, with one more than `limit` if there are more. Raises NotFound."""
    await orders.get_order(tx, order_id)
    return await store.list_deliveries(tx, order_id, after=after, limit=limit)


async def _aboard(tx: Transaction, order: Order, shipment_id: UUID) -> dict[UUID, Decimal]:
    """What is still on its way with a shipment of this order, by order line."""
    shipment = await store.get_shipment(tx, shipment_id)
    if shipment.order_id != order.order_id:
        raise NotFound(shipment_id=shipment_id)
    arrived = await store.sum_arrived(tx, shipment_id)
    return {line.order_line_id: line.quantity - arrived.get(line.order_line_id, NOTHING) for line in shipment.lines}


def _said_at(tx: Transaction, cause: Cause) -> datetime | None:
    return None if cause.at == tx.now else cause.at
