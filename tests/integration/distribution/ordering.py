"""Orders that stand in the database, for tests of what is done with them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import event

from services.distribution.calloffs import usecases as calloffs
from services.distribution.orders import domain, usecases
from services.distribution.orders.domain import Order
from shared.db.transaction import Database, Transaction
from shared.events.sales.deals import DealClosed, DealLine
from shared.ids import new_id
from tests import kit
from tests.unit.distribution.closings import NOW, make_closed


def closing(*lines: DealLine, deal_id: UUID | None = None, **overrides: Any) -> DealClosed:
    """A close of a deal of its own."""
    return make_closed(lines or None, deal_id=deal_id or new_id(), lead_id=new_id(), **overrides)


async def opened(tx: Transaction, *lines: DealLine) -> Order:
    """The order that a won deal with these lines becomes."""
    closed = closing(*lines)
    await calloffs.open_orders(tx, [kit.received(closed, at=closed.closed_at)])
    return await usecases.get_order(tx, domain.order_id_of(closed.deal_id))


async def stored(database: Database, *lines: DealLine) -> Order:
    """The same, committed."""
    async with database.transaction() as tx:
        return await opened(tx, *lines)


def told(tx: Transaction) -> list[Any]:
    """The events that the transaction would publish."""
    return [emitted.event for emitted in tx.emitted]


def timeless(order: Order | None) -> Order | None:
    """The order without what depends on when, and in how many steps, it was stored."""
    if order is None:
        return None
    lines = tuple(replace(line, recorded_at=NOW, version=0) for line in order.lines)
    return replace(order, lines=lines, recorded_at=NOW, version=0)


@asynccontextmanager
async def counted(database: Database) -> AsyncIterator[list[str]]:
    """The statements that are sent meanwhile."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        sent.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", note)
