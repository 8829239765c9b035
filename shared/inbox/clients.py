"""A Kafka client for the consumer: how it is set up, and how it is ended whatever state its broker is in."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor


def make(bootstrap: str, group: str) -> AIOKafkaConsumer:
    """A member of the group that is not started yet. It reads where it is told to, and commits nothing by itself."""
    return AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=group,
        client_id=group,
        enable_auto_commit=False,
        auto_offset_reset="none",
        partition_assignment_strategy=(RangePartitionAssignor,),
        session_timeout_ms=10_000,
        heartbeat_interval_ms=1_000,
        rebalance_timeout_ms=30_000,
        max_poll_interval_ms=300_000,
        fetch_max_wait_ms=50,
        max_partition_fetch_bytes=1_048_576,
    )


async def close(consumer: AIOKafkaConsumer) -> None:
    """Ends a consumer and everything of it, whatever state its broker is in; at most 7 s.

    `stop()` may hang or raise CancelledError by itself, so it runs in a task of its own. Private names, hence the exact pin.
    """
    task = asyncio.ensure_future(consumer.stop())
    await asyncio.wait({task}, timeout=5)
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=1)
    if task.done() and not task.cancelled():
        task.exception()
    owners = (
        (getattr(consumer, "_coordinator", None), ("_coordination_task", "_heartbeat_task", "_commit_refresh_task")),
        (getattr(consumer, "_fetcher", None), ("_fetch_task",)),
        (consumer._client, ("_sync_task",)),
    )
    left = [found for owner, names in owners for name in names if (found := getattr(owner, name, None)) and not found.done()]
    left += [found for found in getattr(getattr(consumer, "_fetcher", None), "_pending_tasks", ()) if not found.done()]
    for found in left:
        found.cancel()
    for connection in list(consumer._client._conns.values()):
        connection.close()
    if left:
        await asyncio.wait(left, timeout=1)
