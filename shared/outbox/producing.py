"""A Kafka producer for the relay: made fresh, and given up at the first doubt."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, ProducerClosed, UnknownTopicOrPartitionError

from shared.db import failpoints
from shared.outbox import positions
from shared.outbox.cursor import Row
from shared.outbox.positions import Place

SEND_SECONDS = 10.0
STOP_SECONDS = 5.0
METADATA_PAUSE_SECONDS = 0.1


async def start(bootstrap: str, client_id: str) -> AIOKafkaProducer:
    """A started producer. Raises KafkaError, OSError or TimeoutError if no broker answers."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        client_id=client_id,
        enable_idempotence=True,
        acks="all",
        max_batch_size=1_000_000,  # above a relay page, so that a page is one batch per partition
        linger_ms=0,
        max_request_size=2_097_152,
        request_timeout_ms=5_000,
    )
    _pace_metadata(producer)
    try:
        async with asyncio.timeout(SEND_SECONDS):
            await producer.start()
    except BaseException:
        await abandon(producer)
        raise
    return producer


def _pace_metadata(producer: AIOKafkaProducer) -> None:
    # While no broker answers, its sender asks for metadata thousands of times a second, on a loop that HTTP may share.
    ask = producer.client._metadata_update

    async def ask_with_pause(cluster_metadata: Any, topics: Any) -> bool:
        answered = await ask(cluster_metadata, topics)
        if not answered:
            await asyncio.sleep(METADATA_PAUSE_SECONDS)
        return answered

    producer.client._metadata_update = ask_with_pause


async def publish(producer: AIOKafkaProducer, rows: Sequence[Row], topic_prefix: str, known: set[str]) -> dict[Place, range]:
    """Sends all rows in order, then awaits all acknowledgements; the offsets that they have in each partition.

    Any error or time-out leaves the outcome unknown: give the producer up and send from the cursor again.
    """
    async with asyncio.timeout(SEND_SECONDS):
        for topic in {topic_prefix + row.topic for row in rows} - known:
            await _find_topic(producer, topic)  # so that no send of the page waits for metadata
            known.add(topic)
        acknowledgements = [
            await producer.send(
                topic_prefix + row.topic,
                row.payload,
                key=row.key.encode(),
                headers=[(name, value.encode()) for name, value in json.loads(row.headers)],
            )
            for row in rows
        ]
        failpoints.reached("relay.after_send")
        return positions.acknowledged(await asyncio.gather(*acknowledgements))


async def _find_topic(producer: AIOKafkaProducer, topic: str) -> None:
    try:
        await producer.partitions_for(topic)
    except UnknownTopicOrPartitionError:  # said of a broker that does not answer, too
        if not await producer.client.force_metadata_update():
            raise KafkaConnectionError("no broker answers") from None
        raise UnknownTopicOrPartitionError(f"topic {topic}") from None


async def stop(producer: AIOKafkaProducer) -> None:
    """A clean end, or none: nothing is waited for longer than 5 s."""
    task = asyncio.ensure_future(producer.stop())
    await asyncio.wait({task}, timeout=STOP_SECONDS)
    if not task.done() or task.cancelled() or task.exception():
        task.cancel()
        await abandon(producer)


async def abandon(producer: AIOKafkaProducer) -> None:
    """Ends a producer without flushing what stands behind an error; at most a second or two, nothing left behind.

    These are private names of aiokafka, hence its exact pin.
    """
    producer._closed = True
    task = producer._sender._sender_task
    if task:
        task.cancel()  # first: a live sender reconnects and sends on
    producer._message_accumulator.fail_all(ProducerClosed())
    for connection in list(producer.client._conns.values()):
        connection.close()
    for _ in range(2):  # the sender waits for its requests; the second cancel ends those too
        if task and not task.done():
            await asyncio.wait({task}, timeout=1)
            task.cancel()
    if task and task.done() and not task.cancelled():
        task.exception()
    with suppress(Exception):
        await asyncio.wait_for(producer.client.close(), 1)
