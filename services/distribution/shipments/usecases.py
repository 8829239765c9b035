"""What is done with shipments."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from services.distribution.orders import usecases as orders
from services.distribution.orders.domain import Order
from services.distribution.orders.usecases import Asked, Ledger, Recorded
from services.distribution.shipments import domain, store
from services.distribution.shipments.domain import Shipment, ToldShipment
from shared import ids
from shared.cause import Cause, Version
from shared.db.saving import Change
from shared.db.transaction import Transaction
from shared.errors import Refusal

LEDGER = Ledger(find=store.find_shipments, decide=domain.record, keep=store.save_shipments, already=domain.ShipmentAlreadyRecorded)


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
        domain.check_same_shipment(known, order, quantities, at=None if cause.at == tx.now else cause.at, **said)
        return order, known
    after, shipment, shipped = domain.ship(
        order,
        quantities,
        shipment_id=shipment_id or ids.new_id(),
        carrier_code=carrier_code,
        expected_delivery_date=expected_delivery_date,
        at=cause.at,
        now=tx.now,
    )
    await store.save_shipments(tx, [Change(shipment, [shipped], cause)])
    return await orders.save_order(tx, order, Change(after, (), cause)), shipment


async def record_shipments(tx: Transaction, asked: Sequence[Asked[ToldShipment]]) -> list[Recorded | Refusal]:
    """Records what sources say of shipments, each once; a refusal is the outcome of its item alone."""
    return await orders.record_facts(tx, asked, LEDGER)


async def get_shipment(tx: Transaction, shipment_id: UUID) -> Shipment:
    """The shipment with its lines. Raises NotFound."""
    return await store.get_shipment(tx, shipment_id)


async def list_shipments(tx: Transaction, order_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int) -> list[Shipment]:
    """An order's shipments in the order in which they were recorded, with one more than `limit` if there are more. Raises NotFound."""
    await orders.get_order(tx, order_id)
    return await store.list_shipments(tx, order_id, after=after, limit=limit)


async def list_whole(tx: Transaction, order_ids: Collection[UUID]) -> list[Shipment]:
    """Shipments of whole orders, in the order in which they were recorded."""
    return await store.list_whole(tx, order_ids)


async def save_parts(tx: Transaction, facts: Sequence[Shipment]) -> None:
    """Keeps what shipments of whole orders say of lines that were added after them."""
    await store.save_parts(tx, facts)
