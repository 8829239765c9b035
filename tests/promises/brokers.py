"""T5: whatever a broker does, the relay gives up its producer, sends again from its cursor, and disturbs nobody."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, NotLeaderForPartitionError
from prometheus_client import REGISTRY
from sqlalchemy import text

from shared.db import migrating
from shared.db.transaction import Database
from shared.ids import new_id
from shared.outbox.relay import Relay
from tests import breaking, kit
from tests.breaking import Breakable
from tests.integration.shared import sample, traffic
from tests.integration.shared.traffic import relay_of
from tests.integration.shared.waiting import until
from tests.promises import load, reading
from tests.promises.ground import Ground
from tests.promises.verdicts import Findings

PREFIX = "brokers."
AGAIN_SECONDS = 15.0
HANG_SECONDS = 14.0
STOP_SECONDS = 20.0
LIMIT_BYTES = 100_000
CALL_SECONDS = 6.0


class Site:
    """A relay and an API in one process, as in the role that runs both, beside a broker that is mistreated."""

    def __init__(self, ground: Ground, installation: Breakable, database: Database, api: kit.Api) -> None:
        self.ground = ground
        self.installation = installation
        self.database = database
        self.api = api
        self.relay: Relay = relay_of(database, installation.servers.kafka, PREFIX)
        self.written: list[UUID] = []
        self.slowest = 0.0
        self.refused: set[int] = set()
        self.writing = asyncio.Event()
        self.writing.set()
        self._stopping = asyncio.Event()

    async def write(self) -> None:
        """Callers of the API, until stopped: whatever the broker does, they are answered."""
        while not self._stopping.is_set():
            await self.writing.wait()
            begun, note_id = time.monotonic(), new_id()
            answer = await self.api.post("/v1/notes", role="writer", json={"text": "a", "note_id": str(note_id)})
            self.slowest = max(self.slowest, time.monotonic() - begun)
            if answer.status_code == 201:
                self.written.append(note_id)
            else:
                self.refused.add(answer.status_code)
            await asyncio.sleep(0.01)

    def stop_writing(self) -> None:
        """Lets the callers end."""
        self._stopping.set()

    async def write_on(self, findings: Findings, what: str, more: int = 30) -> None:
        """Whether HTTP goes on, as it is now."""
        wanted = len(self.written) + more

        async def enough() -> bool:
            return len(self.written) >= wanted

        try:
            await until(enough, seconds=30)
        except AssertionError:
            findings.claim(False, f"{what}: HTTP does not go on")

    async def publishes_again(self, findings: Findings, what: str) -> None:
        """From the broker's first answer on, within 15 s, something that was committed meanwhile stands in the log."""
        await until(self._answers, seconds=90)
        begun, waiting = time.monotonic(), self.written[-1]

        async def published() -> bool:
            return any(one.key == str(waiting).encode() for one in await self.log())

        try:
            await until(published, seconds=AGAIN_SECONDS)
        except AssertionError:
            findings.claim(False, f"{what}: nothing is published within {AGAIN_SECONDS:.0f} s of the broker's first answer")
        findings.counts[f"{what}_again_seconds"] = time.monotonic() - begun
        findings.checked += 1

    async def log(self) -> list[Any]:
        """What stands in the topics."""
        return await traffic.read_log(self.installation.servers.kafka, PREFIX)

    async def _answers(self) -> bool:
        asking = AIOKafkaConsumer(bootstrap_servers=self.installation.servers.kafka, request_timeout_ms=2_000)
        try:
            async with asyncio.timeout(3):
                await asking.start()
            return True
        except (KafkaError, OSError, TimeoutError):
            return False
        finally:
            await asyncio.wait({asyncio.ensure_future(asking.stop())}, timeout=1)


