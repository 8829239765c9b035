"""When has everything been applied? The services' own metrics say so: nothing unpublished, nothing unread, several times in a row."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping

import httpx2

from baton import CommandError

ROUNDS = 4
ROUND_SECONDS = 0.25
_WAITING = re.compile(r"^baton_(?:consumer_lag_records\{[^}]*\}|outbox_oldest_unpublished_seconds|relay_blocked) ([0-9.e+-]+)$", re.M)
_PUBLISHED = re.compile(r'^baton_relay_published_total\{topic="[^"]+"\} ([0-9.e+]+)$', re.M)
_READS = re.compile(r"^baton_consumer_lag_records\{", re.M)
_LEADS = re.compile(r"^baton_relay_is_leader 1\.0$", re.M)


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


async def count_events(bootstrap: str) -> dict[str, int]:
    """How many records each topic of the published language holds, from Kafka itself."""
    from aiokafka import AIOKafkaConsumer, TopicPartition
    from aiokafka.admin import AIOKafkaAdminClient

    from shared.events import language

    language.load()
    names = [language.type_of(cls).name for cls in language.declared()]
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await admin.start()
    await consumer.start()
    try:
        parts = [
            TopicPartition(topic["topic"], part["partition"])
            for topic in await admin.describe_topics(names)
            for part in topic["partitions"]
        ]
        ends, beginnings = await consumer.end_offsets(parts), await consumer.beginning_offsets(parts)
        return {name: sum(ends[part] - beginnings[part] for part in parts if part.topic == name) for name in names}
    finally:
        await consumer.stop()
        await admin.close()
