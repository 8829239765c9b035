"""What the topics hold, read from their beginning."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.events import language
from shared.runtime.topics import PARTITIONS

Ends = dict[tuple[str, int], int]
"""The offset behind the last record, per topic and partition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One record: what identifies it and its place among the events of its subject."""

    topic: str
    id: str
    source: str
    subject: str
    sequence: int
    correlation_id: str


def names() -> list[str]:
    """Every topic of the published language."""
    language.load()
    return [language.type_of(cls).name for cls in language.declared()]


async def ends(bootstrap: str) -> Ends:
    """Where every partition ends now."""
    async with _reader(bootstrap) as reader:
        found = await reader.end_offsets(_parts())
        return {(part.topic, part.partition): offset for part, offset in found.items()}


async def read(bootstrap: str) -> list[Told]:
    """Every record up to the present end, per partition in its order, repetitions included."""
    async with _reader(bootstrap) as reader:
        until = {part: end for part, end in (await reader.end_offsets(_parts())).items() if end}
        reader.assign(list(until))
        told: list[Told] = []
        left = set(until)
        if left:
            await reader.seek_to_beginning()
        while left:
            for part, records in (await reader.getmany(timeout_ms=500)).items():
                told += [_told(part.topic, record.headers) for record in records if record.offset < until[part]]
                if records[-1].offset + 1 >= until[part]:
                    left.discard(part)
        return told


def breaches(told: Sequence[Told]) -> Iterator[str]:
    """Where numbers of a subject are missing or used twice, or come in the wrong order within a topic; repetitions do not count."""
    first: dict[str, Told] = {}
    last: dict[tuple[str, str, str], int] = {}
    for each in told:
        if each.id in first:
            continue
        first[each.id] = each
        lane = (each.topic, each.source, each.subject)
        if each.sequence <= last.get(lane, 0):
            yield f"{lane}: {each.sequence} after {last[lane]}"
        last[lane] = each.sequence
    numbers: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for each in first.values():
        numbers[each.source, each.subject].append(each.sequence)
    for subject, taken in numbers.items():
        if sorted(taken) != list(range(1, len(taken) + 1)):
            yield f"{subject}: numbered {sorted(taken)}"


def _parts() -> list[TopicPartition]:
    return [TopicPartition(name, part) for name in names() for part in range(PARTITIONS)]


def _told(topic: str, headers: Sequence[tuple[str, bytes]]) -> Told:
    named = {name: value.decode() for name, value in headers}
    return Told(
        topic=topic,
        id=named["ce_id"],
        source=named["ce_source"],
        subject=named["ce_subject"],
        sequence=int(named["ce_aggregatesequence"]),
        correlation_id=named["ce_correlationid"],
    )


@asynccontextmanager
async def _reader(bootstrap: str) -> AsyncIterator[AIOKafkaConsumer]:
    reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await reader.start()
    try:
        yield reader
    finally:
        await reader.stop()
