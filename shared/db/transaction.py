"""One database transaction: the recorded time, the statements, and the events that leave with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from pydantic_core import from_json
from sqlalchemy import CursorResult, Executable, Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shared.cause import Cause
from shared.events import language
from shared.outbox import writing

_NOW = select(func.now())

SERVER_SETTINGS = {"statement_timeout": "5000", "lock_timeout": "1000", "idle_in_transaction_session_timeout": "10000", "jit": "off"}

CLOSE_SECONDS = 2.0

FIGURE_SECONDS = 60
"""How long one statement over many facts may take; a command's has 3 seconds."""


@dataclass(frozen=True, slots=True)
class Emitted:
    """An event that waits for the end of its transaction."""

    event: Any
    cause: Cause


class Transaction:
    """What a use case writes in. `now` is the recorded time of everything it stores (aware, UTC)."""

    __slots__ = ("_buffer", "_connection", "_service", "_written", "now")

    def __init__(self, connection: AsyncConnection, *, service: str, now: datetime) -> None:
        self.now = now
        self._connection = connection
        self._service = service
        self._buffer: list[Emitted] = []
        self._written = 0

    @property
    def emitted(self) -> Sequence[Emitted]:
        """The events handed over so far, in order."""
        return tuple(self._buffer)

    @property
    def connection(self) -> AsyncConnection:
        """For the kernel's own tables."""
        return self._connection

    async def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        """Runs a statement."""
        return await self._connection.execute(statement, parameters)

    async def all(self, statement: Executable, parameters: Any = None) -> Sequence[Row[Any]]:
        """All rows of a query."""
        return (await self._connection.execute(statement, parameters)).all()

    async def first(self, statement: Executable, parameters: Any = None) -> Row[Any] | None:
        """The first row of a query, None if there is none."""
        return (await self._connection.execute(statement, parameters)).first()

    def emit(self, *events: Any, cause: Cause) -> None:
        """Buffers events. ValueError for one that this service does not own. Called by what saves state, never alone."""
        for event in events:
            owner = language.type_of(type(event)).producer
            if owner != self._service:
                raise ValueError(f"{type(event).__name__} belongs to {owner}, not to {self._service}")
            self._buffer.append(Emitted(event, cause))

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """What happens inside is undone, buffered events included, when it raises."""
        kept = len(self._buffer)
        try:
            async with self._connection.begin_nested():
                yield
        except BaseException:
            del self._buffer[kept:]
            raise

    async def flush(self) -> int:
        """Numbers the buffered events and writes them to the outbox, once, just before COMMIT. Returns how many were written in all."""
        unwritten = self._buffer[self._written :]
        if unwritten:
            await writing.append(self._connection, [writing.Outgoing(each.event, each.cause, self.now) for each in unwritten])
            self._written = len(self._buffer)
        return self._written


class Database:
    """One service's database: its connection pool and its transactions."""

    def __init__(self, url: str, *, service: str, topic_prefix: str = "", pool_size: int = 10) -> None:
        self.service = service
        self.topic_prefix = topic_prefix
        self.woken: Callable[[], None] = _nobody_waits
        self.engine = _engine(url, pool_size=pool_size, seconds=3, settings=SERVER_SETTINGS)
        # Figures have connections of their own: however many are asked for, commands never wait for them.
        patient = {"statement_timeout": str(FIGURE_SECONDS * 1000), "default_transaction_read_only": "on"}
        self._figures = _engine(url, pool_size=2, seconds=FIGURE_SECONDS, settings=SERVER_SETTINGS | patient)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """BEGIN … outbox rows … COMMIT … wake-up; a raised exception rolls everything back.

        A cancelled transaction gives its connection up: it may stand in the middle of an answer.
        """
        async with self.engine.connect() as connection:
            try:
                async with connection.begin():
                    tx = await self.enter(connection)
                    yield tx
                    sent = await tx.flush()
            except asyncio.CancelledError:
                await asyncio.shield(connection.invalidate())
                raise
        if sent:
            self.woken()

    @asynccontextmanager
    async def figures(self) -> AsyncIterator[Transaction]:
        """A transaction that only reads, and may take a minute for it; a database that does not answer is found out at once."""
        async with self._figures.connect() as connection:
            try:
                async with connection.begin():
                    async with asyncio.timeout(3):
                        tx = await self.enter(connection)
                    yield tx
            except (asyncio.CancelledError, TimeoutError):
                await asyncio.shield(connection.invalidate())
                raise

    async def enter(self, connection: AsyncConnection) -> Transaction:
        """The transaction of a connection that has begun. Its first statement also puts the driver inside it."""
        now = (await connection.execute(_NOW)).scalar_one()
        return Transaction(connection, service=self.service, now=now.astimezone(UTC))

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """A connection without a transaction's clock; like `transaction`, it is given up when its user is cancelled."""
        async with self.engine.connect() as connection:
            try:
                async with connection.begin():
                    yield connection
            except asyncio.CancelledError:
                await asyncio.shield(connection.invalidate())
                raise

    async def close(self) -> None:
        """Closes the pools: in order, or, where the server is silent, after 2 s without waiting for it."""
        closing = asyncio.gather(self.engine.dispose(), self._figures.dispose(), return_exceptions=True)
        await asyncio.wait({closing}, timeout=CLOSE_SECONDS)
        closing.cancel()


def _engine(url: str, *, pool_size: int, seconds: int, settings: Mapping[str, str]) -> AsyncEngine:
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=2,
        pool_recycle=1800,
        json_deserializer=partial(from_json, cache_strings="keys"),
        hide_parameters=True,  # an error is logged, and parameters may be contact data
        connect_args={"timeout": 3, "command_timeout": seconds, "server_settings": dict(settings)},
    )


def _nobody_waits() -> None:
    """No relay in this process and none to be told."""
