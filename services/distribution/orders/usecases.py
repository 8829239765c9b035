"""What is done with orders, and what all kinds of facts about them have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from services.distribution.orders import domain, store
from services.distribution.orders.domain import Order, Status, Told
from services.distribution.orders.store import KnownLine, KnownOrder
from shared.cause import Cause, Version
from shared.db.bulk import all_or_each
from shared.db.saving import Change, Versioned
from shared.db.transaction import Transaction
from shared.errors import Conflict, NotKnownYet, Refusal


class Digested(Versioned, Protocol):
    """A fact that knows the digest of the command that told it. It is stored once, so that its version means nothing."""

    @property
    def asked(self) -> str | None: ...


C = TypeVar("C")
F = TypeVar("F", bound=Digested)
R = TypeVar("R", bound=Told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Generic[C]):
    """One thing that somebody asks for, and why."""

    command: C
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What became of one thing that was asked for: done now, or by the same command before. `version`: the order's."""

    id: UUID
    status: Status
    version: Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger(Generic[R, F]):
    """How one kind of fact is found again (by id: digest of its command), decided and kept, and what another content is called."""

    find: Callable[[Transaction, Collection[UUID]], Awaitable[Mapping[UUID, str | None]]]
    decide: Callable[[Order, R, datetime], tuple[Order, F, Sequence[object]]]
    keep: Callable[[Transaction, Sequence[Change[F]]], Awaitable[None]]
    already: type[Conflict]


async def record_facts(tx: Transaction, asked: Sequence[Asked[R]], ledger: Ledger[R, F]) -> list[Recorded | Refusal]:
    """Records many facts of one kind, each once and set-based; a refusal is the outcome of its item alone."""
    return await all_or_each(tx, asked, partial(_record, tx, ledger), failed=lambda _, refusal: refusal)


async def lock_order(tx: Transaction, order_id: UUID, expected: Version | None) -> Order:
    """The order, which nobody else changes until the end of the transaction. Raises NotFound, Stale."""
    return await store.lock_order(tx, order_id, expected)


async def lock_orders(tx: Transaction, order_ids: Collection[UUID]) -> dict[UUID, Order]:
    """Those of the orders that exist, by id."""
    return await store.lock_orders(tx, order_ids)


async def save_order(tx: Transaction, before: Order, change: Change[Order]) -> Order:
    """Keeps an order in its new state, and tells of it."""
    (saved,) = await store.save_orders(tx, [change], before={before.order_id: before})
    return saved


async def save_orders(tx: Transaction, changes: Sequence[Change[Order]], *, before: Mapping[UUID, Order]) -> list[Order]:
    """Keeps orders in their new states, and tells of them. `before`: as they were read."""
    return await store.save_orders(tx, changes, before=before)


async def drop_lines(tx: Transaction, changed: Sequence[Order]) -> None:
    """Forgets the lines that these orders no longer have."""
    await store.save_dropped_lines(tx, changed)


async def get_order(tx: Transaction, order_id: UUID) -> Order:
    """The order as it stands. Raises NotFound."""
    return await store.get_order(tx, order_id)


async def list_orders(
    tx: Transaction, *, deal_id: UUID | None, status: str | None, after: tuple[datetime, UUID] | None, limit: int
) -> list[Order]:
    """Orders in the order in which they were recorded, after a position, with one more than `limit` if there are more."""
    return await store.list_orders(tx, deal_id=deal_id, status=status, after=after, limit=limit)


async def find_orders(tx: Transaction, order_ids: Collection[UUID], names: Collection[tuple[str, str]]) -> list[KnownOrder]:
    """Orders that are recorded under one of the ids, or under a name in their source (source, external id)."""
    return await store.find_orders(tx, order_ids, names)


async def find_lines(tx: Transaction, line_ids: Collection[UUID]) -> dict[UUID, KnownLine]:
    """Lines that are recorded under one of the ids, by id."""
    return await store.find_lines(tx, line_ids)


async def lock_calloffs(tx: Transaction, *, undone: Collection[UUID], won: Collection[UUID]) -> dict[UUID, Order]:
    """Call-offs, by id, that stand although their deal is undone, or do not although it is won."""
    found = await store.find_calloffs(tx, undone=undone, won=won)
    return await store.lock_orders(tx, found) if found else {}


async def _record(tx: Transaction, ledger: Ledger[R, F], asked: Sequence[Asked[R]]) -> list[Recorded | Refusal]:
    before = await store.lock_orders(tx, {item.command.order_id for item in asked})
    known = dict(await ledger.find(tx, [item.command.fact_id for item in asked]))
    after = dict(before)
    facts: list[Change[F]] = []
    outcomes: list[tuple[R, Status] | Refusal] = []
    for item in asked:
        command = item.command
        try:
            if command.order_id not in after:
                raise NotKnownYet(order_id=command.order_id)
            if command.fact_id in known:
                if known[command.fact_id] != domain.digest(command):
                    raise ledger.already(id=command.fact_id)
                outcomes.append((command, "unchanged"))
                continue
            after[command.order_id], fact, events = ledger.decide(after[command.order_id], command, tx.now)
        except Refusal as refusal:
            outcomes.append(refusal)
            continue
        known[command.fact_id] = fact.asked
        facts.append(Change(fact, events, item.cause))
        outcomes.append((command, "created"))
    await ledger.keep(tx, facts)
    changes = [Change(order, (), asked[0].cause) for order_id, order in after.items() if order is not before[order_id]]
    after |= {order.order_id: order for order in await store.save_orders(tx, changes, before=before)}
    return [
        each if isinstance(each, Refusal) else Recorded(id=each[0].fact_id, status=each[1], version=after[each[0].order_id].version)
        for each in outcomes
    ]
