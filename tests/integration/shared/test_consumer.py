"""The consumer on a real broker: every event once and in order, whoever comes, goes, stalls or sends nonsense."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from sqlalchemy import text

from baton.local.servers import Servers
from shared.db.transaction import Database, Transaction
from shared.events.language import Received
from shared.events.sales.offers import LeadAccepted, LeadRejected
from shared.ids import new_id
from shared.inbox import consumer as consumers
from shared.inbox.applying import Applier
from shared.inbox.consumer import Consumer
from shared.inbox.handlers import Handler
from tests.integration.shared import sample, traffic
from tests.integration.shared.traffic import breaches, publish, relay_of, subject_in
from tests.integration.shared.waiting import running, until


def consumer_of(database: Database, servers: Servers, prefix: str, *before: Handler) -> Consumer:
    """The sample's effects, after whatever is given."""
    handlers = {LeadAccepted: [*before, sample.remember], LeadRejected: [*before, sample.remember]}
    return Consumer(database, Applier(database, handlers, prefix), bootstrap=servers.kafka, group=prefix + "sales")


async def parked_keys(database: Database) -> list[str]:
    """The key of each parked event."""
    async with database.engine.connect() as connection:
        return list((await connection.execute(text("SELECT key FROM parked_event"))).scalars())


async def applied(database: Database, count: int) -> None:
    """Until so many events have had their effect, copies counted."""

    async def enough() -> bool:
        return len(await traffic.seen(database)) >= count

    await until(enough)


async def in_order(database: Database) -> bool:
    """Whether each topic's events of each subject were applied in their order, none twice."""
    for topic in traffic.TOPICS:
        found = await traffic.seen(database, topic)
        if {"out of order", "delivered twice"} & breaches(found, Counter(one.subject for one in found)):
            return False
    return True


async def moved(database: Database, statement: str, **values: Any) -> None:
    async with database.engine.begin() as connection:
        await connection.execute(text(statement), values)


@asynccontextmanager
async def away(database: Database, servers: Servers) -> AsyncIterator[None]:
    """The database takes no connections and has ended those it had."""
    name = database.engine.url.database
    operator = await asyncpg.connect(servers.postgres_dsn())
    await operator.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 0")
    await operator.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
    try:
        yield
    finally:
        await operator.execute(f"ALTER DATABASE {name} CONNECTION LIMIT -1")
        await operator.close()


async def test_members_that_come_and_go_apply_every_event_once(alone: Database, servers: Servers, topics: str) -> None:
    first, second = (consumer_of(alone, servers, topics) for _ in range(2))
    async with running(relay_of(alone, servers.kafka, topics)):
        async with running(second):
            async with running(first):
                committed = await traffic.write_awkwardly(alone, events=1_500, writers=6, subjects=30)

                async def both_own() -> bool:
                    return bool(first._positions) and bool(second._positions)

                await until(both_own)
            # The first has left: the second owns all.
            committed += await traffic.write(alone, [new_id() for _ in range(100)])
            await applied(alone, committed.total())
            assert second.trouble() is None
            assert len(second._positions) == 2 * traffic.PARTS
        committed += await traffic.write(alone, [new_id() for _ in range(100)])
        async with running(consumer_of(alone, servers, topics)):
            await applied(alone, committed.total())
    assert breaches(await traffic.seen(alone), committed) <= {"out of order"}  # over two topics; inside one:
    assert await in_order(alone)


