"""A process ends because it was asked to, in time and in order, or because a part of it has died, and then it says so."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from sqlalchemy import text

from baton.ops import tokens
from shared.db import migrating
from shared.db.transaction import Database
from shared.inbox import clients
from shared.runtime import topics
from shared.runtime.service import Service
from tests import breaking, kit
from tests.breaking import Breakable
from tests.chaos.site import HOOK
from tests.integration.shared import traffic
from tests.integration.shared.load import Load
from tests.integration.shared.processes import Process, Site
from tests.integration.shared.waiting import running, until
from tests.promises import variants
from tests.promises.variants import Edit

PREFIX = "shutdown."
END_SECONDS = 25.0
TAKEOVER_SECONDS = 3.0


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Breakable]:
    with breaking.installation(tmp_path_factory.mktemp("shutdown") / "state") as started:
        yield started


@dataclass(frozen=True, slots=True)
class Stage:
    """Where processes run, the database they share, and a caller's token."""

    site: Site
    installation: Breakable
    own: Database
    token: str

    async def all_applied(self, ids: Sequence[UUID]) -> None:
        """Until every acknowledged write has had its effect, once."""

        async def are() -> bool:
            found = await traffic.seen(self.own)
            assert len({one.event_id for one in found}) == len(found)
            return set(ids) <= {one.subject for one in found}

        await until(are, seconds=60)

    async def counted(self) -> tuple[int, int]:
        """How many events are committed, and how many records the log has."""
        async with self.own.engine.connect() as connection:
            committed = (await connection.execute(text("SELECT count(*) FROM outbox"))).scalar_one()
        consumer = AIOKafkaConsumer(bootstrap_servers=self.site.servers.kafka)
        await consumer.start()
        try:
            parts = [TopicPartition(PREFIX + topic, part) for topic in traffic.TOPICS for part in range(topics.PARTITIONS)]
            return committed, sum((await consumer.end_offsets(parts)).values())
        finally:
            await consumer.stop()


@pytest.fixture(scope="module")
async def stage(installation: Breakable, service: Service, keys: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    servers = installation.servers
    url = servers.database_url("sales", "sales")
    await migrating.migrate(service.folder, url)
    await topics.provision(servers.kafka, "sales", topic_prefix=PREFIX, replication=1)
    own = Database(url, service=service.name)
    folder = tmp_path_factory.mktemp("processes")
    token = tokens.issue(keys, issuer=kit.ISSUER, roles=["writer"], sub="somebody", aud=service.name, ttl_seconds=3600)
    yield Stage(Site(servers, url, keys, folder, PREFIX), installation, own, token)
    await own.close()


def at(process: Process, event: str) -> datetime:
    """When it said that for the first time."""
    return datetime.fromisoformat(process.said(event)[0]["timestamp"])


async def ends_in_order(process: Process, *, signals: int = 1) -> None:
    """It is asked to end, perhaps again while it does, and ends with 0 in time."""
    begun = time.monotonic()
    process.started.send_signal(signal.SIGTERM)
    for _ in range(signals - 1):

        async def stopping() -> bool:
            return bool(process.said("stopping"))

        await until(stopping)
        process.started.send_signal(signal.SIGTERM)
    code, seconds = await process.ended(60), time.monotonic() - begun
    assert (code, seconds < END_SECONDS) == (0, True), (code, seconds, process.log.read_text()[-2000:])
    assert process.said("stopped")
    assert not process.said("stop_took_too_long")


async def test_a_leader_that_is_asked_to_end_hands_over_and_nothing_is_sent_twice(stage: Stage) -> None:
    async with stage.site.role("api") as api, stage.site.role("worker") as first, stage.site.role("worker") as second:
        load = Load(api, stage.token)
        async with running(load):
            await load.has_written(100)
            (leader,) = [worker for worker in (first, second) if worker.said("relay_elected")]
            standby = second if leader is first else first
            asked = datetime.now(UTC)
            await ends_in_order(leader)

            async def elected() -> bool:
                return bool(standby.said("relay_elected"))

            await until(elected)
            assert (at(standby, "relay_elected") - asked).total_seconds() < TAKEOVER_SECONDS
            await load.has_written(100)
        await stage.all_applied(load.acknowledged)
        await asyncio.gather(ends_in_order(standby), ends_in_order(api))
    assert load.others == []
    committed, sent = await stage.counted()
    assert committed == sent > 200


@pytest.mark.parametrize("broker", ["up", "down"])
async def test_a_whole_service_ends_under_load_in_time_whoever_is_away_and_asked_however_often(stage: Stage, broker: str) -> None:
    async with stage.site.role("all") as everything:
        load = Load(everything, stage.token)
        async with running(load):
            await load.has_written(50)
            await stage.all_applied(load.acknowledged[:50])
            if broker == "down":
                await asyncio.to_thread(stage.installation.stop_kafka)
                await load.has_written(50)
            await ends_in_order(everything, signals=3)
    await asyncio.to_thread(stage.installation.start_kafka)
    assert load.others == []
    async with stage.site.role("worker") as worker:
        await stage.all_applied(load.acknowledged)
        await ends_in_order(worker)


async def test_a_process_ends_in_time_though_its_database_hangs(stage: Stage) -> None:
    async with stage.site.role("all") as everything:
        load = Load(everything, stage.token, callers=20)  # more than there are connections
        async with running(load):
            await load.has_written(100)
            load.stop()
        with stage.installation.hanging_postgres():
            begun = time.monotonic()
            code, seconds = await everything.terminate()
    assert seconds < END_SECONDS, (code, time.monotonic() - begun, everything.log.read_text()[-2000:])
    assert code == 0


async def test_a_member_whose_broker_died_is_closed_in_time_and_leaves_nothing_open(stage: Stage) -> None:
    def left() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())

    await asyncio.to_thread(stage.installation.start_kafka)
    before = left()
    member = clients.make(stage.site.servers.kafka, PREFIX + "closing")
    member.subscribe(topics=[PREFIX + topic for topic in traffic.TOPICS])
    await member.start()

    async def joined() -> bool:
        await member.getmany(timeout_ms=100)
        return bool(member.assignment())

    try:
        with suppress(KafkaError):  # no position: nobody sought
            await until(joined)
        assert left() > before
        await asyncio.to_thread(stage.installation.stop_kafka)
        begun = time.monotonic()
    finally:
        await clients.close(member)
    assert time.monotonic() - begun < 8

    async def gone() -> bool:
        files, tasks = left()
        return files <= before[0] and tasks <= before[1]

    await until(gone, seconds=5)
    await asyncio.to_thread(stage.installation.start_kafka)


