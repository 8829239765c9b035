"""Writers that make it hard: random pauses, rollbacks, savepoints, transaction ids taken early, holes between ids, rows of any size."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID

import asyncpg
from asyncpg import PostgresError
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from baton.local.servers import Servers
from shared.db.failures import is_away
from shared.db.transaction import Database, Transaction
from shared.ids import new_id
from tests import kit
from tests.integration.shared import sample
from tests.integration.shared.traffic import Undone

SIZES = (0, 0, 0, 0, 0, 0, 0, 0, 200, 200, 2_000, 20_000)
LARGE = 250_000
"""Bytes that a row has beside its event: most rows are small, and some fill a page by themselves."""


@asynccontextmanager
async def open_transaction(servers: Servers) -> AsyncIterator[None]:
    """A transaction of another database of the cluster that has written and stays open."""
    connection = await asyncpg.connect(servers.postgres_dsn())
    try:
        transaction = connection.transaction()
        await transaction.start()
        await connection.fetchval("SELECT pg_current_xact_id()::text")
        yield
        await transaction.rollback()
    finally:
        await connection.close()


async def write(database: Database, chance: random.Random, *, events: int, writers: int = 24, subjects: int = 60) -> Counter[UUID]:
    """Writes until at least so many events are committed. Returns how many of each subject are."""
    ids = [new_id() for _ in range(subjects)]
    committed: Counter[UUID] = Counter()

    async def one(own: random.Random) -> None:
        while committed.total() < events:
            committed.update(await _transact(database, own, ids))

    await asyncio.gather(*(one(random.Random(chance.random())) for _ in range(writers)))
    return committed


async def _transact(database: Database, chance: random.Random, ids: list[UUID]) -> Mapping[UUID, int]:
    kept: Counter[UUID] = Counter()
    try:
        async with database.transaction() as tx:
            if chance.random() < 0.4:
                await tx.execute(select(func.pg_current_xact_id()))
                await asyncio.sleep(chance.random() * 0.02)
            for _ in range(chance.randint(1, 3)):
                kept += await _inside_savepoint(tx, chance, ids)
                await asyncio.sleep(chance.random() * 0.01)
            if chance.random() < 0.2:
                await tx.flush()  # numbers and rows are taken, and given up: holes in the ids
                raise Undone
            if chance.random() < 0.3:
                await tx.flush()
                await asyncio.sleep(chance.random() * 0.02)  # lower ids commit later
    except Undone:
        return {}
    except (DBAPIError, PostgresError, TimeoutError) as error:  # a lock took too long: rolled back
        if not is_away(error):
            raise
        return {}
    return kept


async def _inside_savepoint(tx: Transaction, chance: random.Random, ids: list[UUID]) -> Counter[UUID]:
    chosen = chance.choices(ids, k=chance.randint(1, 4))
    try:
        async with tx.savepoint():
            for subject in chosen:
                emit(tx, subject, chance)
            if chance.random() < 0.2:
                raise Undone
    except Undone:
        return Counter()
    return Counter(chosen)


def emit(tx: Transaction, subject: UUID, chance: random.Random) -> None:
    """One event of the subject, of either kind and of some size."""
    tell = chance.choice((sample.accepted, sample.rejected))
    size = LARGE if chance.random() < 0.004 else chance.choice(SIZES)
    cause = kit.cause()
    tx.emit(tell(subject, tx.now), cause=replace(cause, traceparent="x" * size) if size else cause)
