"""Writers that commit events in every awkward way, and the one check of what came out at the other end."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.partitioner import murmur2
from asyncpg import PostgresError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.db.failures import is_away
from shared.db.transaction import Database, Transaction
from shared.ids import new_id
from shared.inbox.decoding import Record
from shared.outbox.relay import Relay
from tests import kit
from tests.integration.shared import sample
from tests.integration.shared.waiting import running, until

TOPICS = ("lead-accepted", "lead-rejected")
PARTS = 2


class Undone(Exception):  # noqa: N818  a fact about a writer
    """A writer changes its mind."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """An event as a reader met it."""

    event_id: UUID
    subject: UUID
    sequence: int


def breaches(delivered: Sequence[Delivered], committed: Mapping[UUID, int]) -> set[str]:
    """The check: of each subject all events that were committed (their number is given), each once, numbered 1 … n, in that order."""
    if not committed:
        return {"nothing was committed"}
    found = set()
    by_subject: dict[UUID, list[int]] = defaultdict(list)
    for one in delivered:
        by_subject[one.subject].append(one.sequence)
    if len({one.event_id for one in delivered}) != len(delivered):
        found.add("delivered twice")
    if set(by_subject) - set(committed):
        found.add("never committed")
    for subject, count in committed.items():
        numbers = by_subject[subject]
        if numbers != sorted(numbers):
            found.add("out of order")
        if len(set(numbers)) < count:
            found.add("lost")
        if sorted(set(numbers)) != list(range(1, len(set(numbers)) + 1)):
            found.add("numbers with a gap")
    return found


async def emit(tx: Transaction, subjects: Iterable[UUID]) -> None:
    for place, subject in enumerate(subjects):
        tell = sample.accepted if place % 2 == 0 else sample.rejected
        tx.emit(tell(subject, tx.now), cause=kit.cause())


async def write(database: Database, subjects: Sequence[UUID], *, per_transaction: int = 50) -> Counter[UUID]:
    """One event per subject named, in order, some per transaction. Returns how many of each were committed."""
    for start in range(0, len(subjects), per_transaction):
        async with database.transaction() as tx:
            await emit(tx, subjects[start : start + per_transaction])
    return Counter(subjects)


async def write_awkwardly(database: Database, *, events: int, writers: int = 24, subjects: int = 60) -> Counter[UUID]:
    """Concurrent writers with pauses, rollbacks and savepoints, until at least `events` are committed; how many of each subject."""
    ids = [new_id() for _ in range(subjects)]
    committed: Counter[UUID] = Counter()

    async def one(seed: int) -> None:
        chance = random.Random(seed)
        while committed.total() < events:
            kept: list[UUID] = []
            try:
                async with database.transaction() as tx:
                    for _ in range(chance.randint(1, 4)):
                        chosen = chance.choices(ids, k=chance.randint(1, 5))
                        try:
                            async with tx.savepoint():
                                await emit(tx, chosen)
                                if chance.random() < 0.2:
                                    raise Undone
                            kept += chosen
                        except Undone:
                            pass
                        await asyncio.sleep(chance.random() * 0.01)
                    if chance.random() < 0.2:
                        await tx.flush()  # numbers and rows are written, and then rolled back
                        raise Undone
                committed.update(kept)
            except Undone:
                pass
            except (DBAPIError, PostgresError, TimeoutError) as error:  # it waited too long for a lock: rolled back
                if not is_away(error):
                    raise

    await asyncio.gather(*(one(seed) for seed in range(writers)))
    return committed


async def create_topics(bootstrap: str, prefix: str, topics: Sequence[str] = TOPICS) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    answer = await admin.create_topics([NewTopic(prefix + topic, PARTS, 1) for topic in topics])
    assert all(code == 0 for _, code, *_ in answer.topic_errors), answer  # type: ignore[attr-defined]
    await admin.close()


async def read_log(bootstrap: str, prefix: str, topics: Sequence[str] = TOPICS) -> list[Record]:
    """Everything that stands in the topics now, per partition in order."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        parts = [TopicPartition(prefix + topic, part) for topic in topics for part in range(PARTS)]
        ends = await consumer.end_offsets(parts)
        consumer.assign(parts)
        records: list[Record] = []
        for part in parts:
            while await consumer.position(part) < ends[part]:
                for one in (await consumer.getmany(part, timeout_ms=5_000)).get(part, []):
                    records.append(Record(one.topic, one.partition, one.offset, one.key, one.headers, one.value))
        return records
    finally:
        await consumer.stop()


def relay_of(database: Database, bootstrap: str, prefix: str) -> Relay:
    dsn = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    return Relay(dsn=dsn, bootstrap=bootstrap, client_id="test-relay", topic_prefix=prefix)


async def published(bootstrap: str, prefix: str, count: int, *, copies: bool = False) -> list[Record]:
    """The log, once it holds so many events; `copies`: so many records, whether or not some are the same event."""

    async def enough() -> list[Record]:
        log = await read_log(bootstrap, prefix)
        found = len(log) if copies else len({dict(one.headers).get("ce_id", one) for one in log})
        return log if found >= count else []

    return await until(enough)


async def publish(database: Database, bootstrap: str, prefix: str, subjects: Sequence[UUID]) -> list[Record]:
    """Writes one event per subject named and has a relay of its own send them; the whole log."""
    before = len(await read_log(bootstrap, prefix))
    await write(database, subjects)
    async with running(relay_of(database, bootstrap, prefix)):
        return await published(bootstrap, prefix, before + len(subjects))


def subject_in(part: int) -> UUID:
    """An id whose events go to that partition."""
    while (murmur2(str(subject := new_id()).encode()) & 0x7FFFFFFF) % PARTS != part:
        pass
    return subject


async def records_of(database: Database) -> list[Record]:
    """The outbox as a log of one partition per topic, without a broker."""
    async with database.engine.connect() as connection:
        rows = await connection.execute(text("SELECT topic, key, headers, payload FROM outbox ORDER BY topic, id"))
        offsets: Counter[str] = Counter()
        records: list[Record] = []
        for row in rows:
            headers = [(name, value.encode()) for name, value in row.headers]
            records.append(Record(row.topic, 0, offsets[row.topic], row.key.encode(), headers, row.payload))
            offsets[row.topic] += 1
        return records


async def seen(database: Database, topic: str | None = None) -> list[Delivered]:
    """What the sample's handlers were given, in the order of their effects."""
    statement = text("SELECT event_id, subject, sequence FROM seen WHERE topic = coalesce(:topic, topic) ORDER BY place")
    async with database.engine.connect() as connection:
        rows = await connection.execute(statement.bindparams(topic=topic))
        return [Delivered(row.event_id, row.subject, row.sequence) for row in rows]
