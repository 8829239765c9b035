"""The parts of the sample service as processes on servers of their own, killed at any moment, and callers that do not give up."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import httpx2

from baton.ops import tokens
from shared.db import failpoints, migrating
from shared.db.transaction import Database
from shared.ids import new_id
from shared.runtime import topics
from tests import breaking, kit
from tests.breaking import Breakable
from tests.chaos.site import HOOK
from tests.integration.shared import traffic
from tests.integration.shared.processes import MODULE, Process, Site
from tests.integration.shared.waiting import until
from tests.promises import variants
from tests.promises.ground import Ground
from tests.promises.member import GROUP
from tests.promises.variants import Edit

CALLERS = 6
CALL_SECONDS = 3.0
PREFIX = "crew."


@dataclass(slots=True)
class Crew:
    """Members by name (`relay`, `consumer-1`, …): started, killed and started again with the same settings."""

    site: Site
    database: Database
    installation: Breakable
    token: str
    edits: Sequence[Edit]
    members: dict[str, Process] = field(default_factory=dict)
    _settings: dict[str, dict[str, str]] = field(default_factory=dict)

    async def start(self, name: str, *, fail_point: str | None = None, group: str | None = None) -> Process:
        """Starts a member; its part is the first word of its name."""
        part = name.partition("-")[0]
        settings = self._settings.setdefault(name, self.site.settings())
        extra = variants.environment(self.edits)
        if extra:
            extra["PYTHONPATH"] = os.pathsep.join((str(HOOK), str(Path.cwd())))
        if fail_point:
            extra[failpoints.VARIABLE] = fail_point
        if group:
            extra[GROUP] = group
        module = MODULE if part in {"api", "worker", "all"} else "tests.promises.member"
        log = self.site.folder / f"{name}.log"
        with log.open("ab") as file:
            started = await asyncio.create_subprocess_exec(
                sys.executable, "-m", module, part, env={**os.environ, **settings, **extra}, stdout=file, stderr=file
            )
        self.members[name] = Process(started, log, int(settings["BATON_PORT"]), int(settings["BATON_INTERNAL_PORT"]))
        return self.members[name]

    async def ready(self, name: str, *, seconds: float = 120.0) -> Process:
        """The member, once it is ready. RuntimeError with what it says of itself if it does not become so in time."""
        process = self.members[name]
        try:
            await until(process.is_ready, seconds=seconds)
        except AssertionError:
            raise RuntimeError(f"{name} is not ready: {await process.ready()} {process.log.read_text()[-2000:]}") from None
        return process

    async def kill(self, name: str) -> None:
        """kill -9."""
        process = self.members[name].started
        if process.returncode is None:
            process.kill()
            await process.wait()

    async def kill_postgres(self) -> None:
        """kill -9 of the server, which then starts again."""
        await asyncio.to_thread(breaking.kill, self.installation.servers.kept, "postgres")
        await asyncio.to_thread(self.installation.start_postgres)

    async def ended_at_point(self, name: str, *, seconds: float = 90.0) -> bool:
        """Whether the member ends at its fail-point in time; one that does not is killed."""
        try:
            return await self.members[name].ended(seconds) == failpoints.EXIT
        except TimeoutError:
            await self.kill(name)
            return False

    def frozen_kafka(self) -> AbstractContextManager[None]:
        """The broker neither answers nor closes a connection while inside."""
        return breaking.frozen(self.installation.servers.kept, "kafka")

    async def close(self) -> None:
        """Kills all."""
        for name in self.members:
            await self.kill(name)


@asynccontextmanager
async def crew(ground: Ground, edits: Sequence[Edit], *, provisioned: bool = False) -> AsyncIterator[Crew]:
    """A crew without members, on fresh servers with a migrated database and topics: two small ones, or all that a service has."""
    with ground.own_servers() as installation:
        servers, service = installation.servers, ground.service
        url = servers.database_url(service.name, service.name)
        await migrating.migrate(service.folder, url)
        if provisioned:
            await topics.provision(servers.kafka, service.name, topic_prefix=PREFIX, replication=1)
        else:
            await traffic.create_topics(servers.kafka, PREFIX)
        folder = ground.folder / "logs"
        folder.mkdir()
        keys = ground.keys()
        token = tokens.issue(keys, issuer=kit.ISSUER, roles=["writer"], sub="somebody", aud=service.name, ttl_seconds=3600)
        members = Crew(Site(servers, url, keys, folder, PREFIX), ground.opened(url), installation, token, edits)
        try:
            yield members
        finally:
            await members.close()


class Callers:
    """Each writes a note, changes it, and begins anew; without an answer it asks again with the same key, until it is stopped."""

    def __init__(self, port: int, token: str, *, callers: int = CALLERS, pause: float = 0.03) -> None:
        self.acknowledged: dict[UUID, int] = {}
        """How many writes of each note were answered with a 2xx."""
        self.odd: set[str] = set()
        self._base = f"http://127.0.0.1:{port}/v1/notes"
        self._token = token
        self._callers = callers
        self._pause = pause
        self._stopping = asyncio.Event()

    @property
    def total(self) -> int:
        """Acknowledged writes."""
        return sum(self.acknowledged.values())

    def stop(self) -> None:
        """Asks them to finish what they are at."""
        self._stopping.set()

    async def run(self) -> None:
        """Writes until stopped."""
        async with httpx2.AsyncClient(timeout=CALL_SECONDS) as client:
            await asyncio.gather(*(self._write(client) for _ in range(self._callers)))

    async def has_written(self, more: int, *, seconds: float = 60.0) -> None:
        """Until so many more are acknowledged."""
        wanted = self.total + more

        async def enough() -> bool:
            return self.total >= wanted

        await until(enough, seconds=seconds)

    async def _write(self, client: httpx2.AsyncClient) -> None:
        while not self._stopping.is_set():
            note_id = new_id()
            if await self._insist(client, self._base, {"text": "one", "note_id": str(note_id)}, {}):
                self.acknowledged[note_id] = 1
                if await self._insist(client, f"{self._base}/{note_id}/change", {"text": "two"}, {"If-Match": '"v1"'}):
                    self.acknowledged[note_id] = 2
            await asyncio.sleep(self._pause)

    async def _insist(self, client: httpx2.AsyncClient, url: str, body: Mapping[str, str], headers: Mapping[str, str]) -> bool:
        sent = {"Authorization": f"Bearer {self._token}", "Idempotency-Key": str(new_id()), **headers}
        while not self._stopping.is_set():
            try:
                answer = await client.post(url, json=body, headers=sent)
            except httpx2.TransportError:
                await asyncio.sleep(0.1)
                continue
            if answer.status_code < 300:
                return True
            if answer.status_code != 503 and answer.json()["code"] not in {"IN_FLIGHT", "CONCURRENT_CHANGE"}:
                self.odd.add(json.dumps([answer.status_code, answer.json()["code"]]))
                return False
            await asyncio.sleep(0.1)
        return False
