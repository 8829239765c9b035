"""T9: a process that is asked to end under load does so in time, hands over at once and leaves no copy in the log."""

from __future__ import annotations

import signal
import time
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.runtime import topics
from tests.integration.shared import traffic
from tests.integration.shared.processes import Process
from tests.integration.shared.waiting import running, until
from tests.promises import catalogue, owners, reading, shelf
from tests.promises.crew import PREFIX, Callers, Crew, crew
from tests.promises.ground import Ground
from tests.promises.verdicts import Findings

END_SECONDS = 25.0
TAKEOVER_SECONDS = 3.0
ROUNDS = 3
LONGEST_SECONDS = 60.0


async def try_shutdown(ground: Ground, findings: Findings) -> None:
    """T9."""
    edits = catalogue.find("T9").variant(ground.variant).edits if ground.variant else ()
    async with crew(ground, edits, provisioned=True) as members:
        await members.start("api")
        await members.start("worker-0")
        api = await members.ready("api")
        await members.ready("worker-0")
        callers = Callers(api.port, members.token, pause=0.01)
        async with running(callers):
            await callers.has_written(100)
            if ground.tries("broker up"):
                await _hand_over(ground, members, callers, findings)
        if ground.tries("broker up"):
            await _compare(members, findings)
        if ground.tries("broker down"):
            await _end_without_broker(members, findings)


async def _hand_over(ground: Ground, members: Crew, callers: Callers, findings: Findings) -> None:
    rounds = ROUNDS if ground.real else 2
    for number in range(rounds):
        old, new = members.members[f"worker-{number}"], await members.start(f"worker-{number + 1}")
        await members.ready(f"worker-{number + 1}")
        await callers.has_written(60)
        asked = datetime.now(UTC)
        await _ends(old, findings, "with its broker")

        async def elected(process: Process = new) -> bool:
            return bool(process.said("relay_elected"))

        await until(elected, seconds=30)
        took = (datetime.fromisoformat(new.said("relay_elected")[0]["timestamp"]) - asked).total_seconds()
        findings.claim(took < TAKEOVER_SECONDS, f"the other leads {took:.1f} s later")
        findings.count(**{f"takeover_{number + 1}_seconds": took})
        await callers.has_written(60)


async def _compare(members: Crew, findings: Findings) -> None:
    rows = await shelf.rows(members.database, "SELECT event_id FROM outbox")
    settled = await reading.caught_up(members.database, members.site.servers.kafka, PREFIX, parts=topics.PARTITIONS)
    findings.claim(settled, "not everything is sent and read")
    effects = await owners.effects_of(members.database)
    findings.claim(sorted(effects) == sorted(row.event_id for row in rows), "effects and events differ")
    records = await _records(members)
    findings.claim(records == len(rows), f"{records - len(rows)} copies in the log")
    findings.checked += len(rows)
    findings.count(events=len(rows), records=records)


async def _end_without_broker(members: Crew, findings: Findings) -> None:
    name = max(name for name in members.members if name.startswith("worker"))
    everything, worker = await members.start("all"), members.members[name]
    await members.ready("all")
    callers = Callers(everything.port, members.token, callers=2)
    async with running(callers):
        await callers.has_written(20)
        with members.frozen_kafka():
            await callers.has_written(20)
            await _ends(worker, findings, "without its broker")
            await _ends(everything, findings, "without its broker, under load")
            callers.stop()
    findings.checked += 2


async def _ends(process: Process, findings: Findings, how: str) -> None:
    begun = time.monotonic()
    process.started.send_signal(signal.SIGTERM)
    try:
        code = await process.ended(LONGEST_SECONDS)
    except TimeoutError:
        process.started.kill()
        code = await process.started.wait()
    took = time.monotonic() - begun
    findings.claim(code == 0 and took < END_SECONDS, f"{how} it ends with {code} after {took:.0f} s")
    name = f"end_{how.replace(' ', '_').replace(',', '')}_seconds"
    findings.counts[name] = max(took, findings.counts.get(name, 0.0))


async def _records(members: Crew) -> int:
    consumer = AIOKafkaConsumer(bootstrap_servers=members.site.servers.kafka)
    await consumer.start()
    try:
        parts = [TopicPartition(PREFIX + topic, part) for topic in traffic.TOPICS for part in range(topics.PARTITIONS)]
        return sum((await consumer.end_offsets(parts)).values())
    finally:
        await consumer.stop()
