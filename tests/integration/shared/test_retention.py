"""Old days leave outbox and inbox: only published ones, whoever reads or writes meanwhile, and whatever interrupted it before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton.local.servers import Servers
from shared.db import kernel
from shared.db.transaction import Database
from shared.ids import new_id
from shared.outbox import retention
from tests.integration.shared import traffic
from tests.integration.shared.test_stamping import dsn_of
from tests.integration.shared.traffic import published, relay_of
from tests.integration.shared.waiting import running

TODAY = datetime.now(UTC).date()
LAST, FIRST = TODAY - timedelta(days=15), TODAY - timedelta(days=17)
OLD = [f"outbox_p{FIRST + timedelta(days=n):%Y%m%d}" for n in range(3)]
"""Three days that are older than the outbox is kept."""


@pytest.fixture
async def upkeep(alone: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection with partitions of three old days, an event in each."""
    connection = await asyncpg.connect(dsn_of(alone), command_timeout=10)
    for number, name in enumerate(OLD):
        day = FIRST + timedelta(days=number)
        await connection.execute(
            f"CREATE TABLE {name} PARTITION OF outbox FOR VALUES FROM ('{day} 00:00:00+00') TO ('{day + timedelta(days=1)} 00:00:00+00')"
        )
        await write_on(connection, day)
    yield connection
    await connection.close()


async def write_on(connection: asyncpg.Connection, day: date) -> UUID:
    """An event of that day."""
    event_id = new_id()
    statement = "INSERT INTO outbox (created_at, event_id, topic, key, headers, payload) VALUES ($1, $2, 'lead-accepted', 'k', $3, '')"
    await connection.execute(statement, datetime(day.year, day.month, day.day, 12, tzinfo=UTC), event_id, f'[["ce_id", "{event_id}"]]')
    return event_id


async def publish_all(alone: Database, servers: Servers, topics: str, count: int) -> None:
    async with running(relay_of(alone, servers.kafka, topics)):
        await published(servers.kafka, topics, count)


async def tables(connection: asyncpg.Connection, pattern: str = "outbox_p%") -> set[str]:
    return {
        row["relname"] for row in await connection.fetch("SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE $1", pattern)
    }


async def attached(connection: asyncpg.Connection) -> set[str]:
    found = await connection.fetch("SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE NOT inhdetachpending")
    return {row["name"] for row in found}


async def test_old_days_go_once_they_are_published(alone: Database, upkeep: asyncpg.Connection, servers: Servers, topics: str) -> None:
    before = await tables(upkeep)
    assert await retention.drop_old(upkeep, TODAY) == []  # no relay was here yet
    await publish_all(alone, servers, topics, 3)
    assert await retention.drop_old(upkeep, TODAY, outbox_days=15) == OLD[:2]
    assert await retention.drop_old(upkeep, TODAY) == OLD[2:]
    assert before - await tables(upkeep) == set(OLD)
    assert await retention.drop_old(upkeep, TODAY) == []


async def test_a_day_with_an_event_that_waits_stays(alone: Database, upkeep: asyncpg.Connection, servers: Servers, topics: str) -> None:
    await publish_all(alone, servers, topics, 3)
    await write_on(upkeep, FIRST + timedelta(days=1))
    assert await retention.drop_old(upkeep, TODAY) == [OLD[0], OLD[2]]
    await publish_all(alone, servers, topics, 4)
    assert await retention.drop_old(upkeep, TODAY) == [OLD[1]]


async def test_a_day_whose_outbox_came_from_another_cluster_stays(
    alone: Database, upkeep: asyncpg.Connection, servers: Servers, topics: str
) -> None:
    await publish_all(alone, servers, topics, 3)
    await upkeep.execute("UPDATE outbox_cursor SET system_identifier = 42")
    assert await retention.drop_old(upkeep, TODAY) == []


async def test_the_inbox_loses_the_days_before_its_own_last(upkeep: asyncpg.Connection) -> None:
    before = await tables(upkeep, "inbox_p%")
    assert await retention.drop_old(upkeep, TODAY) == []
    gone = await retention.drop_old(upkeep, TODAY + timedelta(days=3))
    assert gone == [f"inbox_p{TODAY - timedelta(days=21 - n):%Y%m%d}" for n in range(3)]
    assert before - await tables(upkeep, "inbox_p%") == set(gone)
    assert f"inbox_p{TODAY - timedelta(days=18):%Y%m%d}" in await attached(upkeep)


