"""What stands before replicas in production: each request goes to one that says it is ready, over a connection of its own."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from baton.local.ports import HOST
from tests.chaos.site import Member

LOOK_SECONDS: Final = 0.2
HEAD_BYTES: Final = 65_536
ANSWER_SECONDS: Final = 40.0
CONNECT_SECONDS: Final = 2.0
NOBODY: Final = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"


@dataclass(slots=True, kw_only=True)
class Front:
    """One address for the replicas of one service."""

    port: int
    replicas: Sequence[Member]
    ready: list[Member] = field(default_factory=list)
    turns: Iterator[int] = field(default_factory=itertools.count)

    async def serve(self) -> None:
        """Answers until cancelled."""
        server = await asyncio.start_server(self._client, HOST, self.port, limit=HEAD_BYTES)
        async with server, asyncio.TaskGroup() as group:
            group.create_task(self._look())
            group.create_task(server.serve_forever())

    async def _look(self) -> None:
        while True:
            answers = await asyncio.gather(*(asyncio.to_thread(one.is_ready) for one in self.replicas))
            self.ready = [one for one, is_ready in zip(self.replicas, answers, strict=True) if is_ready]
            await asyncio.sleep(LOOK_SECONDS)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(_length(head))
                writer.write(await self._answer(head, body))
                await writer.drain()
        writer.close()

    async def _answer(self, head: bytes, body: bytes) -> bytes:
        for _ in range(len(self.replicas)):
            ready = list(self.ready)
            if not ready:
                break
            chosen = ready[next(self.turns) % len(ready)]
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    reader, writer = await asyncio.open_connection(HOST, chosen.port)
            except (OSError, TimeoutError):  # nothing was sent: another may have it
                self.ready = [one for one in self.ready if one is not chosen]
                continue
            try:
                writer.write(_once(head) + body)
                async with asyncio.timeout(ANSWER_SECONDS):
                    return _kept(await reader.read(-1))
            finally:
                writer.close()
        return NOBODY


@contextmanager
def standing(fronts: Sequence[Front]) -> Iterator[None]:
    """The fronts answer while inside, on a loop of their own."""
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with asyncio.TaskGroup() as group:
            for front in fronts:
                group.create_task(front.serve())

    task = loop.create_task(serve())

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)

    thread = threading.Thread(target=run, name="front", daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)
        loop.close()


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


def _once(head: bytes) -> bytes:
    """The head of a request whose connection is for it alone."""
    lines = [line for line in head.split(b"\r\n") if line and not line.lower().startswith(b"connection:")]
    return b"\r\n".join([*lines, b"Connection: close", b"", b""])


def _kept(answer: bytes) -> bytes:
    """The whole answer, after which the caller's connection stays. Raises OSError for one that was cut short."""
    head, found, body = answer.partition(b"\r\n\r\n")
    if not found or (b"content-length" in head.lower() and len(body) < _length(head + b"\r\n\r\n")):
        raise OSError("cut short")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([*lines, b"", b""]) + body
