"""The outbox as a log: what a cursor reads is exactly what was committed, in order."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db import transaction as transactions
from shared.db.transaction import Database
from shared.ids import new_id
from shared.outbox import cursor as cursors
from shared.outbox import writing
from shared.outbox.cursor import Cursor
from tests.integration.shared import traffic
from tests.integration.shared.traffic import Delivered, breaches

START = Cursor(base="1:1:")
Step = Callable[[], Awaitable[Sequence[Any]]]


@pytest.fixture
async def reading(alone: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection of its own, as the relay has one."""
    connection = await asyncpg.connect(alone.engine.url.set(drivername="postgresql").render_as_string(hide_password=False))
    yield connection
    await connection.close()


def delivered(rows: Sequence[Any]) -> list[Delivered]:
    found = []
    for row in rows:
        headers = dict(json.loads(row.headers))
        found.append(Delivered(UUID(headers["ce_id"]), UUID(headers["ce_subject"]), int(headers["ce_aggregatesequence"])))
    return found


class Reader:
    """The reader as the relay uses it, or one of the broken ones below; keeps the cursors it stood at."""

    def __init__(self, connection: asyncpg.Connection, rows: int = 300) -> None:
        self.connection = connection
        self.rows = rows
        self.cursor = START
        self.turns: list[tuple[Cursor, str]] = []

    async def step(self) -> Sequence[Any]:
        page = await cursors.read_page(self.connection, self.cursor, backlog=False, rows=self.rows)
        self.turns.append((self.cursor, page.target))
        self.cursor = cursors.advance(self.cursor, page)
        return page.rows


class AboveTheLastId(Reader):
    """Broken: a lower id may commit later."""

    async def step(self) -> Sequence[Any]:
        statement = "SELECT id, headers::text FROM outbox WHERE id > $1 ORDER BY id LIMIT 300"
        found = [cursors.Row(r["id"], None, "", "", r["headers"], b"") for r in await self.connection.fetch(statement, self.cursor.last_id)]  # type: ignore[arg-type]
        self.cursor = Cursor(base="", last_id=found[-1].id if found else self.cursor.last_id)
        return found


class TargetAfterTheRows(Reader):
    """Broken: what commits between the two statements is in the new base and was never read."""

    between: Callable[[], Awaitable[object]] | None = None

    async def step(self) -> Sequence[Any]:
        page = await cursors.read_page(self.connection, self.cursor, backlog=False, rows=10_000, size=10**8)
        if self.between is not None:
            await self.between()
        self.cursor = Cursor(base=str(await self.connection.fetchval("SELECT pg_current_snapshot()::text")))
        return page.rows


async def follow(reader: Reader, finished: asyncio.Event) -> list[Delivered]:
    """All that the reader meets until the writers have finished and two more pages were empty."""
    found: list[Delivered] = []
    empty = 0
    while empty < 2:
        was_finished = finished.is_set()
        rows = await reader.step()
        found += delivered(rows)
        empty = empty + 1 if was_finished and not rows else 0
        await asyncio.sleep(0)
    return found


async def test_what_is_delivered_is_what_was_committed_and_in_order(alone: Database, reading: asyncpg.Connection) -> None:
    finished, reader = asyncio.Event(), Reader(reading)
    following = asyncio.create_task(follow(reader, finished))
    committed = await traffic.write_awkwardly(alone, events=5_000)
    finished.set()
    found = await following
    assert committed.total() >= 5_000
    assert len(found) == committed.total()
    assert breaches(found, committed) == set()
    # The form for a backlog gives the same rows from every place that this run has stood at.
    places = [turn for turn in reader.turns if turn[0].target is None]
    for start, target in random.Random(1).sample(places, min(40, len(places))):
        at = Cursor(base=start.base, target=target)
        one, other = [await cursors.read_page(reading, at, backlog=backlog) for backlog in (False, True)]
        assert ([row.id for row in one.rows], one.full) == ([row.id for row in other.rows], other.full)


@pytest.mark.parametrize(("broken", "found"), [(Reader, set()), (AboveTheLastId, {"lost"}), (TargetAfterTheRows, set())])
async def test_an_event_that_commits_behind_later_ones_is_delivered(
    alone: Database, reading: asyncpg.Connection, broken: type[Reader], found: set[str]
) -> None:
    reader, early, late = broken(reading), new_id(), new_id()
    met: list[Delivered] = []
    async with alone.engine.connect() as connection, connection.begin():
        slow = await alone.enter(connection)
        await traffic.emit(slow, [early])
        await slow.flush()
        await traffic.write(alone, [late])
        met += delivered(await reader.step())
    met += delivered(await reader.step())
    assert found <= breaches(met, Counter([early, late])) <= found | {"numbers with a gap"}


