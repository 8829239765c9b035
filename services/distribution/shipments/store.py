"""Shipments and deliveries in and out of the database, each with its lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, func, select, tuple_

from services.distribution.shipments.domain import Delivery, DeliveryLine, Shipment, ShipmentLine
from services.distribution.shipments.tables import deliveries, delivery_lines, shipment_lines, shipments
from shared.db.saving import insert_many, many, one
from shared.db.transaction import Transaction

_IDS = any_(bindparam("ids", type_=ARRAY(Uuid)))

SHIPMENT = select(shipments).where(shipments.c.shipment_id == bindparam("shipment_id"))
DELIVERY = select(deliveries).where(deliveries.c.delivery_id == bindparam("delivery_id"))
SHIPMENTS = (
    select(shipments).where(shipments.c.order_id == bindparam("order_id")).order_by(shipments.c.recorded_at, shipments.c.shipment_id)
)
DELIVERIES = (
    select(deliveries).where(deliveries.c.order_id == bindparam("order_id")).order_by(deliveries.c.recorded_at, deliveries.c.delivery_id)
)
SHIPMENT_LINES = select(shipment_lines).where(shipment_lines.c.shipment_id == _IDS).order_by(shipment_lines.c.order_line_id)
DELIVERY_LINES = select(delivery_lines).where(delivery_lines.c.delivery_id == _IDS).order_by(delivery_lines.c.order_line_id)
ARRIVED = (
    select(delivery_lines.c.order_line_id, func.sum(delivery_lines.c.quantity).label("quantity"))
    .join(deliveries, deliveries.c.delivery_id == delivery_lines.c.delivery_id)
    .where(deliveries.c.shipment_id == bindparam("shipment_id"))
    .group_by(delivery_lines.c.order_line_id)
)


async def get_shipment(tx: Transaction, shipment_id: UUID) -> Shipment:
    """The shipment with its lines. Raises NotFound."""
    (found,) = await _with_shipment_lines(
        tx, [one(await tx.first(SHIPMENT, {"shipment_id": shipment_id}), Shipment, shipment_id=shipment_id)]
    )
    return found


async def find_shipment(tx: Transaction, shipment_id: UUID) -> Shipment | None:
    """The shipment with its lines, None if there is none."""
    found = await _with_shipment_lines(tx, many(await tx.all(SHIPMENT, {"shipment_id": shipment_id}), Shipment))
    return found[0] if found else None


async def find_delivery(tx: Transaction, delivery_id: UUID) -> Delivery | None:
    """The delivery with its lines, None if there is none."""
    found = await _with_delivery_lines(tx, many(await tx.all(DELIVERY, {"delivery_id": delivery_id}), Delivery))
    return found[0] if found else None


async def list_shipments(tx: Transaction, order_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int) -> list[Shipment]:
    """The order's shipments in the order in which they were recorded, `limit` + 1 of them at most."""
    statement = SHIPMENTS.limit(limit + 1)
    if after is not None:
        statement = statement.where(tuple_(shipments.c.recorded_at, shipments.c.shipment_id) > after)
    return await _with_shipment_lines(tx, many(await tx.all(statement, {"order_id": order_id}), Shipment))


async def list_deliveries(tx: Transaction, order_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int) -> list[Delivery]:
    """The order's deliveries in the order in which they were recorded, `limit` + 1 of them at most."""
    statement = DELIVERIES.limit(limit + 1)
    if after is not None:
        statement = statement.where(tuple_(deliveries.c.recorded_at, deliveries.c.delivery_id) > after)
    return await _with_delivery_lines(tx, many(await tx.all(statement, {"order_id": order_id}), Delivery))


async def sum_arrived(tx: Transaction, shipment_id: UUID) -> dict[UUID, Decimal]:
    """What has arrived with a shipment, by order line."""
    return {row.order_line_id: row.quantity for row in await tx.all(ARRIVED, {"shipment_id": shipment_id})}


async def save_shipment(tx: Transaction, shipment: Shipment) -> None:
    """Stores a shipment. Its event leaves with the order."""
    await insert_many(tx, shipments, [shipment])
    await insert_many(tx, shipment_lines, shipment.lines)


async def save_delivery(tx: Transaction, delivery: Delivery) -> None:
    """Stores a delivery. Its event leaves with the order."""
    await insert_many(tx, deliveries, [delivery])
    await insert_many(tx, delivery_lines, delivery.lines)


async def _with_shipment_lines(tx: Transaction, found: Sequence[Shipment]) -> list[Shipment]:
    lines: dict[UUID, list[ShipmentLine]] = defaultdict(list)
    if found:
        for line in many(await tx.all(SHIPMENT_LINES, {"ids": [shipment.shipment_id for shipment in found]}), ShipmentLine):
            lines[line.shipment_id].append(line)
    return [replace(shipment, lines=tuple(lines[shipment.shipment_id])) for shipment in found]


async def _with_delivery_lines(tx: Transaction, found: Sequence[Delivery]) -> list[Delivery]:
    lines: dict[UUID, list[DeliveryLine]] = defaultdict(list)
    if found:
        for line in many(await tx.all(DELIVERY_LINES, {"ids": [delivery.delivery_id for delivery in found]}), DeliveryLine):
            lines[line.delivery_id].append(line)
    return [replace(delivery, lines=tuple(lines[delivery.delivery_id])) for delivery in found]
