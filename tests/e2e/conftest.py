"""One running Baton for all stories, and the people who use it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from baton.client import ApiError, Client
from tests import stack as stacks
from tests.stack import Stack

HOP_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Callers with the roles of those who really do it."""

    form: Client
    rep: Client
    warehouse: Client
    reader: Client


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Four services, started for this run and removed after it."""
    with stacks.installed("e2e") as running:
        yield running


@pytest.fixture
async def people(stack: Stack) -> AsyncIterator[People]:
    """Everybody, signed in."""
    async with AsyncExitStack() as signed_in:
        yield People(
            form=await signed_in.enter_async_context(stack.client("form", {"marketing": ["importer"]})),
            rep=await signed_in.enter_async_context(stack.client("rep", {"sales": ["sales_rep"]})),
            warehouse=await signed_in.enter_async_context(stack.client("dispatch", {"distribution": ["importer"]})),
            reader=await signed_in.enter_async_context(stack.client("reader", {name: ["reader"] for name in stack.profile["services"]})),
        )


async def awaited(ask: Callable[[], Awaitable[dict[str, Any]]], holds: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The answer as soon as it exists and the condition holds for it; fails after 20 s with the last answer."""
    until = time.monotonic() + HOP_SECONDS
    last: object = None
    while time.monotonic() < until:
        try:
            last = answer = await ask()
            if holds(answer):
                return answer
        except ApiError as error:
            if error.status != 404:
                raise
            last = error
        await asyncio.sleep(0.05)
    pytest.fail(f"not within {HOP_SECONDS:.0f} s; the last answer was {last}")
