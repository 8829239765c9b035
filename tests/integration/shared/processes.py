"""The sample as real processes: started with settings, asked for their health, ended by signal."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from baton.local.servers import Servers
from tests import kit
from tests.integration.shared.waiting import until

MODULE = "tests.integration.shared.sample_process"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


@dataclass(slots=True)
class Process:
    """A started process. Its log is what it wrote on standard output and error."""

    started: asyncio.subprocess.Process
    log: Path
    port: int
    internal_port: int

    def lines(self) -> list[dict[str, Any]]:
        """The log's JSON lines."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def said(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line.get("event") == event]

    async def ready(self) -> tuple[int, dict[str, Any]]:
        """Status and body of its readiness; status 0 while nobody listens."""
        try:
            async with httpx2.AsyncClient() as client:
                answer = await client.get(f"http://127.0.0.1:{self.internal_port}/readyz", timeout=5)
            return answer.status_code, answer.json()
        except httpx2.TransportError:
            return 0, {}

    async def is_ready(self) -> bool:
        assert self.started.returncode is None, self.log.read_text()[-4000:]
        return (await self.ready())[0] == 200

    async def ended(self, seconds: float) -> int:
        """Its exit code, if it ends in time."""
        async with asyncio.timeout(seconds):
            return await self.started.wait()

    async def terminate(self) -> tuple[int, float]:
        """Exit code after SIGTERM, and the seconds that it took."""
        begun = time.monotonic()
        self.started.send_signal(signal.SIGTERM)
        return await self.ended(40), time.monotonic() - begun


@dataclass(frozen=True, slots=True)
class Site:
    """Where processes run: servers, database, keys and a folder for their logs."""

    servers: Servers
    database_url: str
    keys: Path
    folder: Path
    topic_prefix: str

    def settings(self) -> dict[str, str]:
        issuer = {"issuer": kit.ISSUER, "jwks": str(self.keys / "public" / "jwks.json"), "algorithms": ["ES256"], "max_lifetime": 86400}
        return {
            "BATON_ENV": "local",
            "BATON_DATABASE_URL": self.database_url,
            "BATON_KAFKA": self.servers.kafka,
            "BATON_TOPIC_PREFIX": self.topic_prefix,
            "BATON_PORT": str(free_port()),
            "BATON_INTERNAL_PORT": str(free_port()),
            "BATON_ISSUERS": json.dumps([issuer]),
            "BATON_CURSOR_SECRET": "a secret of at least thirty-two bytes",
        }

    async def launch(self, what: str, **changed: str | None) -> Process:
        """Starts a role or a job; a changed setting of None is left out."""
        settings: Mapping[str, str | None] = self.settings() | changed
        environment = {**os.environ, **{name: value for name, value in settings.items() if value is not None}}
        log = self.folder / f"{what}-{settings['BATON_INTERNAL_PORT']}.log"
        with log.open("wb") as file:
            started = await asyncio.create_subprocess_exec(sys.executable, "-m", MODULE, what, env=environment, stdout=file, stderr=file)
        return Process(started, log, int(settings["BATON_PORT"] or 0), int(settings["BATON_INTERNAL_PORT"] or 0))

    @asynccontextmanager
    async def role(self, what: str, *, ready: bool = True, **changed: str | None) -> AsyncIterator[Process]:
        """A process that is killed at the end if it still runs."""
        process = await self.launch(what, **changed)
        try:
            if ready:
                await until(process.is_ready, seconds=30)
            yield process
        finally:
            if process.started.returncode is None:
                process.started.kill()
                await process.started.wait()