@pytest.mark.parametrize(("broken", "found"), [(Reader, set()), (TargetAfterTheRows, {"lost"})])
async def test_an_event_that_commits_while_a_page_is_read_is_delivered(
    alone: Database, reading: asyncpg.Connection, broken: type[Reader], found: set[str]
) -> None:
    reader, subject = broken(reading), new_id()

    async def write_one() -> None:
        await traffic.write(alone, [subject])

    if isinstance(reader, TargetAfterTheRows):
        reader.between = write_one
        met = delivered(await reader.step())
        reader.between = None
    else:
        met = delivered(await reader.step())
        await write_one()
    met += delivered(await reader.step())
    assert breaches(met, Counter([subject])) == found


async def append_before_numbers(connection: AsyncConnection, outgoing: Sequence[writing.Outgoing]) -> None:
    """Broken: the row has its id before the subject's sequence is locked, so a later number may have a lower id."""
    driver: Any = (await connection.get_raw_connection()).driver_connection
    for one in outgoing:
        row_id = await driver.fetchval("SELECT nextval('outbox_id_seq')")
        await asyncio.sleep(random.random() * 0.005)
        subject = one.event.lead_id
        number = await driver.fetchval(
            "INSERT INTO aggregate_sequence AS s VALUES ($1, 1) ON CONFLICT (subject) DO UPDATE SET last = s.last + 1 RETURNING last",
            subject,
        )
        headers = {"ce_id": str(new_id()), "ce_subject": str(subject), "ce_aggregatesequence": str(number)}
        statement = "INSERT INTO outbox (id, event_id, topic, key, headers, payload) VALUES ($1, $2, 't', 'k', $3, '')"
        await driver.execute(statement, row_id, new_id(), json.dumps(list(headers.items())))


async def test_the_check_catches_ids_that_are_taken_before_the_subject_is_locked(
    alone: Database, reading: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions.writing, "append", append_before_numbers)
    subject = new_id()

    async def write_one() -> None:
        async with alone.transaction() as tx:
            await traffic.emit(tx, [subject])

    await asyncio.gather(*(write_one() for _ in range(60)))
    found = delivered((await cursors.read_page(reading, START, backlog=False)).rows)
    assert "out of order" in breaches(found, Counter({subject: 60}))


async def test_a_page_is_cut_before_its_bytes_are_too_many(alone: Database, reading: asyncpg.Connection) -> None:
    committed = await traffic.write(alone, [new_id() for _ in range(20)])
    whole = await cursors.read_page(reading, START, backlog=False)
    size = max(len(row.payload) + len(row.key) + len(row.headers) for row in whole.rows)
    assert not whole.full
    for backlog in (False, True):
        for limit, expected in ((3 * size, 3), (size - 100, 1), (1, 1)):
            place, met, longest = START, [], 0
            while True:
                page = await cursors.read_page(reading, place, backlog=backlog, size=limit)
                place = cursors.advance(place, page)
                met += page.rows
                longest = max(longest, len(page.rows))
                if not page.full:
                    break
            assert longest == expected
            assert met == whole.rows
    assert breaches(delivered(whole.rows), committed) == set()


async def test_a_row_that_kafka_would_refuse_cannot_be_written(alone: Database) -> None:
    statement = text("INSERT INTO outbox (event_id, topic, key, headers, payload) VALUES (:id, 't', 'k', '[]', :payload)")
    async with alone.engine.begin() as connection:
        await connection.execute(statement, {"id": new_id(), "payload": b"x" * 299_997})
    with pytest.raises(IntegrityError, match="ck_outbox_sendable"):
        async with alone.engine.begin() as connection:
            await connection.execute(statement, {"id": new_id(), "payload": b"x" * 299_998})


@pytest.mark.parametrize("entered", [True, False])
async def test_the_driver_is_inside_the_transaction_only_after_a_statement_of_sqlalchemy(alone: Database, entered: bool) -> None:
    async with alone.engine.connect() as connection:
        transaction = await connection.begin()
        if entered:
            await alone.enter(connection)
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.execute("INSERT INTO aggregate_sequence VALUES ($1, 1)", new_id())
        await transaction.rollback()
    async with alone.engine.connect() as connection:
        survived = (await connection.execute(text("SELECT count(*) FROM aggregate_sequence"))).scalar_one()
    assert survived == (0 if entered else 1)


async def test_a_service_emits_its_own_events_only(alone: Database) -> None:
    alone.service = "handoff"
    with pytest.raises(ValueError, match="belongs to sales"):
        await traffic.write(alone, [new_id()])


async def test_an_undone_savepoint_takes_its_events_along(alone: Database, reading: asyncpg.Connection) -> None:
    kept, undone = new_id(), new_id()
    async with alone.transaction() as tx:
        await traffic.emit(tx, [kept])
        try:
            async with tx.savepoint():
                await traffic.emit(tx, [undone])
                raise traffic.Undone
        except traffic.Undone:
            pass
    found = delivered((await cursors.read_page(reading, START, backlog=False)).rows)
    assert breaches(found, Counter([kept])) == set()
