"""When has everything been applied? The services' own metrics say so: nothing unpublished, nothing unread, several times in a row.

Where those are not to be seen from here, as in containers, Kafka says it: every group has read to the end, and no more comes.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2

from baton import CommandError
from baton.client import SERVICES

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, TopicPartition
    from aiokafka.admin import AIOKafkaAdminClient

ROUNDS = 4
QUIET_SECONDS = 3.0
ROUND_SECONDS = 0.25
_WAITING = re.compile(r"^baton_(?:consumer_lag_records\{[^}]*\}|outbox_oldest_unpublished_seconds|relay_blocked) ([0-9.e+-]+)$", re.M)
_PUBLISHED = re.compile(r'^baton_relay_published_total\{topic="[^"]+"\} ([0-9.e+]+)$', re.M)
_READS = re.compile(r"^baton_consumer_lag_records\{", re.M)
_LEADS = re.compile(r"^baton_relay_is_leader 1\.0$", re.M)


Settle = Callable[[], Awaitable[None]]


def by(profile: Mapping[str, Any]) -> Settle:
    """The way to wait that this profile allows."""
    internal = {name: where["internal_url"] for name, where in profile.get("services", {}).items() if "internal_url" in where}
    if internal:
        return lambda: settle(internal)
    if isinstance(bootstrap := profile.get("kafka"), str):
        return lambda: settle_by_kafka(bootstrap)
    raise CommandError("the profile names neither the internal addresses of its services nor Kafka: what was applied cannot be told")


async def settle(internal_addresses: Mapping[str, str], *, seconds: float = 120.0) -> None:
    """Waits until four looks in a row find every event published and applied. Raises CommandError, naming who lags, after `seconds`."""
    until = time.monotonic() + seconds
    quiet, published_before = 0, -1.0
    async with httpx2.AsyncClient(timeout=5.0, trust_env=False) as http:
        while quiet < ROUNDS:
            lagging, published = [], 0.0
            for service, address in internal_addresses.items():
                text = (await http.get(f"{address}/metrics")).text
                if not is_quiet(text):
                    lagging.append(service)
                published += sum(float(value) for value in _PUBLISHED.findall(text))
            quiet = quiet + 1 if not lagging and published == published_before else 0
            published_before = published
            if quiet < ROUNDS and time.monotonic() > until:
                raise CommandError(f"events still wait after {seconds:.0f} s at: {', '.join(lagging) or 'nobody, but more keep coming'}")
            await asyncio.sleep(ROUND_SECONDS)


def is_quiet(metrics: str) -> bool:
    """Whether a service's metrics say that it has published and read everything. One that has only just started knows no lag yet."""
    knows = _LEADS.search(metrics) is not None and _READS.search(metrics) is not None
    return knows and not any(float(value) > 0 for value in _WAITING.findall(metrics))


async def settle_by_kafka(bootstrap: str, *, seconds: float = 120.0) -> None:
    """Waits until looks over three seconds find all groups at the end of a log that does not grow. Raises CommandError after `seconds`."""
    until = time.monotonic() + seconds
    quiet_since, seen = time.monotonic(), {}
    async with _reading(bootstrap) as (admin, consumer):
        parts = await _partitions(admin)
        while time.monotonic() - quiet_since < QUIET_SECONDS:
            ends = await consumer.end_offsets(parts)
            lags = await _lags(admin, ends)
            if lags or ends != seen:
                quiet_since, seen = time.monotonic(), ends
            if time.monotonic() > until:
                raise CommandError(f"events still wait after {seconds:.0f} s at: {', '.join(lags) or 'nobody, but more keep coming'}")
            await asyncio.sleep(ROUND_SECONDS)


async def _lags(admin: AIOKafkaAdminClient, ends: Mapping[TopicPartition, int]) -> list[str]:
    """The groups of services that have not read to the end of the topics they read."""
    lagging: list[str] = []
    for group in SERVICES:
        read = {part: offset.offset for part, offset in (await admin.list_consumer_group_offsets(group)).items()}
        topics = {part.topic for part in read}
        if not read or any(read.get(part, 0) < end for part, end in ends.items() if part.topic in topics):
            lagging.append(group)
    return lagging


async def count_events(bootstrap: str) -> dict[str, int]:
    """How many records each topic of the published language holds, from Kafka itself."""
    async with _reading(bootstrap) as (admin, consumer):
        parts = await _partitions(admin)
        ends, beginnings = await consumer.end_offsets(parts), await consumer.beginning_offsets(parts)
        return {name: sum(ends[part] - beginnings[part] for part in parts if part.topic == name) for name in _names()}


@asynccontextmanager
async def _reading(bootstrap: str) -> AsyncIterator[tuple[AIOKafkaAdminClient, AIOKafkaConsumer]]:
    from aiokafka import AIOKafkaConsumer
    from aiokafka.admin import AIOKafkaAdminClient

    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        await consumer.start()
        yield admin, consumer
    finally:
        await consumer.stop()
        await admin.close()


async def _partitions(admin: AIOKafkaAdminClient) -> list[TopicPartition]:
    from aiokafka import TopicPartition

    described = await admin.describe_topics(_names())
    return [TopicPartition(topic["topic"], part["partition"]) for topic in described for part in topic["partitions"]]


def _names() -> list[str]:
    from shared.events import language

    language.load()
    return [language.type_of(cls).name for cls in language.declared()]
