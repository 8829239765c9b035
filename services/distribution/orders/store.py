"""Orders in and out of the database: each with its lines, which are rows of their own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Row, Uuid, any_, bindparam, delete, select, tuple_

from services.distribution.orders.domain import LineCancellation, LinePromise, Order, OrderLine
from services.distribution.orders.tables import line_cancellations, line_promises, order_lines, orders
from shared.cause import Version
from shared.db.saving import Change, insert_many, many, one, save_many
from shared.db.transaction import Transaction

_IDS = any_(bindparam("ids", type_=ARRAY(Uuid)))

GET_ORDER = select(orders).where(orders.c.order_id == bindparam("order_id"))
LOCK_ORDER = GET_ORDER.with_for_update()
LOCK_ORDERS = select(orders).where(orders.c.order_id == _IDS).order_by(orders.c.order_id).with_for_update()
LIST_ORDERS = select(orders).order_by(orders.c.recorded_at, orders.c.order_id)
LINES = select(order_lines).where(order_lines.c.order_id == _IDS).order_by(order_lines.c.order_id, order_lines.c.line_no)
PROMISES = select(line_promises).where(line_promises.c.order_id == bindparam("order_id"))
DROP_LINES = delete(order_lines).where(
    order_lines.c.order_id == _IDS, order_lines.c.order_line_id != bindparam("kept", type_=ARRAY(Uuid)).all_()
)


async def get_order(tx: Transaction, order_id: UUID) -> Order:
    """The order with its lines. Raises NotFound."""
    (order,) = await _with_lines(tx, [one(await tx.first(GET_ORDER, {"order_id": order_id}), Order, order_id=order_id)])
    return order


async def lock_order(tx: Transaction, order_id: UUID, expected: Version | None) -> Order:
    """The order with its lines, which nobody else changes until the end of the transaction. Raises NotFound, Stale."""
    row = await tx.first(LOCK_ORDER, {"order_id": order_id})
    (order,) = await _with_lines(tx, [one(row, Order, expected, order_id=order_id)])
    return order


async def lock_orders(tx: Transaction, order_ids: Collection[UUID]) -> dict[UUID, Order]:
    """Those of the orders that exist, by id."""
    rows = await tx.all(LOCK_ORDERS, {"ids": sorted(order_ids)})
    return {order.order_id: order for order in await _with_lines(tx, many(rows, Order))}


async def list_orders(
    tx: Transaction, *, deal_id: UUID | None, status: str | None, after: tuple[datetime, UUID] | None, limit: int
) -> list[Order]:
    """Orders in the order in which they were recorded, `limit` + 1 of them at most."""
    statement = LIST_ORDERS.limit(limit + 1)
    if deal_id is not None:
        statement = statement.where(orders.c.deal_id == deal_id)
    if status is not None:
        statement = statement.where(orders.c.status == status)
    if after is not None:
        statement = statement.where(tuple_(orders.c.recorded_at, orders.c.order_id) > after)
    return await _with_lines(tx, many(await tx.all(statement), Order))


async def list_promises(tx: Transaction, order_id: UUID) -> list[LinePromise]:
    """Every day that was promised for a line of the order after it was ordered."""
    return many(await tx.all(PROMISES, {"order_id": order_id}), LinePromise)


async def save_orders(tx: Transaction, changes: Sequence[Change[Order]]) -> list[Order]:
    """Stores orders and their lines in a fixed number of statements, and hands over the events. Raises Stale."""
    ordered = sorted(changes, key=lambda change: change.thing.order_id)
    saved = await save_many(tx, orders, ordered)
    lines = await save_many(tx, order_lines, [Change(line, (), change.cause) for change in ordered for line in change.thing.lines])
    by_order = _by_order(lines)
    return [replace(order, lines=tuple(by_order[order.order_id])) for order in saved]


async def save_orders_anew(tx: Transaction, changes: Sequence[Change[Order]]) -> list[Order]:
    """The same for orders whose content may be another: lines that they no longer have are removed."""
    if known := [change.thing for change in changes if change.thing.version]:
        lines = [line.order_line_id for order in known for line in order.lines]
        await tx.execute(DROP_LINES, {"ids": [order.order_id for order in known], "kept": lines})
    return await save_orders(tx, changes)


async def save_promises(tx: Transaction, promises: Sequence[LinePromise]) -> None:
    """Stores promises."""
    await insert_many(tx, line_promises, promises)


async def save_cancellations(tx: Transaction, cancellations: Sequence[LineCancellation]) -> None:
    """Stores cancellations."""
    await insert_many(tx, line_cancellations, cancellations)


async def _with_lines(tx: Transaction, found: Sequence[Order]) -> list[Order]:
    rows: Sequence[Row[tuple[object, ...]]] = await tx.all(LINES, {"ids": [order.order_id for order in found]}) if found else []
    by_order = _by_order(many(rows, OrderLine))
    return [replace(order, lines=tuple(by_order[order.order_id])) for order in found]


def _by_order(lines: Sequence[OrderLine]) -> dict[UUID, list[OrderLine]]:
    by_order: dict[UUID, list[OrderLine]] = defaultdict(list)
    for line in lines:
        by_order[line.order_id].append(line)
    return by_order
