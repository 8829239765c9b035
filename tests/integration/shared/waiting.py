"""Waiting for a condition instead of for a time, and running something that runs until it is stopped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

T = TypeVar("T")


class Stoppable(Protocol):
    """A relay or a consumer."""

    async def run(self) -> None: ...

    def stop(self) -> None: ...


async def until(condition: Callable[[], Awaitable[T]], *, seconds: float = 30.0) -> T:
    """The first true answer of the condition. AssertionError if there is none in time."""
    limit = time.monotonic() + seconds
    while not (answer := await condition()):
        assert time.monotonic() < limit, f"not within {seconds} s: {condition.__qualname__}"
        await asyncio.sleep(0.02)
    return answer


@asynccontextmanager
async def running(*members: Stoppable) -> AsyncIterator[None]:
    """Runs them while inside; an error of theirs is raised here."""
    tasks = [asyncio.create_task(member.run()) for member in members]
    try:
        yield
    finally:
        for member in members:
            member.stop()
        await asyncio.gather(*tasks)
