"""How far each partition is known to reach: a log that ends below what was acknowledged has lost records.

Kafka says nothing when it loses them: a broker without a replica lost its disk, or somebody made the topic anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import RecordMetadata

from shared.inbox import clients

ASK_SECONDS = 5.0

Place = tuple[str, int]
"""A topic, with its prefix, and a partition."""

_READ = "SELECT topic, part, last_offset FROM outbox_position"
_RAISE = """
INSERT INTO outbox_position AS p (topic, part, last_offset)
SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[])
ON CONFLICT (topic, part) DO UPDATE SET last_offset = greatest(p.last_offset, excluded.last_offset)"""
_FORGET = "DELETE FROM outbox_position WHERE topic = ANY ($1)"


async def read(connection: Any) -> dict[Place, int]:
    """The highest acknowledged offset of each partition, over all lives of the relay."""
    return {(row["topic"], row["part"]): row["last_offset"] for row in await connection.fetch(_READ)}


async def keep(connection: Any, last: Mapping[Place, int]) -> None:
    """Stores acknowledged offsets; a lower one than is stored changes nothing."""
    if last:
        places = sorted(last)
        await connection.execute(_RAISE, [topic for topic, _ in places], [part for _, part in places], [last[place] for place in places])


async def put(connection: Any, topics: Iterable[str], last: Mapping[Place, int]) -> None:
    """Stores what the topics hold now in place of what they once held."""
    await connection.execute(_FORGET, list(topics))
    await keep(connection, {place: offset for place, offset in last.items() if offset >= 0})


async def of_log(bootstrap: str, places: Iterable[Place]) -> dict[Place, int]:
    """The last offset that stands in each of those partitions, -1 in an empty one; none that does not exist.

    Raises KafkaError, OSError or TimeoutError.
    """
    asking = AIOKafkaConsumer(bootstrap_servers=bootstrap, request_timeout_ms=5_000)  # of no group: it asks and goes
    try:
        async with asyncio.timeout(ASK_SECONDS):
            await asking.start()
            cluster = await asking._client.fetch_all_metadata()
            there = [TopicPartition(topic, part) for topic, part in places if part in (cluster.partitions_for_topic(topic) or ())]
            ends = await asking.end_offsets(there)
        return {(tp.topic, tp.partition): end - 1 for tp, end in ends.items()}
    finally:
        await clients.close(asking)


def acknowledged(answers: Iterable[RecordMetadata]) -> dict[Place, range]:
    """The offsets that the records of a page got in each partition, of which it is one batch."""
    offsets: dict[Place, range] = {}
    for answer in answers:
        place = (answer.topic, answer.partition)
        offsets[place] = range(offsets.get(place, range(answer.offset, 0)).start, answer.offset + 1)
    # A batch that the broker knows already is acknowledged without its place, and aiokafka counts on from -1.
    return {place: given for place, given in offsets.items() if given.start >= 0}


def cut(known: Mapping[Place, int], log: Mapping[Place, int]) -> set[str]:
    """Topics of which a partition ends below its highest acknowledged offset. `log`: what each partition ends with now."""
    return {place[0] for place, last in log.items() if last < known.get(place, -1)}


def fallen(known: Mapping[Place, int], acknowledged: Mapping[Place, range]) -> set[str]:
    """Topics that gave an offset which is not above all that they gave before."""
    return {place[0] for place, offsets in acknowledged.items() if offsets.start <= known.get(place, -1)}
