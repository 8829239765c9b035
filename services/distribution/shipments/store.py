"""Shipments in and out of the database, each with its lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, select, tuple_

from services.distribution.shipments.domain import Shipment, ShipmentLine
from services.distribution.shipments.tables import shipment_lines, shipments
from shared.db.saving import Change, insert_many, many, one, save_many
from shared.db.transaction import Transaction

_IDS = any_(bindparam("ids", type_=ARRAY(Uuid)))

SHIPMENT = select(shipments).where(shipments.c.shipment_id == bindparam("shipment_id"))
SHIPMENTS = (
    select(shipments).where(shipments.c.order_id == bindparam("order_id")).order_by(shipments.c.recorded_at, shipments.c.shipment_id)
)
SHIPMENT_LINES = select(shipment_lines).where(shipment_lines.c.shipment_id == _IDS).order_by(shipment_lines.c.order_line_id)
FIND = select(shipments.c.shipment_id, shipments.c.asked).where(shipments.c.shipment_id == _IDS)
WHOLE = select(shipments).where(shipments.c.order_id == _IDS, shipments.c.whole).order_by(shipments.c.recorded_at, shipments.c.shipment_id)


async def get_shipment(tx: Transaction, shipment_id: UUID) -> Shipment:
    """The shipment with its lines. Raises NotFound."""
    (found,) = await _with_lines(tx, [one(await tx.first(SHIPMENT, {"shipment_id": shipment_id}), Shipment, shipment_id=shipment_id)])
    return found


async def find_shipment(tx: Transaction, shipment_id: UUID) -> Shipment | None:
    """The shipment with its lines, None if there is none."""
    found = await _with_lines(tx, many(await tx.all(SHIPMENT, {"shipment_id": shipment_id}), Shipment))
    return found[0] if found else None


async def find_shipments(tx: Transaction, shipment_ids: Collection[UUID]) -> dict[UUID, str | None]:
    """Those that are recorded, each with the digest of the command that told it."""
    return {row.shipment_id: row.asked for row in await tx.all(FIND, {"ids": list(shipment_ids)})}


async def list_shipments(tx: Transaction, order_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int) -> list[Shipment]:
    """The order's shipments in the order in which they were recorded, `limit` + 1 of them at most."""
    statement = SHIPMENTS.limit(limit + 1)
    if after is not None:
        statement = statement.where(tuple_(shipments.c.recorded_at, shipments.c.shipment_id) > after)
    return await _with_lines(tx, many(await tx.all(statement, {"order_id": order_id}), Shipment))


async def list_whole(tx: Transaction, order_ids: Collection[UUID]) -> list[Shipment]:
    """Shipments of whole orders, without their lines, in the order in which they were recorded."""
    return many(await tx.all(WHOLE, {"ids": list(order_ids)}), Shipment) if order_ids else []


async def save_shipments(tx: Transaction, changes: Sequence[Change[Shipment]]) -> None:
    """Stores new shipments and hands over their events."""
    await save_many(tx, shipments, changes)
    await save_parts(tx, [change.thing for change in changes])


async def save_parts(tx: Transaction, facts: Sequence[Shipment]) -> None:
    """Stores what shipments carry of lines."""
    await insert_many(tx, shipment_lines, [part for fact in facts for part in fact.lines])


async def _with_lines(tx: Transaction, found: Sequence[Shipment]) -> list[Shipment]:
    lines: dict[UUID, list[ShipmentLine]] = defaultdict(list)
    if found:
        for line in many(await tx.all(SHIPMENT_LINES, {"ids": [shipment.shipment_id for shipment in found]}), ShipmentLine):
            lines[line.shipment_id].append(line)
    return [replace(shipment, lines=tuple(lines[shipment.shipment_id])) for shipment in found]
