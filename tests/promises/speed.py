"""T10 and T11: how long an event takes and how many pass, as ratios to the bare tools measured in the same run.

Figures are reported and judge nobody; what is asserted is that code broken on purpose is clearly worse than the real one.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from sqlalchemy import text

from shared.db.transaction import Database, Transaction
from shared.events.language import Received
from shared.events.sales.offers import LeadAccepted, LeadRejected
from shared.ids import new_id
from shared.inbox.applying import Applier, Part
from shared.inbox.consumer import Consumer
from shared.inbox.decoding import Record
from shared.inbox.handlers import Handlers
from tests import kit
from tests.integration.shared import sample, traffic
from tests.integration.shared.traffic import relay_of
from tests.integration.shared.waiting import running
from tests.promises import load, reading, shelf
from tests.promises.ground import Ground
from tests.promises.verdicts import Findings

RATE = 500
"""Events a second."""

LATENCY_SECONDS = 30.0
WARM_SECONDS = 4.0
HOP_SECONDS = 0.02
WRITERS = 50

CHUNK = 500
ROUNDS = 7


class Timed(Applier):
    """Notes for each event the seconds from its recorded time to the commit of its effect."""

    def __init__(self, database: Database, handlers: Handlers, prefix: str) -> None:
        super().__init__(database, handlers, prefix)
        self.seconds: list[float] = []

    async def apply(self, records: Sequence[Record], positions: dict[Part, int]) -> None:
        """Applies, and looks at the clock."""
        await super().apply(records, positions)
        now = time.time()
        for one in records:
            recorded = dict(one.headers)["ce_recordedtime"].decode()
            self.seconds.append(now - datetime.fromisoformat(recorded).timestamp())


async def try_latency(ground: Ground, findings: Findings) -> None:
    """T10: an open loop of 500 events a second, beside bare records that only pass the broker; with and without a foreign transaction."""
    database, prefix, bootstrap = await ground.database(), await ground.topics(), ground.servers.kafka
    database.topic_prefix = prefix
    relay = relay_of(database, bootstrap, prefix)
    database.woken = relay.wake
    timed = Timed(database, shelf.HANDLERS, prefix)
    seconds = LATENCY_SECONDS if ground.real else LATENCY_SECONDS / 3
    async with running(relay, Consumer(database, timed, bootstrap=bootstrap, group=prefix + "sales")), _hop(bootstrap, prefix) as hops:
        await _open_loop(database, WARM_SECONDS)
        await reading.caught_up(database, bootstrap, prefix)
        for phase, around in (("quiet", nullcontext()), ("foreign", load.open_transaction(ground.servers))):
            if not ground.tries(phase):
                continue
            timed.seconds.clear()
            hops.clear()
            async with around:
                written = await _open_loop(database, seconds)
                await asyncio.sleep(2)
                arrived = len(timed.seconds)
            await reading.caught_up(database, bootstrap, prefix)
            findings.checked += len(timed.seconds)
            _note(findings, phase, timed.seconds, hops)
            findings.count(**{f"{phase}_written": written, f"{phase}_arrived_in_time": arrived})
    if {"quiet_ratio", "foreign_ratio"} <= set(findings.counts):
        findings.counts["foreign_by_quiet"] = findings.counts["foreign_ratio"] / findings.counts["quiet_ratio"]


def _note(findings: Findings, phase: str, seconds: Sequence[float], hops: Sequence[float]) -> None:
    if len(hops) < 20 or len(seconds) < 100:
        raise RuntimeError(f"too little was measured: {len(seconds)} events, {len(hops)} hops")
    for name, number in (("50", 50), ("99", 99)):
        whole, hop = _percentile(seconds, number), _percentile(hops, number)
        findings.counts |= {
            f"{phase}_p{name}_ms": whole * 1000,
            f"{phase}_hop_p{name}_ms": hop * 1000,
            f"{phase}_p{name}_ratio": whole / hop,
        }
    findings.counts[f"{phase}_ratio"] = findings.counts[f"{phase}_p50_ratio"]


def _percentile(values: Sequence[float], number: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[number - 1]


async def _open_loop(database: Database, seconds: float) -> int:
    """Writes begin when they are due, whether or not earlier ones are done; a transaction holds two events."""
    begun, tasks, due, several = time.monotonic(), set[asyncio.Task[None]](), 0.0, asyncio.Semaphore(WRITERS)

    async def one() -> None:
        async with several, database.transaction() as tx:
            subject = new_id()
            tx.emit(sample.accepted(subject, tx.now), sample.rejected(subject, tx.now), cause=kit.cause())

    count = 0
    while due < seconds:
        await asyncio.sleep(max(0.0, due - (time.monotonic() - begun)))
        tasks.add(task := asyncio.create_task(one()))
        task.add_done_callback(tasks.discard)
        count += 2
        due += 2 / RATE
    await asyncio.gather(*tasks)
    return count


@asynccontextmanager
async def _hop(bootstrap: str, prefix: str) -> AsyncIterator[list[float]]:
    """Seconds that bare records take from `send` to `getmany`, fifty a second, with the settings that the product has."""
    topic, seconds = prefix + "hop", list[float]()
    await traffic.create_topics(bootstrap, prefix, ["hop"])
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, acks="all", linger_ms=0)
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, fetch_max_wait_ms=50, auto_offset_reset="earliest")
    await producer.start()
    await producer.send_and_wait(topic, b"")
    await consumer.start()

    async def send() -> None:
        while True:
            await producer.send(topic, str(time.time()).encode())
            await asyncio.sleep(HOP_SECONDS)

    async def receive() -> None:
        while True:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                now = time.time()
                seconds.extend(now - float(one.value) for one in records if one.value)

    tasks = [asyncio.create_task(send()), asyncio.create_task(receive())]
    try:
        yield seconds
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await producer.stop()
        await consumer.stop()


async def try_throughput(ground: Ground, findings: Findings) -> None:
    """T11: chunks through the applier against bare inserts of the same rows, in turn; with handlers that emit nothing or one event each."""
    for phase, handlers in (("plain", shelf.HANDLERS), ("emitting", EMITTING)):
        if not ground.tries(phase):
            continue
        database = await ground.database()
        rounds = ROUNDS if ground.real else 3
        records = await _records(database, (rounds + 1) * CHUNK)
        applier, positions = Applier(database, handlers), {shelf.ACCEPTED: 0}
        bare, whole = list[float](), list[float]()
        for number in range(rounds + 1):  # the first warms up
            chunk = records[number * CHUNK : (number + 1) * CHUNK]
            bare.append(await _seconds(_insert(database, chunk)))
            whole.append(await _seconds(applier.apply(chunk, positions)))
        share = statistics.median(bare[1:]) / statistics.median(whole[1:])
        findings.checked += rounds * CHUNK
        findings.counts |= {
            f"{phase}_share": share,
            f"{phase}_per_second": CHUNK / statistics.median(whole[1:]),
            f"{phase}_bare_per_second": CHUNK / statistics.median(bare[1:]),
        }


async def _records(database: Database, count: int) -> list[Record]:
    records = await shelf.log_of(database, [new_id() for _ in range(count)])
    random.Random(1).shuffle(records)
    return [replace(one, offset=place) for place, one in enumerate(records)]


async def _insert(database: Database, records: Sequence[Record]) -> None:
    rows = [
        {"event_id": new_id(), "topic": one.topic, "subject": shelf.subject_of(one), "sequence": place} for place, one in enumerate(records)
    ]
    async with database.engine.begin() as connection:
        await connection.execute(text("SELECT 1"))
        await connection.execute(sample.seen.insert(), rows)


async def _seconds(work: Awaitable[None]) -> float:
    begun = time.perf_counter()
    await work
    return time.perf_counter() - begun


async def _remember_and_emit(tx: Transaction, events: Sequence[Received[Any]]) -> None:
    await sample.remember(tx, events)
    for received in events:
        tx.emit(sample.rejected(received.event.lead_id, tx.now), cause=received.cause)


EMITTING: Handlers = {LeadAccepted: [_remember_and_emit], LeadRejected: [sample.remember]}
"""Each event brings about one more."""
