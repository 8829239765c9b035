"""Deliveries in and out of the database, each with its lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, func, select, tuple_

from services.distribution.deliveries.domain import Delivery, DeliveryLine
from services.distribution.deliveries.tables import deliveries, delivery_lines
from shared.db.saving import Change, insert_many, many, save_many
from shared.db.transaction import Transaction

_IDS = any_(bindparam("ids", type_=ARRAY(Uuid)))

DELIVERY = select(deliveries).where(deliveries.c.delivery_id == bindparam("delivery_id"))
DELIVERIES = (
    select(deliveries).where(deliveries.c.order_id == bindparam("order_id")).order_by(deliveries.c.recorded_at, deliveries.c.delivery_id)
)
DELIVERY_LINES = select(delivery_lines).where(delivery_lines.c.delivery_id == _IDS).order_by(delivery_lines.c.order_line_id)
FIND = select(deliveries.c.delivery_id, deliveries.c.asked).where(deliveries.c.delivery_id == _IDS)
WHOLE = (
    select(deliveries).where(deliveries.c.order_id == _IDS, deliveries.c.whole).order_by(deliveries.c.recorded_at, deliveries.c.delivery_id)
)
ARRIVED = (
    select(delivery_lines.c.order_line_id, func.sum(delivery_lines.c.quantity).label("quantity"))
    .join(deliveries, deliveries.c.delivery_id == delivery_lines.c.delivery_id)
    .where(deliveries.c.shipment_id == bindparam("shipment_id"))
    .group_by(delivery_lines.c.order_line_id)
)


async def find_delivery(tx: Transaction, delivery_id: UUID) -> Delivery | None:
    """The delivery with its lines, None if there is none."""
    found = await _with_lines(tx, many(await tx.all(DELIVERY, {"delivery_id": delivery_id}), Delivery))
    return found[0] if found else None


async def find_deliveries(tx: Transaction, delivery_ids: Collection[UUID]) -> dict[UUID, str | None]:
    """Those that are recorded, each with the digest of the command that told it."""
    return {row.delivery_id: row.asked for row in await tx.all(FIND, {"ids": list(delivery_ids)})}


async def list_deliveries(tx: Transaction, order_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int) -> list[Delivery]:
    """The order's deliveries in the order in which they were recorded, `limit` + 1 of them at most."""
    statement = DELIVERIES.limit(limit + 1)
    if after is not None:
        statement = statement.where(tuple_(deliveries.c.recorded_at, deliveries.c.delivery_id) > after)
    return await _with_lines(tx, many(await tx.all(statement, {"order_id": order_id}), Delivery))


async def list_whole(tx: Transaction, order_ids: Collection[UUID]) -> list[Delivery]:
    """Deliveries of whole orders, without their lines, in the order in which they were recorded."""
    return many(await tx.all(WHOLE, {"ids": list(order_ids)}), Delivery) if order_ids else []


async def sum_arrived(tx: Transaction, shipment_id: UUID) -> dict[UUID, Decimal]:
    """What has arrived with a shipment, by order line."""
    return {row.order_line_id: row.quantity for row in await tx.all(ARRIVED, {"shipment_id": shipment_id})}


async def save_deliveries(tx: Transaction, changes: Sequence[Change[Delivery]]) -> None:
    """Stores new deliveries and hands over their events."""
    await save_many(tx, deliveries, changes)
    await save_parts(tx, [change.thing for change in changes])


async def save_parts(tx: Transaction, facts: Sequence[Delivery]) -> None:
    """Stores what deliveries brought of lines."""
    await insert_many(tx, delivery_lines, [part for fact in facts for part in fact.lines])


async def _with_lines(tx: Transaction, found: Sequence[Delivery]) -> list[Delivery]:
    lines: dict[UUID, list[DeliveryLine]] = defaultdict(list)
    if found:
        for line in many(await tx.all(DELIVERY_LINES, {"ids": [delivery.delivery_id for delivery in found]}), DeliveryLine):
            lines[line.delivery_id].append(line)
    return [replace(delivery, lines=tuple(lines[delivery.delivery_id])) for delivery in found]