async def test_a_day_that_somebody_reads_goes_the_next_time(
    alone: Database, upkeep: asyncpg.Connection, servers: Servers, topics: str
) -> None:
    await publish_all(alone, servers, topics, 3)
    reader = await asyncpg.connect(dsn_of(alone))
    async with reader.transaction():
        assert await reader.fetchval("SELECT count(*) FROM outbox") == 3
        await upkeep.execute("SET lock_timeout = '300ms'")
        assert await retention.drop_old(upkeep, TODAY) == []
        assert set(OLD) & (await tables(upkeep) - await attached(upkeep)) == {OLD[0]}  # half detached
        await asyncio.wait_for(traffic.write(alone, [new_id()]), 5)  # it stops no writer
    await reader.close()
    assert await retention.drop_old(upkeep, TODAY) == OLD
    assert not set(OLD) & await tables(upkeep)


async def test_a_day_that_was_detached_but_not_dropped_is_found(
    alone: Database, upkeep: asyncpg.Connection, servers: Servers, topics: str
) -> None:
    await publish_all(alone, servers, topics, 3)
    await upkeep.execute(f"ALTER TABLE outbox DETACH PARTITION {OLD[1]}")
    assert await retention.drop_old(upkeep, TODAY) == OLD


async def test_a_day_that_was_stamped_anew_while_it_left_comes_back(
    alone: Database, upkeep: asyncpg.Connection, servers: Servers, topics: str
) -> None:
    await publish_all(alone, servers, topics, 3)
    await upkeep.execute(
        "UPDATE outbox SET xid = pg_current_xact_id() WHERE created_at < $1", datetime.now(UTC) - timedelta(days=16, hours=12)
    )
    await upkeep.execute(f"ALTER TABLE outbox DETACH PARTITION {OLD[0]}")
    assert await retention.drop_old(upkeep, TODAY) == OLD[1:]
    assert OLD[0] in await attached(upkeep)
    async with running(relay_of(alone, servers.kafka, topics)):
        assert len(await published(servers.kafka, topics, 4, copies=True)) == 4
    assert await retention.drop_old(upkeep, TODAY) == [OLD[0]]


async def test_one_connection_at_a_time_drops(alone: Database, upkeep: asyncpg.Connection, servers: Servers, topics: str) -> None:
    await publish_all(alone, servers, topics, 3)
    other = await asyncpg.connect(dsn_of(alone))
    await other.execute("SELECT pg_advisory_lock($1)", retention.LOCK)
    assert await retention.drop_old(upkeep, TODAY) == []
    await other.close()
    found = [await retention.drop_old(upkeep, TODAY) for _ in range(2)]
    assert found == [OLD, []]


async def test_days_leave_under_load_without_a_loss(alone: Database, upkeep: asyncpg.Connection, servers: Servers, topics: str) -> None:
    async with running(relay_of(alone, servers.kafka, topics)):
        writing = asyncio.create_task(traffic.write_awkwardly(alone, events=600, writers=8))
        dropped: list[str] = []
        while not writing.done():
            dropped += await retention.drop_old(upkeep, TODAY)
            await asyncio.sleep(0.02)
        committed = await writing
        while len(dropped) < 3:
            dropped += await retention.drop_old(upkeep, TODAY)
        await published(servers.kafka, topics, committed.total() + 3)
    assert sorted(dropped) == OLD  # one in use, or with an event to publish, is left for the next turn


async def test_partitions_ahead_and_days_that_leave_do_not_meet(alone: Database, upkeep: asyncpg.Connection) -> None:
    for later in range(40):
        today = TODAY + timedelta(days=later)
        async with alone.engine.begin() as connection:
            await kernel.create_partitions(connection, today)
        for table in await attached(upkeep):
            if table.startswith("inbox"):
                assert table >= f"inbox_p{today - timedelta(days=22):%Y%m%d}"
        await retention.drop_old(upkeep, today)
        async with alone.engine.connect() as connection:
            ahead = today + timedelta(days=kernel.AHEAD_DAYS)
            assert await kernel.last_days(connection, today) == {"outbox": ahead, "inbox": ahead}


@given(*[st.integers(0, 30)] * 3)
def test_topics_outbox_and_inbox_are_kept_in_this_order(topic: int, outbox: int, inbox: int) -> None:
    if topic <= outbox < inbox:
        retention.require_order(topic, outbox, inbox)
    else:
        with pytest.raises(ValueError, match="the outbox must keep"):
            retention.require_order(topic, outbox, inbox)
