"""Servers that stop, hang and come back, in an installation of this file's own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import text

from shared.db import migrating
from shared.db.transaction import Database
from shared.ids import new_id
from shared.runtime import topics
from shared.runtime.service import Service
from tests import breaking, kit
from tests.breaking import Breakable
from tests.integration.shared import traffic
from tests.integration.shared.load import Load
from tests.integration.shared.processes import Process, Site
from tests.integration.shared.waiting import running, until


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Breakable]:
    with breaking.installation(tmp_path_factory.mktemp("outages") / "state") as started:
        yield started


@pytest.fixture(scope="module")
async def own(installation: Breakable, service: Service) -> AsyncIterator[Database]:
    url = installation.servers.database_url("sales", "sales")
    await migrating.migrate(service.folder, url)
    database = Database(url, service=service.name)
    yield database
    await database.close()


@pytest.fixture
async def calls(own: Database, service: Service, keys: Path) -> AsyncIterator[kit.Api]:
    transport = httpx2.ASGITransport(app=kit.application(service, own, keys))
    async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
        yield kit.Api(service, client, keys)


async def expect_unavailable(calls: kit.Api, own: Database) -> None:
    """Every request of as many as the pool has connections is answered in time, reading or writing."""

    async def one(write: bool) -> None:
        started = time.monotonic()
        if write:
            answer = await calls.post("/v1/notes", role="writer", json={"text": "a"})
        else:
            answer = await calls.get(f"/v1/notes/{new_id()}", role="reader")
        assert answer.status_code == 503, answer.text
        assert answer.headers["Retry-After"]
        assert time.monotonic() - started < 6

    await asyncio.gather(*(one(bool(number % 2)) for number in range(10)))


async def works_again(calls: kit.Api) -> bool:
    answers = await asyncio.gather(*(calls.post("/v1/notes", role="writer", json={"text": "a"}) for _ in range(10)))
    assert {answer.status_code for answer in answers} <= {201, 503}
    return all(answer.status_code == 201 for answer in answers)


async def test_without_the_database_requests_are_answered_and_it_needs_no_restart(
    calls: kit.Api, own: Database, installation: Breakable
) -> None:
    await until(lambda: works_again(calls))
    await asyncio.to_thread(installation.stop_postgres)
    await expect_unavailable(calls, own)
    await asyncio.to_thread(installation.start_postgres)
    await until(lambda: works_again(calls))


async def test_a_database_that_hangs_in_silence_is_answered_for_in_time(calls: kit.Api, own: Database, installation: Breakable) -> None:
    await until(lambda: works_again(calls))
    with installation.hanging_postgres():
        await expect_unavailable(calls, own)
    await until(lambda: works_again(calls))


@dataclass(frozen=True, slots=True)
class Stage:
    """Where processes run, and a caller's token."""

    site: Site
    installation: Breakable
    own: Database
    token: str

    async def all_applied(self, ids: list[UUID]) -> None:
        """Until every acknowledged write has had its effect at the consumer, once."""

        async def are() -> bool:
            found = await traffic.seen(self.own)
            assert len({one.event_id for one in found}) == len(found)
            return set(ids) <= {one.subject for one in found}

        await until(are, seconds=30)


@pytest.fixture
async def stage(own: Database, calls: kit.Api, installation: Breakable, tmp_path: Path) -> Stage:
    await until(lambda: works_again(calls))
    servers = installation.servers
    await topics.provision(servers.kafka, "sales", topic_prefix="o.", replication=1)
    site = Site(servers, servers.database_url("sales", "sales"), calls.keys, tmp_path, "o.")
    return Stage(site, installation, own, calls.token("writer"))


async def says(process: Process, name: str, *, status: int = 503) -> None:
    """Until its readiness has that status and names that dependency."""

    async def does() -> bool:
        found, body = await process.ready()
        return found == status and body["checks"].get(name, "ok") != "ok"

    await until(does)


async def ended_well(process: Process) -> None:
    code, seconds = await process.terminate()
    assert (code, seconds < 25) == (0, True), (code, seconds, process.log.read_text()[-2000:])
    assert process.said("stopped")


async def test_processes_tell_the_truth_and_end_in_time_whatever_is_away(stage: Stage, calls: kit.Api) -> None:
    site = stage.site
    async with site.role("api") as api, site.role("worker") as worker:
        load = Load(api, stage.token)
        async with running(load):
            await load.has_written(20)
            await stage.all_applied(load.acknowledged[:20])
            async with site.role("worker") as second:
                await ended_well(second)  # the broker up
            await asyncio.to_thread(stage.installation.stop_kafka)
            await load.has_written(50)  # HTTP does not notice
            others = await a_process_that_never_saw_the_broker(stage)
            assert await api.is_ready()
            await says(worker, "relay")
            await says(worker, "consumer")
        await asyncio.to_thread(stage.installation.start_kafka)
        await stage.all_applied(load.acknowledged + others)  # the backlog drains by itself
        await until(worker.is_ready)
        await database_goes_and_comes(stage, api, worker)
        last = Load(api, stage.token)
        async with running(last):
            await last.has_written(20)
            await asyncio.to_thread(stage.installation.stop_kafka)
            await asyncio.gather(ended_well(api), ended_well(worker))  # the broker down
        assert len(worker.lines()) < 4_000  # nothing asks for the broker in a tight loop
    await until(lambda: works_again(calls))
    async with stage.own.engine.connect() as connection:
        stored = set((await connection.execute(text("SELECT note_id FROM notes"))).scalars())
    assert {*load.acknowledged, *others, *last.acknowledged} <= stored
    assert load.others == last.others == []  # what was accepted was answered


async def a_process_that_never_saw_the_broker(stage: Stage) -> list[UUID]:
    """Ready all the same, because it serves HTTP, and not silent about it. What it has acknowledged until it was ended."""
    async with stage.site.role("all") as everything:
        await says(everything, "consumer", status=200)
        load = Load(everything, stage.token)
        async with running(load):
            await load.has_written(20)
            await ended_well(everything)
    assert load.others == []
    return load.acknowledged


async def database_goes_and_comes(stage: Stage, *processes: Process) -> None:
    await asyncio.to_thread(stage.installation.stop_postgres)
    for process in processes:
        await says(process, "database")
    await asyncio.to_thread(stage.installation.start_postgres)
    for process in processes:
        await until(process.is_ready)
