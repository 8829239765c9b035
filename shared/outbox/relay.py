"""The relay publishes the outbox. One leads per database; the others stand by.

Who holds the lock connection leads, and only on that connection does the cursor move: a leader that lost its session cannot
write it any more. Losing a cursor write only sends some events again, and every consumer drops what it has applied.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import asyncpg
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.db import failures
from shared.outbox import cursor as cursors
from shared.outbox import producing
from shared.outbox.cursor import Cursor, Page
from shared.telemetry import metrics

log = structlog.get_logger()

LOCK = 0x_BA70_0001
NAME = "relay"
CHANNEL = "outbox"
STANDBY_SECONDS = 1.0
IDLE_SECONDS = 0.2
CURSOR_SECONDS = 0.05
IDLE_CURSOR_SECONDS = 1.0
MAX_BACKOFF_SECONDS = 5.0

# The server ends a hung leader's session after 15 s, and with it its lock.
_SESSION = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "idle_session_timeout": "15s",
    "synchronous_commit": "off",  # only the cursor is written here, and losing it is harmless
    "statement_timeout": "5s",
    "application_name": "relay",
}

_OPEN = """
INSERT INTO outbox_cursor (name, base, system_identifier)
SELECT $1, '1:1:'::pg_snapshot, system_identifier FROM pg_control_system()
ON CONFLICT (name) DO NOTHING"""
_READ = """
SELECT c.base::text AS base, c.target::text AS target, c.last_id,
       c.system_identifier = s.system_identifier AND pg_current_xact_id()::text::numeric >= pg_snapshot_xmax(c.base)::text::numeric AS ours
