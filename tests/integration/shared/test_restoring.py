"""A restored database: in another cluster everything is sent again, and no number is given out a second time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from uuid import UUID

import asyncpg
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from baton.local.servers import Servers
from shared.db.transaction import Database
from shared.ids import new_id
from shared.inbox.decoding import Record
from shared.outbox import cursor as cursors
from shared.outbox import restoring
from tests.integration.shared import traffic
from tests.integration.shared.test_stamping import dsn_of, ids
from tests.integration.shared.traffic import published, relay_of
from tests.integration.shared.waiting import running, until

FAR_AHEAD = 2**40 + 7
"""A transaction that this cluster has not had for a long time."""


def detected() -> float:
    return REGISTRY.get_sample_value("baton_restore_detected_total") or 0.0


async def change(database: Database, *statements: str) -> None:
    async with database.engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


def quoted(these: Iterable[UUID]) -> str:
    return ", ".join(f"'{one}'" for one in these)


def facts(log: list[Record]) -> Counter[tuple[bytes, int]]:
    """How many ids each number of each subject has."""
    by_id = dict(zip(ids(log), log, strict=True))
    return Counter((dict(one.headers)["ce_subject"], int(dict(one.headers)["ce_aggregatesequence"])) for one in by_id.values())


OF_ANOTHER_CLUSTER = "UPDATE outbox_cursor SET system_identifier = 42"
OF_LATER_TRANSACTIONS = f"UPDATE outbox_cursor SET base = '{FAR_AHEAD}:{FAR_AHEAD}:', target = NULL, last_id = 0"


@pytest.mark.parametrize("foreign", [OF_ANOTHER_CLUSTER, OF_LATER_TRANSACTIONS])
async def test_an_outbox_of_another_cluster_is_sent_again_whole_and_then_goes_on(
    alone: Database, servers: Servers, topics: str, foreign: str
) -> None:
    subjects = [new_id() for _ in range(5)]
    before, counted = await traffic.publish(alone, servers.kafka, topics, subjects * 6), detected()
    # As a dump finds itself in a fresh cluster: of its rows' transactions nobody there knows anything.
    await change(alone, foreign, f"UPDATE outbox SET xid = '{FAR_AHEAD + 1}'")
    await traffic.write(alone, subjects)
    reading = await asyncpg.connect(dsn_of(alone))
    assert await cursors.find(reading) is None
    assert len((await cursors.read_page(reading, cursors.Cursor(base="1:1:"), backlog=False)).rows) == 5  # the old ones would never be read
    await reading.close()
    async with running(relay_of(alone, servers.kafka, topics)):
        log = await published(servers.kafka, topics, 65, copies=True)
        await traffic.write(alone, subjects)
        log = await published(servers.kafka, topics, 70, copies=True)
    assert detected() == counted + 1
    assert Counter(Counter(ids(log)).values()) == {2: 30, 1: 10}
    assert set(ids(before)) <= set(ids(log))
    assert set(facts(log).values()) == {1}
    async with running(relay_of(alone, servers.kafka, topics)):
        await traffic.write(alone, subjects)
        assert len(await published(servers.kafka, topics, 75, copies=True)) == 75
    assert detected() == counted + 1


async def test_after_a_restore_to_an_earlier_point_no_number_is_used_twice_and_what_only_the_log_has_is_listed(
    alone: Database, servers: Servers, topics: str
) -> None:
    subjects = [new_id() for _ in range(4)]
    earlier = await traffic.publish(alone, servers.kafka, topics, subjects * 3)
    later = await traffic.publish(alone, servers.kafka, topics, [*subjects[:2], new_id()] * 2)
    lost = set(ids(later)) - set(ids(earlier))
    await change(
        alone,
        f"DELETE FROM outbox WHERE event_id IN ({quoted(lost)})",
        "UPDATE aggregate_sequence SET last = 3",
        f"DELETE FROM aggregate_sequence WHERE subject NOT IN ({quoted(subjects)})",
    )
    report = await restoring.restored(dsn_of(alone), servers.kafka, ["no-such-topic", *traffic.TOPICS], topics)
    assert (report.records, report.unreadable) == (18, 0)
    assert {one.event_id for one in report.lacking} == lost
    assert {(one.topic, one.part, one.offset) for one in report.lacking} <= {(one.topic, one.part, one.offset) for one in later}
    assert set(report.raised) == {one.subject for one in report.lacking}
    assert len(report.raised) == 3
    new_one = next(iter(set(report.raised) - set(subjects)))
    async with running(relay_of(alone, servers.kafka, topics)):
        await traffic.write(alone, [*subjects, new_one])
        log = await published(servers.kafka, topics, 23)
    assert set(facts(log).values()) == {1}
    again = await restoring.restored(dsn_of(alone), servers.kafka, traffic.TOPICS, topics)
    assert (again.raised, {one.event_id for one in again.lacking}) == ([], lost)


async def test_a_restored_database_that_was_not_looked_after_gives_a_number_twice(alone: Database, servers: Servers, topics: str) -> None:
    subject = new_id()
    await traffic.publish(alone, servers.kafka, topics, [subject] * 2)
    await change(alone, "DELETE FROM outbox", "UPDATE aggregate_sequence SET last = 1")
    log = await traffic.publish(alone, servers.kafka, topics, [subject])
    assert set(facts(log).values()) == {1, 2}


async def test_what_left_the_outbox_by_its_age_is_not_missed(alone: Database, servers: Servers, topics: str) -> None:
    await traffic.publish(alone, servers.kafka, topics, [new_id() for _ in range(4)])
    async with alone.engine.begin() as connection:
        names = (
            await connection.execute(text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'outbox'::regclass"))
        ).scalars()
        for name in sorted(names)[:2]:  # yesterday and today
            await connection.execute(text(f"DROP TABLE {name}"))
    report = await restoring.restored(dsn_of(alone), servers.kafka, traffic.TOPICS, topics)
    assert (report.records, report.lacking) == (4, [])


async def test_numbers_are_not_raised_under_a_relay_that_runs(alone: Database, servers: Servers, topics: str) -> None:
    async def leads() -> bool:
        async with alone.engine.connect() as connection:
            return bool((await connection.execute(text("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted"))).first())

    async with running(relay_of(alone, servers.kafka, topics)):
        await until(leads)
        with pytest.raises(restoring.RelayRuns):
            await restoring.restored(dsn_of(alone), servers.kafka, traffic.TOPICS, topics)
    report = await restoring.restored(dsn_of(alone), servers.kafka, traffic.TOPICS, topics)
    assert (report.records, report.raised, report.lacking) == (0, [], [])


def test_a_record_without_a_time_ordered_id_names_no_event() -> None:
    headers = [("ce_subject", str(new_id()).encode()), ("ce_aggregatesequence", b"1")]
    for event_id in (UUID(int=0), UUID("ffffffff-ffff-7fff-bfff-ffffffffffff")):
        assert restoring._row(Record("t", 0, 0, b"k", [("ce_id", str(event_id).encode()), *headers], b"")) is None
    assert restoring._row(Record("t", 0, 0, b"k", [("ce_id", str(new_id()).encode()), *headers], b"")) is not None
