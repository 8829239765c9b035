"""Health on a port of its own: /livez (the loop answers), /readyz (what is needed is there), /metrics; and what operators ask for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

Check = Callable[[], Awaitable[str | None]]
"""Answers None if all is well, else what is wrong in a few words."""

CHECK_SECONDS = 2.0


@dataclass(slots=True)
class Health:
    """What a process needs to be ready (`required`) and what it only reports (`reported`), and whether it is on its way out."""

    required: Mapping[str, Check]
    reported: Mapping[str, Check] = field(default_factory=dict)
    draining: bool = False

    async def state(self) -> tuple[bool, dict[str, Any]]:
        """Ready or not, and the state of each dependency by name."""
        names = [*self.required, *self.reported]
        found = await asyncio.gather(*(_checked(check) for check in [*self.required.values(), *self.reported.values()]))
        troubles = {name: trouble for name, trouble in zip(names, found, strict=True) if trouble is not None}
        ready = not self.draining and not any(name in troubles for name in self.required)
        return ready, {"ready": ready, "draining": self.draining, "checks": {name: troubles.get(name, "ok") for name in names}}


def application(health: Health, operators: ASGIApp | None = None) -> Starlette:
    """The internal application. `operators` answers every other path."""

    async def livez(_: Request) -> Response:
        return Response("ok\n", media_type="text/plain")

    async def readyz(_: Request) -> Response:
        ready, body = await health.state()
        return Response(json.dumps(body) + "\n", 200 if ready else 503, media_type="application/json")

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    routes: list[BaseRoute] = [Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)]
    return Starlette(routes=routes if operators is None else [*routes, Mount("", operators)])


async def _checked(check: Check) -> str | None:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check()
    except Exception as error:
        return f"unreachable ({type(error).__name__})"