async def try_brokers(ground: Ground, findings: Findings) -> None:
    """T5."""
    with ground.own_servers() as installation:
        async with _site(ground, installation) as site:
            relay = asyncio.create_task(site.relay.run())
            callers = [asyncio.create_task(site.write()) for _ in range(2)]
            await until(lambda: _published(site), seconds=60)
            await site.publishes_again(findings, "start")  # the relay has its producer
            for name, phase in (("disconnect", _disconnect), ("not-leader", _not_leader), ("time-out", _time_out), ("kill", _kill)):
                if ground.tries(name):
                    await phase(site, findings)
            if ground.tries("refused"):
                await _refuse(site, findings)
            site.stop_writing()
            await asyncio.gather(*callers)
            await _nothing_left(site, relay, findings)
            if not relay.cancelled():
                await _complete(site, findings)


async def _disconnect(site: Site, findings: Findings) -> None:
    for _ in range(5):
        for producer in _producers():
            for connection in list(producer.client._conns.values()):
                connection.close()
        await asyncio.sleep(0.3)
    await site.write_on(findings, "disconnect")
    await site.publishes_again(findings, "disconnect")


async def _not_leader(site: Site, findings: Findings) -> None:
    with _answered_with(NotLeaderForPartitionError, times=5) as left:
        await until(lambda: _is_empty(left), seconds=30)
    await site.write_on(findings, "not-leader")
    await site.publishes_again(findings, "not-leader")


async def _time_out(site: Site, findings: Findings) -> None:
    with breaking.frozen(site.installation.servers.kept, "kafka"):
        begun = time.monotonic()
        await site.write_on(findings, "time-out")
        await asyncio.sleep(max(0.0, HANG_SECONDS - (time.monotonic() - begun)))
        findings.claim(site.relay.trouble, f"time-out: after {HANG_SECONDS:.0f} s without an answer the relay says nothing of it")
    await site.publishes_again(findings, "time-out")


async def _kill(site: Site, findings: Findings) -> None:
    await asyncio.to_thread(breaking.kill, site.installation.servers.kept, "kafka")
    await site.write_on(findings, "kill", more=100)
    starting = asyncio.create_task(asyncio.to_thread(site.installation.start_kafka))
    await site.publishes_again(findings, "kill")
    await starting


async def _refuse(site: Site, findings: Findings) -> None:
    """The first batch of a fresh producer is refused: nothing behind it of its partition may enter the log before it."""
    subject = new_id()
    await _limit(site, LIMIT_BYTES)
    site.writing.clear()  # so that no other row of the partition goes before
    await until(lambda: _nothing_waits(site), seconds=30)
    async with site.database.transaction() as tx:
        # The first row alone is more than the broker takes; the many behind it are small.
        for number in range(400):
            cause = kit.cause()
            tx.emit(sample.accepted(subject, tx.now), cause=_swollen(cause) if number == 0 else cause)
    site.relay.wake()

    async def blocked() -> bool:
        return "MessageSizeTooLarge" in (site.relay.trouble or "")

    try:
        await until(blocked, seconds=20)
    except AssertionError:
        findings.claim(False, "refused: the relay does not say so")
    given_up = _given_up()

    async def tried_again() -> bool:
        return _given_up() >= given_up + 3

    with suppress(AssertionError):  # code that keeps its producer gives none up
        await until(tried_again, seconds=5)
    behind = [one for one in reading.found_in(await site.log()) if one.subject == subject]
    findings.claim(not behind, f"refused: {len(behind)} of 400 events entered the log before the first")
    await _limit(site, 1_048_576)
    site.writing.set()
    await site.write_on(findings, "refused")
    await site.publishes_again(findings, "refused")

    async def all_there() -> bool:
        return len({one.event_id for one in reading.found_in(await site.log()) if one.subject == subject}) == 400

    try:
        await until(all_there, seconds=AGAIN_SECONDS)
    except AssertionError:
        findings.claim(False, "refused: not everything comes once it is taken again")
    numbers = [one.sequence for one in reading.first_occurrences(reading.found_in(await site.log())) if one.subject == subject]
    findings.claim(numbers == sorted(numbers), "refused: out of order")


def _swollen(cause: Any) -> Any:
    return replace(cause, traceparent="x" * load.LARGE)


