"""What stands in the log, read once nothing more comes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition
from sqlalchemy import text

from shared.db.transaction import Database
from shared.inbox.decoding import Record
from tests.integration.shared import traffic
from tests.integration.shared.waiting import until

PATIENCE_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Found:
    """An event in the log: its id, subject and number, and where it stands."""

    event_id: UUID
    subject: UUID
    sequence: int
    topic: str
    part: int
    offset: int


def found_in(records: Sequence[Record]) -> list[Found]:
    """The events of a log, in the order of each partition."""
    result = []
    for one in records:
        headers = dict(one.headers)
        event_id, subject = UUID(headers["ce_id"].decode()), UUID(headers["ce_subject"].decode())
        result.append(Found(event_id, subject, int(headers["ce_aggregatesequence"]), one.topic, one.part, one.offset))
    return result


def first_occurrences(found: Sequence[Found]) -> list[Found]:
    """Without the copies."""
    first: dict[UUID, Found] = {}
    for one in found:
        first.setdefault(one.event_id, one)
    return list(first.values())


async def waiting(database: Database) -> int:
    """How many rows of the outbox the relay has not gone past, as its stored cursor says."""
    statement = text(
        "SELECT count(*) FROM outbox o WHERE NOT EXISTS (SELECT FROM outbox_cursor c WHERE pg_visible_in_snapshot(o.xid, c.base))"
    )
    async with database.engine.connect() as connection:
        return (await connection.execute(statement)).scalar_one()


async def published_all(database: Database, *, seconds: float = PATIENCE_SECONDS) -> bool:
    """Waits until the relay has gone past every row. False if it does not in time."""

    async def nothing_waits() -> bool:
        return await waiting(database) == 0

    return await _in_time(nothing_waits, seconds)


async def caught_up(
    database: Database, bootstrap: str, prefix: str, *, parts: int = traffic.PARTS, seconds: float = PATIENCE_SECONDS
) -> bool:
    """Waits until the relay has gone past every row, and the consumer has read all that is in the log. False if not in time."""
    return await published_all(database, seconds=seconds) and await at_the_end(database, bootstrap, prefix, parts=parts, seconds=seconds)


async def at_the_end(
    database: Database, bootstrap: str, prefix: str, *, parts: int = traffic.PARTS, seconds: float = PATIENCE_SECONDS
) -> bool:
    """Waits until the consumer's positions stand at the end of the log. False if they do not in time."""
    places = [TopicPartition(prefix + topic, part) for topic in traffic.TOPICS for part in range(parts)]
    asking = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await asking.start()

    async def read_all() -> bool:
        ends = await asking.end_offsets(places)
        async with database.engine.connect() as connection:
            rows = await connection.execute(text("SELECT topic, part, next_offset FROM consumer_offset"))
            positions = {(row.topic, row.part): row.next_offset for row in rows}
        return all(positions.get((place.topic, place.partition), 0) >= end for place, end in ends.items())

    try:
        return await _in_time(read_all, seconds)
    finally:
        await asking.stop()


async def _in_time(condition: Callable[[], Awaitable[bool]], seconds: float) -> bool:
    try:
        return await until(condition, seconds=seconds)
    except AssertionError:
        return False


def completeness(found: Sequence[Found], committed: Mapping[UUID, int], rows: set[UUID]) -> list[str]:
    """What breaks "the delivered set is the committed set". `committed`: as the writers counted; `rows`: ids in the outbox."""
    ids = {one.event_id for one in found}
    numbers = {(one.subject, one.sequence) for one in found}
    expected = {(subject, number) for subject, count in committed.items() for number in range(1, count + 1)}
    problems = []
    if expected - numbers or rows - ids:
        problems.append(f"{max(len(expected - numbers), len(rows - ids))} of {len(expected)} committed events lost")
    if ids - rows:
        problems.append(f"{len(ids - rows)} events never committed")
    if len(numbers) != len(ids):
        problems.append("a number has two events")
    return problems


def order(found: Sequence[Found], committed: Mapping[UUID, int]) -> list[str]:
    """What breaks the order: first occurrences rise per subject and topic, and over all topics a subject's are exactly 1 … n."""
    last: dict[tuple[UUID, str], int] = {}
    inverted = 0
    numbers: dict[UUID, set[int]] = {}
    for one in first_occurrences(found):
        place = (one.subject, one.topic)
        inverted += one.sequence < last.get(place, 0)
        last[place] = max(last.get(place, 0), one.sequence)
        numbers.setdefault(one.subject, set()).add(one.sequence)
    problems = [f"{inverted} events out of order"] if inverted else []
    gaps = [subject for subject, count in committed.items() if numbers.get(subject) != set(range(1, count + 1))]
    return [*problems, f"{len(gaps)} subjects are not numbered 1 … n"] if gaps else problems