async def test_no_event_is_skipped_when_another_owner_was_faster(
    alone: Database, servers: Servers, topics: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member has read more than a chunk; another owner applies half a chunk of it: what lies between must not be jumped over."""
    subject = subject_in(0)
    log = await publish(alone, servers.kafka, topics, [subject] * 200)
    monkeypatch.setattr(consumers, "CHUNK_RECORDS", 40)
    first: list[type[Any]] = []
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def stall(tx: Transaction, events: Sequence[Received[Any]]) -> None:
        first.append(type(events[0].event))
        inside.set()
        await go_on.wait()

    async with running(consumer_of(alone, servers, topics, stall)):
        await inside.wait()  # in its first chunk; of the other topic it has read the position, and no more
        other = topics + ("lead-rejected" if first[0] is LeadAccepted else "lead-accepted")
        events = [one for one in log if (one.topic, one.part) == (other, 0)]
        assert len(events) == 100
        handlers = {LeadAccepted: [sample.remember], LeadRejected: [sample.remember]}
        await Applier(alone, handlers, topics).apply(events[:7], {(other, 0): 0})
        go_on.set()
        await applied(alone, 200)
    assert breaches(await traffic.seen(alone), Counter([subject] * 200)) <= {"out of order"}
    assert await in_order(alone)


async def test_a_record_that_is_no_event_holds_its_key_and_nothing_else(alone: Database, servers: Servers, topics: str) -> None:
    bad, good = subject_in(0), subject_in(1)
    beside = next(each for _ in range(500) if (each := subject_in(0)) != bad)
    await publish(alone, servers.kafka, topics, [bad, beside, good] * 2)
    async with AIOKafkaProducer(bootstrap_servers=servers.kafka) as producer:
        await producer.send_and_wait(topics + "lead-accepted", b"no event", key=str(bad).encode())
    await publish(alone, servers.kafka, topics, [bad, beside, good] * 2)
    member = consumer_of(alone, servers, topics)

    async def all_read() -> bool:
        return len(await traffic.seen(alone)) + len(await parked_keys(alone)) == 13

    async with running(member):
        await until(all_read)
        assert member.trouble() is None
    counted = Counter(one.subject for one in await traffic.seen(alone))
    assert (counted[good], counted[beside]) == (4, 4)
    assert set(await parked_keys(alone)) == {str(bad)}
    assert counted[bad] + len(await parked_keys(alone)) == 5


async def test_a_log_that_does_not_reach_the_position_halts_its_partition(alone: Database, servers: Servers, topics: str) -> None:
    lost = subject_in(0)
    await publish(alone, servers.kafka, topics, [lost] * 6)
    admin = AIOKafkaAdminClient(bootstrap_servers=servers.kafka)
    await admin.start()
    await admin.delete_records({TopicPartition(topics + "lead-accepted", 0): RecordsToDelete(before_offset=2)})
    await admin.close()
    await moved(alone, "INSERT INTO consumer_offset VALUES (:topic, 0, 0)", topic=topics + "lead-accepted")
    await moved(alone, "INSERT INTO consumer_offset VALUES (:topic, 0, 99)", topic=topics + "lead-rejected")
    member = consumer_of(alone, servers, topics)

    async def halted() -> bool:
        told = member.trouble() or ""
        return f"{topics}lead-accepted/0 at 0 (log_start)" in told and f"{topics}lead-rejected/0 at 99 (log_end)" in told

    async with running(member):
        await until(halted)
    assert await traffic.seen(alone) == []


async def test_without_the_database_at_the_assignment_positions_are_asked_for_again(alone: Database, servers: Servers, topics: str) -> None:
    subjects = [new_id() for _ in range(10)]
    await publish(alone, servers.kafka, topics, subjects)
    async with running(consumer_of(alone, servers, topics)):  # leaves its advisory offsets in Kafka
        await applied(alone, 10)
    await publish(alone, servers.kafka, topics, subjects)
    member = consumer_of(alone, servers, topics)

    async def is_assigned() -> bool:
        return member.trouble() != "not connected yet"

    async with away(alone, servers):
        task = asyncio.create_task(member.run())
        await until(is_assigned)
    await applied(alone, 20)

    async def recovered() -> bool:
        return member.trouble() is None

    await until(recovered)
    member.stop()
    await task
    assert breaches(await traffic.seen(alone), Counter(subjects * 2)) <= {"out of order"}
    assert await in_order(alone)


async def test_the_database_going_away_and_coming_back_needs_nobody(alone: Database, servers: Servers, topics: str) -> None:
    subjects = [new_id() for _ in range(20)]
    relay, member = relay_of(alone, servers.kafka, topics), consumer_of(alone, servers, topics)
    async with running(relay, member):
        await traffic.write(alone, subjects)
        await applied(alone, 20)
        async with away(alone, servers):

            async def complains() -> bool:
                return relay.trouble is not None

            await until(complains)

        async def written() -> bool:
            try:
                await traffic.write(alone, subjects)
            except Exception:
                return False
            return True

        await until(written)
        await applied(alone, 40)
    assert breaches(await traffic.seen(alone), Counter(subjects * 2)) <= {"out of order"}
    assert await in_order(alone)
