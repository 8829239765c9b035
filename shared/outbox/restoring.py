"""After a restore to an earlier point: what the service had told the world since then stands in its topics, and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.inbox import clients, decoding
from shared.inbox.decoding import Record
from shared.outbox.relay import LOCK

ASK_SECONDS = 10.0
READ_SECONDS = 30.0
"""How long the broker may take for the next records before it counts as away."""

_LOG = 'CREATE TEMPORARY TABLE log (event_id uuid, subject uuid, sequence bigint, topic text, part int, "offset" bigint, at timestamptz)'
_RAISE = """
INSERT INTO aggregate_sequence AS s (subject, last) SELECT subject, max(sequence) FROM log GROUP BY subject
ON CONFLICT (subject) DO UPDATE SET last = excluded.last WHERE s.last < excluded.last
RETURNING subject"""
# What is older than the outbox's first day has left it by its age. The time is in the id, a UUIDv7.
_LACKING = """
SELECT DISTINCT ON (event_id) event_id, subject, sequence, topic, part, "offset", at FROM log
WHERE NOT EXISTS (SELECT FROM outbox o WHERE o.event_id = log.event_id)
  AND at >= (SELECT to_date(right(min(inhrelid::regclass::text), 8), 'YYYYMMDD') FROM pg_inherits WHERE inhparent = 'outbox'::regclass)
ORDER BY event_id, log."offset" """


class RelayRuns(Exception):  # noqa: N818  a fact about the service
    """The service runs, and may be giving out the very numbers that are to be found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """An event that the log has and the outbox lacks; `at`: when it was made, by its id."""

    event_id: UUID
    subject: UUID
    sequence: int
    topic: str
    part: int
    offset: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How many records were read, how many of them name no event, the subjects whose numbers go on higher, and what is lacking."""

    records: int
    unreadable: int
    raised: Sequence[UUID]
    lacking: Sequence[Lacking]


async def restored(dsn: str, bootstrap: str, topics: Iterable[str], topic_prefix: str) -> Report:
    """Reads the service's own topics (names without prefix) and raises its sequences, so that no number is given out twice.

    To be done before the service starts, as often as wanted. What is lacking is for a person to decide. Raises RelayRuns, and KafkaError,
    OSError or TimeoutError if a topic cannot be read to its end.
    """
    server_settings = {"application_name": "restored", "timezone": "UTC"}
    connection = await asyncpg.connect(dsn, timeout=3, command_timeout=600, server_settings=server_settings)
    try:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
            raise RelayRuns("a relay of this database runs: stop the service first")
        records = unreadable = 0
        async with connection.transaction():
            await connection.execute(_LOG)
            async for batch in _read(bootstrap, [topic_prefix + topic for topic in topics]):
                numbered = [row for record in batch if (row := _row(record)) is not None]
                records, unreadable = records + len(batch), unreadable + len(batch) - len(numbered)
                await connection.copy_records_to_table("log", records=numbered)
            await connection.execute("ANALYZE log")
            raised = [row["subject"] for row in await connection.fetch(_RAISE)]
            lacking = [Lacking(**dict(row)) for row in await connection.fetch(_LACKING)]
        return Report(records=records, unreadable=unreadable, raised=raised, lacking=lacking)
    finally:
        connection.terminate()


def _row(record: Record) -> tuple[Any, ...] | None:
    said = decoding.numbered(record)
    if said.event_id is None or said.subject is None or said.sequence is None or said.event_id.version != 7:
        return None
    try:
        at = datetime.fromtimestamp((said.event_id.int >> 80) / 1000, UTC)
    except (ValueError, OverflowError):  # after the year 9999
        return None
    return said.event_id, said.subject, said.sequence, record.topic, record.part, record.offset, at


async def _read(bootstrap: str, topics: Sequence[str]) -> AsyncIterator[list[Record]]:
    reading = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    try:
        async with asyncio.timeout(ASK_SECONDS):
            await reading.start()
            cluster = await reading._client.fetch_all_metadata()
            parts = [TopicPartition(topic, part) for topic in topics for part in cluster.partitions_for_topic(topic) or ()]
            reading.assign(parts)
            ends = await reading.end_offsets(parts)
            beginnings = await reading.beginning_offsets(parts)
        unread = {part for part in parts if beginnings[part] < ends[part]}
        while unread:
            async with asyncio.timeout(READ_SECONDS):
                while not (fetched := await reading.getmany(*unread, timeout_ms=1_000)):
                    pass
            found = [one for records in fetched.values() for one in records]
            yield [Record(one.topic, one.partition, one.offset, one.key, one.headers, one.value) for one in found]
            for part in fetched:
                if await reading.position(part) >= ends[part]:
                    unread.discard(part)
    finally:
        await clients.close(reading)