async def _limit(site: Site, size: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=site.installation.servers.kafka)
    await admin.start()
    try:
        topic = PREFIX + "lead-accepted"
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs={"max.message.bytes": str(size)})])
    finally:
        await admin.close()


async def _nothing_left(site: Site, relay: asyncio.Task[None], findings: Findings) -> None:
    """The relay ends when it is asked to; no task and no socket of any of its producers is left."""
    await until(lambda: _drained(site, findings), seconds=60)
    site.relay.stop()
    await asyncio.wait({relay}, timeout=STOP_SECONDS)
    findings.claim(relay.done(), f"the relay does not end within {STOP_SECONDS:.0f} s")
    relay.cancel()
    await asyncio.wait({relay}, timeout=5)
    port = site.installation.servers.kept.ports["kafka"]

    async def clean() -> bool:
        gc.collect()
        return not _sockets(port) and not _tasks()

    try:
        await until(clean, seconds=8)
    except AssertionError:
        findings.claim(False, f"left over: {_sockets(port)} sockets, tasks {', '.join(_tasks())}")
    findings.claim(site.slowest < CALL_SECONDS and not site.refused, f"HTTP: slowest {site.slowest:.1f} s, refused with {site.refused}")
    findings.counts["http_slowest_seconds"] = site.slowest


async def _drained(site: Site, findings: Findings) -> bool:
    return bool(findings.problems) or await _published(site)


async def _complete(site: Site, findings: Findings) -> None:
    async with site.database.engine.connect() as connection:
        rows = set((await connection.execute(text("SELECT event_id FROM outbox"))).scalars())
    log = reading.found_in(await site.log())
    findings.claim({one.event_id for one in log} == rows, f"{len(rows - {one.event_id for one in log})} events lost")
    findings.checked += len(rows)
    findings.count(events=len(rows), records=len(log))


async def _published(site: Site) -> bool:
    """Whether next to nothing waits."""
    return bool(site.written) and await reading.waiting(site.database) < 10


async def _nothing_waits(site: Site) -> bool:
    return await reading.waiting(site.database) == 0


def _given_up() -> float:
    return REGISTRY.get_sample_value("baton_relay_producer_abandoned_total") or 0.0


def _producers() -> list[AIOKafkaProducer]:
    return [one for one in gc.get_objects() if isinstance(one, AIOKafkaProducer) and not one._closed]


@contextmanager
def _answered_with(error: type[KafkaError], *, times: int) -> Iterator[list[int]]:
    """The next so many produce requests are answered with that error, as the broker would; the broker never sees them."""
    left, send = [times], AIOKafkaClient.send

    async def refusing(self: Any, node_id: Any, request: Any, **options: Any) -> Any:
        if left[0] and type(request).__name__.startswith("Produce"):
            left[0] -= 1
            raise error
        return await send(self, node_id, request, **options)

    AIOKafkaClient.send = refusing
    try:
        yield left
    finally:
        AIOKafkaClient.send = send


async def _is_empty(left: list[int]) -> bool:
    return left == [0]


def _sockets(port: int) -> int:
    """Connections of this process to the broker."""
    mine = {os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if Path(f"/proc/self/fd/{name}").is_symlink()}
    found = 0
    for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        found += int(fields[2].rpartition(":")[2], 16) == port and f"socket:[{fields[9]}]" in mine
    return found


def _tasks() -> list[str]:
    names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    return [name for name in names if any(part in name for part in ("Sender", "AIOKafka", "MessageAccumulator", "AIOKafkaClient"))]


@asynccontextmanager
async def _site(ground: Ground, installation: Breakable) -> AsyncIterator[Site]:
    service, servers, keys = ground.service, installation.servers, ground.keys()
    url = servers.database_url(service.name, service.name)
    await migrating.migrate(service.folder, url)
    await traffic.create_topics(servers.kafka, PREFIX)
    database = ground.opened(url)
    transport = httpx2.ASGITransport(app=kit.application(service, database, keys))
    async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
        site = Site(ground, installation, database, kit.Api(service, client, keys))
        database.woken = site.relay.wake
        yield site
