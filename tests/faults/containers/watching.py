"""What the parts say of their readiness while servers go and come back, and waiting for containers to be as they should be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from baton.local import state as states
from tests.compose import Deployment

APIS = tuple(f"{service}-api" for service in states.SERVICES)
WORKERS = tuple(f"{service}-worker" for service in states.SERVICES)
PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One answer of a part to the question whether it is ready; status 0 is no answer."""

    part: str
    status: int
    checks: Mapping[str, str]

    @property
    def troubles(self) -> set[str]:
        """The dependencies that it says something about."""
        return {name for name, state in self.checks.items() if state != "ok"}


@dataclass(slots=True, kw_only=True)
class Watch:
    """Asks every part again and again, until it is stopped."""

    addresses: Mapping[str, str]
    looks: list[Look] = field(default_factory=list)
    stopping: bool = False

    def now(self, parts: Collection[str]) -> dict[str, Look]:
        """The last answer of each part."""
        last = {look.part: look for look in self.looks}
        return {part: last[part] for part in parts if part in last}

    def of(self, parts: Collection[str], *, since: int = 0) -> list[Look]:
        """The answers of some parts from that look on."""
        return [look for look in self.looks[since:] if look.part in parts]

    async def ask(self, http: httpx2.AsyncClient, part: str) -> None:
        """One part's answers, one after the other."""
        while not self.stopping:
            self.looks.append(await _look(http, part, self.addresses[part]))
            await asyncio.sleep(PAUSE_SECONDS)


@asynccontextmanager
async def watching(deployment: Deployment) -> AsyncIterator[Watch]:
    """Asks every api and every worker while inside."""
    watch = Watch(addresses={part: deployment.address(part) or "" for part in (*APIS, *WORKERS)})
    async with httpx2.AsyncClient(timeout=5.0, trust_env=False) as http, asyncio.TaskGroup() as group:
        for part in watch.addresses:
            group.create_task(watch.ask(http, part))
        try:
            yield watch
        finally:
            watch.stopping = True


async def until(condition: Callable[[], bool], what: Callable[[], object], seconds: float) -> float:
    """Waits for a condition, and says how long it took. AssertionError with what there is instead."""
    begun = time.monotonic()
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < begun + seconds, f"waited {seconds} s, and now: {await asyncio.to_thread(what)}"
        await asyncio.sleep(0.1)
    return time.monotonic() - begun


async def until_all_healthy(deployment: Deployment, seconds: float = 120) -> float:
    """Waits until every container runs and has passed a health check since its start: nobody helps."""
    return await until(lambda: not deployment.unhealthy(), deployment.unhealthy, seconds)


async def _look(http: httpx2.AsyncClient, part: str, address: str) -> Look:
    try:
        answer = await http.get(f"{address}/readyz")
        told: Any = answer.json()
    except (httpx2.TransportError, ValueError):
        return Look(part=part, status=0, checks={})
    return Look(part=part, status=answer.status_code, checks=told["checks"])