RELAY, DRAIN, PROCESS = "shared.outbox.relay", "shared.inbox.draining", "shared.runtime.process"
DEATHS = {
    "relay-raises": (
        "relay",
        Edit(module=RELAY, old="                await self._session()\n", new='                raise KeyError("planted")\n'),
    ),
    "relay-returns": ("relay", Edit(module=RELAY, old="                await self._session()\n", new="                return\n")),
    "drain-raises": (
        "drain",
        Edit(module=DRAIN, old="                    await self._show()\n", new='                    raise KeyError("planted")\n'),
    ),
    "upkeep-raises": (
        "upkeep",
        Edit(module=PROCESS, old="                await self._keep_up()\n", new='                raise KeyError("planted")\n'),
    ),
}
DEAF = Edit(module="shared.runtime.supervisor", old="return_when=asyncio.FIRST_COMPLETED", new="return_when=asyncio.ALL_COMPLETED")


def planted(*edits: Edit) -> dict[str, str | None]:
    """The settings of a process that carries these edits."""
    path = os.pathsep.join((str(HOOK), os.getcwd()))
    return {"PYTHONPATH": path, **variants.environment(edits)}


@pytest.mark.parametrize("death", DEATHS)
async def test_a_process_with_a_dead_part_ends_and_names_it(stage: Stage, death: str) -> None:
    part, edit = DEATHS[death]
    worker = await stage.site.launch("worker", **planted(edit))
    try:
        assert await worker.ended(60) == 1
        assert [line["task"] for line in worker.said("task_ended")] == [part]
        assert [line["task"] for line in worker.said("ended")] == [part]
    finally:
        if worker.started.returncode is None:
            worker.started.kill()
            await worker.started.wait()


async def test_a_process_that_lived_on_with_a_dead_relay_would_be_noticed(stage: Stage) -> None:
    _, edit = DEATHS["relay-returns"]
    async with stage.site.role("worker", ready=False, **planted(edit, DEAF)) as worker:

        async def started() -> bool:
            return bool(worker.said("started"))

        await until(started)
        with pytest.raises(TimeoutError):
            await worker.ended(10)
