"""The relay on a real broker: one leads, another takes over, and whatever is sent twice has one effect."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter

import pytest
from aiokafka import AIOKafkaProducer
from prometheus_client import REGISTRY
from sqlalchemy import text

from baton.local.servers import Servers
from shared.db import failpoints
from shared.db.transaction import Database
from shared.events.sales.offers import LeadAccepted, LeadRejected
from shared.ids import new_id
from shared.inbox.applying import Applier
from shared.inbox.decoding import Record
from shared.outbox import producing
from tests.integration.shared import sample, traffic
from tests.integration.shared.traffic import breaches, published, relay_of
from tests.integration.shared.waiting import running, until

NOBODY = "127.0.0.1:1"
"""An address at which no broker answers."""

HANDLERS = {LeadAccepted: [sample.remember], LeadRejected: [sample.remember]}


async def relays(database: Database, *, leading: bool) -> list[int]:
    """Server processes of the relays of this database: of the leader, or of all."""
    lock = "JOIN pg_locks l ON l.pid = a.pid AND l.locktype = 'advisory' AND l.granted" if leading else ""
    statement = f"SELECT a.pid FROM pg_stat_activity a {lock} WHERE a.datname = current_database() AND a.application_name = 'relay'"
    async with database.engine.connect() as connection:
        return list((await connection.execute(text(statement))).scalars())


async def apply_all(database: Database, log: list[Record], prefix: str) -> int:
    """Applies a log from its beginning; returns how many effects there are now."""
    parts = {(one.topic, one.part) for one in log}
    async with database.engine.begin() as connection:
        await connection.execute(text("DELETE FROM consumer_offset"))
        for topic, part in parts:
            await connection.execute(text("INSERT INTO consumer_offset VALUES (:topic, :part, 0)"), {"topic": topic, "part": part})
    await Applier(database, HANDLERS, prefix).apply(log, dict.fromkeys(parts, 0))
    return len(await traffic.seen(database))


async def test_a_standby_takes_over_when_the_leaders_session_is_lost(alone: Database, servers: Servers, topics: str) -> None:
    subjects = [new_id() for _ in range(8)]
    one, other = relay_of(alone, servers.kafka, topics), relay_of(alone, servers.kafka, topics)

    async def both_are_there() -> bool:
        return len(await relays(alone, leading=False)) == 2 and len(await relays(alone, leading=True)) == 1

    async with running(one, other):
        await until(both_are_there)
        assert (one.trouble, other.trouble) == (None, None)
        committed = await traffic.write(alone, subjects * 5)
        (leader,) = await relays(alone, leading=True)
        async with alone.engine.connect() as connection:
            await connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": leader})
        committed += await traffic.write(alone, subjects * 5)

        async def another_leads() -> bool:
            return bool(await relays(alone, leading=True)) and leader not in await relays(alone, leading=True)

        await until(another_leads)
        log = await published(servers.kafka, topics, 80)
    await apply_all(alone, log, topics)
    assert breaches(await traffic.seen(alone), committed) <= {"out of order"}  # over two topics; inside one it is checked below
    for topic in traffic.TOPICS:
        found = await traffic.seen(alone, topic)
        assert "out of order" not in breaches(found, Counter(one.subject for one in found))


async def test_a_lost_cursor_sends_everything_again_and_the_inbox_takes_it_once(
    alone: Database, servers: Servers, topics: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed = await traffic.write(alone, [new_id() for _ in range(60)])
    async with running(relay_of(alone, servers.kafka, topics)):
        await published(servers.kafka, topics, 60)
    async with alone.engine.begin() as connection:
        await connection.execute(text("DELETE FROM outbox_cursor"))
    async with running(relay_of(alone, servers.kafka, topics)):
        log = await published(servers.kafka, topics, 120, copies=True)
    assert len(log) == 120
    assert await apply_all(alone, log, topics) == 60
    assert breaches(await traffic.seen(alone), committed) == set()
    assert await apply_all(alone, log, topics) == 60  # the same chunk once more

    async def everything_is_new(_: Applier, __: object, ids: list[object]) -> tuple[set[object], set[object]]:
        return set(ids), set()

    monkeypatch.setattr(Applier, "take", everything_is_new)
    await apply_all(alone, log, topics)
    assert "delivered twice" in breaches(await traffic.seen(alone), committed)


async def test_a_stopped_relay_knows_what_it_has_sent(alone: Database, servers: Servers, topics: str) -> None:
    for round_ in (1, 2):
        await traffic.write(alone, [new_id() for _ in range(10)])
        async with running(relay_of(alone, servers.kafka, topics)):
            await published(servers.kafka, topics, 10 * round_)
    assert len(await traffic.read_log(servers.kafka, topics)) == 20
    async with alone.engine.connect() as connection:
        positions = await connection.execute(text("SELECT sum(last_offset + 1) FROM outbox_position"))
        assert positions.scalar_one() == 20


async def test_commits_wake_the_relay(alone: Database, servers: Servers, topics: str) -> None:
    relay = relay_of(alone, servers.kafka, topics)
    woken = asyncio.Event()

    def wake() -> None:
        woken.set()
        relay.wake()

    alone.woken = wake
    async with running(relay):
        await traffic.write(alone, [new_id()])
        assert woken.is_set()
        await published(servers.kafka, topics, 1)


async def test_without_a_broker_the_oldest_event_is_seen_to_age_until_it_is_published(
    alone: Database, servers: Servers, topics: str
) -> None:
    def age() -> float:
        return REGISTRY.get_sample_value("baton_outbox_oldest_unpublished_seconds") or 0.0

    async def grows(beyond: float) -> bool:
        return age() > beyond

    await traffic.write(alone, [new_id()])
    async with running(relay_of(alone, NOBODY, topics)):
        await until(lambda: grows(0.0))
        await until(lambda: grows(1.0))
    assert await traffic.read_log(servers.kafka, topics) == []
    async with running(relay_of(alone, servers.kafka, topics)):
        await published(servers.kafka, topics, 1)

        async def is_gone() -> bool:
            return age() == 0.0

        await until(is_gone)


async def test_a_missing_topic_blocks_until_somebody_makes_it_and_an_absent_broker_never_does(
    alone: Database, servers: Servers, prefix: str
) -> None:
    def blocked() -> float:
        return REGISTRY.get_sample_value("baton_relay_blocked") or 0.0

    await traffic.write(alone, [new_id() for _ in range(4)])
    away = relay_of(alone, NOBODY, prefix)
    async with running(away):

        async def complains() -> bool:
            return away.trouble is not None

        await until(complains)
        assert blocked() == 0
    relay = relay_of(alone, servers.kafka, prefix)
    async with running(relay):

        async def is_blocked() -> bool:
            return blocked() == 1

        await until(is_blocked)
        assert relay.trouble is not None
        assert f"topic {prefix}lead-" in relay.trouble
        await traffic.create_topics(servers.kafka, prefix)
        assert len(await published(servers.kafka, prefix, 4)) == 4

        async def goes_on() -> bool:
            return blocked() == 0 and relay.trouble is None

        await until(goes_on)


async def test_a_relay_that_is_stopped_gives_its_lead_up_before_its_producer_ends(
    alone: Database, servers: Servers, topics: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, leaders = producing.stop, list[list[int]]()

    async def look_and_stop(producer: AIOKafkaProducer) -> None:
        leaders.append(await relays(alone, leading=True))
        await stop(producer)

    monkeypatch.setattr(producing, "stop", look_and_stop)
    async with running(relay_of(alone, servers.kafka, topics)):
        await traffic.write(alone, [new_id() for _ in range(10)])
        await published(servers.kafka, topics, 10)
    assert leaders == [[]]


CHILD = """
import asyncio, sys
from shared.db import failpoints
from shared.outbox.relay import Relay

dsn, bootstrap, prefix, point = sys.argv[1:]
failpoints.arm(point)
asyncio.run(Relay(dsn=dsn, bootstrap=bootstrap, client_id="child", topic_prefix=prefix).run())
"""


@pytest.mark.parametrize(
    ("point", "sent"),
    [("after_read", 0), ("after_send", 0), ("after_ack", 20), ("before_cursor:2", 20), ("after_cursor:2", 20)],
)
async def test_a_relay_that_is_killed_loses_nothing_wherever_it_stood(
    alone: Database, servers: Servers, topics: str, point: str, sent: int
) -> None:
    dsn = alone.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    committed = await traffic.write(alone, [new_id() for _ in range(4)] * 5)
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, dsn, servers.kafka, topics, f"relay.{point}")
    async with asyncio.timeout(40):
        assert await child.wait() == failpoints.EXIT
    assert len(await traffic.read_log(servers.kafka, topics)) >= sent
    log = await traffic.publish(alone, servers.kafka, topics, [new_id()])
    assert await apply_all(alone, log, topics) == committed.total() + 1
