"""Sending published events again: the same ids, only what was asked for, never in front of what still waits."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import text

from baton.local.servers import Servers
from shared.db.transaction import Database
from shared.ids import new_id
from shared.inbox.decoding import Record
from shared.outbox import stamping
from tests.integration.shared import traffic
from tests.integration.shared.traffic import published, relay_of
from tests.integration.shared.waiting import running

AGES_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def dsn_of(database: Database) -> str:
    return database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)


def ids(log: list[Record]) -> list[UUID]:
    return [UUID(dict(one.headers)["ce_id"].decode()) for one in log]


async def column(database: Database, statement: str) -> list[object]:
    async with database.engine.connect() as connection:
        return list((await connection.execute(text(statement))).scalars())


async def test_events_are_sent_again_with_their_ids_and_it_is_written_who_wanted_it(alone: Database, servers: Servers, topics: str) -> None:
    await traffic.publish(alone, servers.kafka, topics, [new_id() for _ in range(30)])
    told: list[int] = []
    republish = partial(
        stamping.republish,
        dsn_of(alone),
        principal="ann",
        reason="a consumer lost its disk",
        topic="lead-accepted",
        on_progress=told.append,
    )
    assert await republish(dry_run=True) == 15
    assert (told, await column(alone, "SELECT 1 FROM audit_log")) == ([], [])
    assert await republish(rate=10_000) == 15
    assert told == [15]
    async with running(relay_of(alone, servers.kafka, topics)):
        log = await published(servers.kafka, topics, 45, copies=True)
    counts = Counter(Counter(ids(log)).values())
    assert counts == {2: 15, 1: 15}
    assert {one.topic for one, times in zip(log, map(Counter(ids(log)).get, ids(log)), strict=True) if times == 2} == {
        topics + "lead-accepted"
    }
    async with alone.engine.connect() as connection:
        (audit,) = (await connection.execute(text("SELECT principal, action, object_id, reason FROM audit_log"))).all()
    assert tuple(audit) == ("ann", "outbox.republish", "topic=lead-accepted", "a consumer lost its disk")


async def test_each_condition_chooses(alone: Database, servers: Servers, topics: str) -> None:
    subject = new_id()
    log = await traffic.publish(alone, servers.kafka, topics, [subject, new_id(), new_id(), new_id()])
    now = datetime.now(UTC)

    count = partial(stamping.republish, dsn_of(alone), principal="ann", reason="", dry_run=True)
    assert await count() == 4
    assert [await count(topic=topic) for topic in ("lead-accepted", "lead-rejected", "no-such")] == [2, 2, 0]
    assert [await count(key=str(subject)), await count(key=str(new_id()))] == [1, 0]
    assert [await count(event_id=ids(log)[0]), await count(event_id=new_id())] == [1, 0]
    assert [await count(since=AGES_AGO), await count(since=now + timedelta(minutes=1))] == [4, 0]
    assert [await count(until=now + timedelta(minutes=1)), await count(until=AGES_AGO)] == [4, 0]


async def test_what_waits_is_not_stamped(alone: Database, servers: Servers, topics: str) -> None:
    await traffic.write(alone, [new_id()])
    assert await stamping.republish(dsn_of(alone), principal="ann", reason="") == 0  # no relay was here yet
    await traffic.publish(alone, servers.kafka, topics, [new_id() for _ in range(3)])
    await traffic.write(alone, [new_id() for _ in range(5)])
    before = await column(alone, "SELECT xid::text FROM outbox ORDER BY id DESC LIMIT 5")
    assert await stamping.republish(dsn_of(alone), principal="ann", reason="") == 4
    assert await column(alone, "SELECT xid::text FROM outbox ORDER BY id DESC LIMIT 5") == before


async def test_rows_are_stamped_at_a_limited_rate_in_transactions_of_their_own(
    alone: Database, servers: Servers, topics: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stamping, "BATCH_ROWS", 10)
    await traffic.publish(alone, servers.kafka, topics, [new_id() for _ in range(35)])
    told: list[int] = []
    begun = time.monotonic()
    assert await stamping.republish(dsn_of(alone), principal="ann", reason="", rate=50, on_progress=told.append) == 35
    assert time.monotonic() - begun >= 35 / 50
    assert told == [10, 20, 30, 35]
    assert len(set(await column(alone, "SELECT xid::text FROM outbox"))) == 4
    assert len(await column(alone, "SELECT 1 FROM audit_log")) == 1


async def test_what_is_sent_again_under_load_overtakes_nothing_and_is_known(
    alone: Database, servers: Servers, topics: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stamping, "BATCH_ROWS", 50)
    async with running(relay_of(alone, servers.kafka, topics)):
        writing = asyncio.create_task(traffic.write_awkwardly(alone, events=1_500, writers=8))
        again = 0
        while not writing.done():
            again += await stamping.republish(dsn_of(alone), principal="ann", reason="", rate=5_000)
        committed = await writing
        log = await published(servers.kafka, topics, committed.total())
    assert again > 0
    assert len(log) > committed.total()
    for topic in traffic.TOPICS:
        numbers: dict[bytes, list[int]] = {}
        met = set[UUID]()
        for one, event_id in zip(log, ids(log), strict=True):
            if one.topic == topics + topic and event_id not in met:
                met.add(event_id)
                numbers.setdefault(one.key or b"", []).append(int(dict(one.headers)["ce_aggregatesequence"]))
        assert numbers
        assert all(found == sorted(found) for found in numbers.values())
    assert len(set(ids(log))) == committed.total()