FROM outbox_cursor c, pg_control_system() s WHERE c.name = $1"""
_WRITE = """
UPDATE outbox_cursor SET base = $2::text::pg_snapshot, target = $3::text::pg_snapshot, last_id = $4, updated_at = now() WHERE name = $1"""
_WRITE_POSITIONS = """
INSERT INTO outbox_position AS p (topic, part, last_offset)
SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[])
ON CONFLICT (topic, part) DO UPDATE SET last_offset = greatest(p.last_offset, excluded.last_offset)"""


class ForeignOutbox(Exception):  # noqa: N818  a fact about the database
    """The cursor was written in another cluster, or its transactions are ahead of this one: the database was restored."""


class Relay:
    """Runs until it is stopped; every error of PostgreSQL or Kafka is waited out."""

    def __init__(self, *, dsn: str, bootstrap: str, client_id: str, topic_prefix: str = "") -> None:
        self._dsn = dsn
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._topic_prefix = topic_prefix
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._failures = 0
        self._oldest: datetime | None = None
        self.trouble: str | None = None
        """What keeps it from publishing; None while it publishes or stands by."""

    def wake(self) -> None:
        """Says that a transaction with events has committed."""
        self._wake.set()

    def stop(self) -> None:
        """Asks it to finish its page and end."""
        self._stopping.set()
        self._wake.set()

    async def run(self) -> None:
        """Leads whenever it can, until stopped."""
        while not self._stopping.is_set():
            try:
                await self._session()
            except (KafkaError, asyncpg.PostgresError, ForeignOutbox, *failures.PASSING) as error:
                self._failures += 1
                self.trouble = f"{type(error).__name__}: {str(error)[:200]}"
                metrics.RELAY_BLOCKED.set(1)
                log.warning("relay_interrupted", error=self.trouble, failures=self._failures)
                await self._pause(min(0.1 * 2 ** min(self._failures, 6), MAX_BACKOFF_SECONDS))

    async def _session(self) -> None:
        connection = await asyncpg.connect(self._dsn, timeout=3, command_timeout=5, server_settings=_SESSION)
        try:
            while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
                self._publishes()
                self._waits_since(None)
                await self._pause(STANDBY_SECONDS)
                if self._stopping.is_set():
                    return
            cursor = await self._open(connection)
            log.info("relay_elected", base=cursor.base)
            await connection.add_listener(CHANNEL, lambda *_: self._wake.set())
            if self._oldest is None:
                first = await cursors.read_page(connection, cursor, backlog=False, rows=1)
                self._waits_since(first.rows[0].created_at if first.rows else None)
            producer = await producing.start(self._bootstrap, self._client_id)
            try:
                metrics.RELAY_LEADER.set(1)
                await _Leadership(self, connection, producer, cursor).publish_until_stopped()
            except BaseException:
                metrics.RELAY_ABANDONED.inc()
                await producing.abandon(producer)
                raise
            await producing.stop(producer)
        finally:
            metrics.RELAY_LEADER.set(0)
            connection.terminate()  # gives the lock up at once, whatever state it is in

    async def _open(self, connection: Any) -> Cursor:
        await connection.execute(_OPEN, NAME)
        row = await connection.fetchrow(_READ, NAME)
        if not row["ours"]:
            raise ForeignOutbox("the outbox cursor belongs to another cluster or a later state of this one")
        return Cursor(base=row["base"], target=row["target"], last_id=row["last_id"])

    def _publishes(self) -> None:
        self._failures = 0
        self.trouble = None
        metrics.RELAY_BLOCKED.set(0)

    def _waits_since(self, oldest: datetime | None) -> None:
        # An age is worked out when it is asked for: while no broker answers, nothing here would make it grow.
        self._oldest = oldest
        metrics.OUTBOX_OLDEST.set_function(lambda: (datetime.now(UTC) - oldest).total_seconds() if oldest else 0.0)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass

    async def _idle(self) -> None:
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            pass


class _Leadership:
    """One life as leader: from a cursor below which everything is acknowledged, page after page."""

    def __init__(self, relay: Relay, connection: Any, producer: AIOKafkaProducer, cursor: Cursor) -> None:
        self._relay = relay
        self._connection = connection
        self._producer = producer
        self._cursor = cursor
        self._topics: set[str] = set()
        self._positions: dict[tuple[str, int], int] = {}
        self._written = time.monotonic()
        self._full_pages = 0

    async def publish_until_stopped(self) -> None:
        relay = self._relay
        while not relay._stopping.is_set():
            relay._wake.clear()  # before reading: what commits after the read wakes the next one
            page = await cursors.read_page(self._connection, self._cursor, backlog=self._full_pages >= cursors.BACKLOG_PAGES)
            await self._send(page)
            relay._publishes()
            self._full_pages = self._full_pages + 1 if page.full else 0
            await self._write(at_most_every=CURSOR_SECONDS if page.rows else IDLE_CURSOR_SECONDS)
            if not page.full:
                await relay._idle()
        await self._write(at_most_every=0)

    async def _send(self, page: Page) -> None:
        if page.rows:
            self._relay._waits_since(page.rows[0].created_at)
            acknowledged = await producing.publish(self._producer, page.rows, self._relay._topic_prefix, self._topics)
            self._positions |= acknowledged
            for row in page.rows:
                metrics.RELAY_PUBLISHED.labels(row.topic).inc()
        if not page.full:
            self._relay._waits_since(None)
        self._cursor = cursors.advance(self._cursor, page)

    async def _write(self, *, at_most_every: float) -> None:
        if time.monotonic() - self._written < at_most_every:
            return
        await self._connection.execute(_WRITE, NAME, self._cursor.base, self._cursor.target, self._cursor.last_id)
        if self._positions:
            await self._connection.execute(_WRITE_POSITIONS, *_columns(self._positions))
            self._positions = {}
        self._written = time.monotonic()


def _columns(positions: Mapping[tuple[str, int], int]) -> tuple[list[str], list[int], list[int]]:
    places = sorted(positions)
    return [topic for topic, _ in places], [part for _, part in places], [positions[place] for place in places]
