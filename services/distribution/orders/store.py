"""Orders in and out of the database: each with its lines, which are rows of their own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Row, Text, Uuid, and_, any_, bindparam, delete, func, or_, select, tuple_, union

from services.distribution.orders.domain import Order, OrderLine
from services.distribution.orders.tables import order_lines, orders
from shared.cause import Version
from shared.db.saving import Change, many, one, save_many, unnested
from shared.db.transaction import Transaction

_IDS = any_(bindparam("ids", type_=ARRAY(Uuid)))
_given = unnested({"sources": Text, "external_ids": Text})

GET_ORDER = select(orders).where(orders.c.order_id == bindparam("order_id"))
LOCK_ORDER = GET_ORDER.with_for_update()
LOCK_ORDERS = select(orders).where(orders.c.order_id == _IDS).order_by(orders.c.order_id).with_for_update()
LIST_ORDERS = select(orders).order_by(orders.c.recorded_at, orders.c.order_id)
FIND_ORDERS = select(orders.c.order_id, orders.c.source, orders.c.external_id, orders.c.asked, orders.c.version).where(
    orders.c.order_id.in_(
        union(
            select(func.unnest(bindparam("ids", type_=ARRAY(Uuid)))),
            select(orders.c.order_id).join(_given, (orders.c.source == _given.c.sources) & (orders.c.external_id == _given.c.external_ids)),
        )
    )
)
FIND_CALLOFFS = select(orders.c.order_id).where(
    orders.c.call_off,
    or_(
        and_(orders.c.standing, orders.c.deal_id == any_(bindparam("undone", type_=ARRAY(Uuid)))),
        and_(~orders.c.standing, orders.c.deal_id == any_(bindparam("won", type_=ARRAY(Uuid)))),
    ),
)
FIND_LINES = select(order_lines.c.order_line_id, order_lines.c.order_id, order_lines.c.asked).where(order_lines.c.order_line_id == _IDS)
LINES = select(order_lines).where(order_lines.c.order_id == _IDS).order_by(order_lines.c.order_id, order_lines.c.line_no)
DROP_LINES = delete(order_lines).where(
    order_lines.c.order_id == _IDS, order_lines.c.order_line_id != bindparam("kept", type_=ARRAY(Uuid)).all_()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownOrder:
    """That an order is recorded, and by which command."""

    order_id: UUID
    source: str | None
    external_id: str | None
    asked: str | None
    version: Version


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownLine:
    """That a line is recorded, and by which command."""

    order_line_id: UUID
    order_id: UUID
    asked: str | None


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


async def find_orders(tx: Transaction, order_ids: Collection[UUID], names: Collection[tuple[str, str]]) -> list[KnownOrder]:
    """Orders that are recorded under one of the ids, or under a name in their source (source, external id)."""
    given = {"ids": list(order_ids), "sources": [source for source, _ in names], "external_ids": [name for _, name in names]}
    return many(await tx.all(FIND_ORDERS, given), KnownOrder)


async def find_lines(tx: Transaction, line_ids: Collection[UUID]) -> dict[UUID, KnownLine]:
    """Lines that are recorded under one of the ids, by id."""
    return {line.order_line_id: line for line in many(await tx.all(FIND_LINES, {"ids": list(line_ids)}), KnownLine)}


async def find_calloffs(tx: Transaction, *, undone: Collection[UUID], won: Collection[UUID]) -> list[UUID]:
    """Call-offs that stand although their deal is undone, or do not although it is won."""
    return [row.order_id for row in await tx.all(FIND_CALLOFFS, {"undone": list(undone), "won": list(won)})]


async def save_orders(tx: Transaction, changes: Sequence[Change[Order]], *, before: Mapping[UUID, Order]) -> list[Order]:
    """Stores orders and their lines in a fixed number of statements, and hands over the events. Raises Stale.

    `before`: the orders as they were read, so that only lines that changed are written.
    """
    ordered = sorted(changes, key=lambda change: change.thing.order_id)
    known = {line.order_line_id: line for order in before.values() for line in order.lines}
    saved = await save_many(tx, orders, ordered)
    moved = [Change(line, (), change.cause) for change in ordered for line in change.thing.lines if line != known.get(line.order_line_id)]
    lines = {line.order_line_id: line for line in await save_many(tx, order_lines, moved)}
    return [replace(order, lines=tuple(lines.get(line.order_line_id, line) for line in order.lines)) for order in saved]


async def save_dropped_lines(tx: Transaction, changed: Sequence[Order]) -> None:
    """Removes the stored lines that these orders no longer have."""
    if known := [order for order in changed if order.version]:
        kept = [line.order_line_id for order in known for line in order.lines]
        await tx.execute(DROP_LINES, {"ids": [order.order_id for order in known], "kept": kept})


async def _with_lines(tx: Transaction, found: Sequence[Order]) -> list[Order]:
    rows: Sequence[Row[tuple[object, ...]]] = await tx.all(LINES, {"ids": [order.order_id for order in found]}) if found else []
    by_order: dict[UUID, list[OrderLine]] = defaultdict(list)
    for line in many(rows, OrderLine):
        by_order[line.order_id].append(line)
    return [replace(order, lines=tuple(by_order[order.order_id])) for order in found]
