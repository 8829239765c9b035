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
from aiokafka import errors as kafka

from shared.db import failpoints, failures
from shared.outbox import cursor as cursors
from shared.outbox import positions, producing, stamping
from shared.outbox.cursor import Cursor, Page
from shared.outbox.positions import Place
from shared.telemetry import metrics

log = structlog.get_logger()

LOCK = 0x_BA70_0001
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

# What waiting does not mend; everything else passes by itself.
FOR_A_PERSON = (
    kafka.UnknownTopicOrPartitionError,
    kafka.InvalidTopicError,
    kafka.MessageSizeTooLargeError,
    kafka.RecordListTooLargeError,
    kafka.PolicyViolationError,
    kafka.TopicAuthorizationFailedError,
    kafka.ClusterAuthorizationFailedError,
    kafka.AuthenticationFailedError,
    kafka.SaslAuthenticationFailed,
    asyncpg.InsufficientPrivilegeError,
)


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
            except (kafka.KafkaError, asyncpg.PostgresError, *failures.PASSING) as error:
                self._failures += 1
                self.trouble = f"{type(error).__name__}: {str(error)[:200]}"
                blocked = isinstance(error, FOR_A_PERSON)
                metrics.RELAY_BLOCKED.set(blocked)
                (log.error if blocked else log.warning)("relay_interrupted", error=self.trouble, failures=self._failures, blocked=blocked)
                await self._pause(min(0.1 * 2 ** min(self._failures, 6), MAX_BACKOFF_SECONDS))

    async def _session(self) -> None:
        connection = await asyncpg.connect(self._dsn, timeout=3, command_timeout=5, server_settings=_SESSION)
        try:
            if not await self._elected(connection):
                return
            cursor = await self._open(connection)
            await connection.add_listener(CHANNEL, lambda *_: self._wake.set())
            if self._oldest is None:
                first = await cursors.read_page(connection, cursor, backlog=False, rows=1)
                self._waits_since(first.rows[0].created_at if first.rows else None)
            leadership = _Leadership(self, connection, cursor)
            await leadership.compare_with_log()
            if self._stopping.is_set():
                return
            producer = await producing.start(self._bootstrap, self._client_id)
            try:
                metrics.RELAY_LEADER.set(1)
                await leadership.publish_until_stopped(producer)
                await connection.execute("SELECT pg_advisory_unlock($1)", LOCK)  # another may lead while the producer ends
            except BaseException:
                metrics.RELAY_ABANDONED.inc()
                await producing.abandon(producer)
                raise
            metrics.RELAY_LEADER.set(0)
            await producing.stop(producer)
        finally:
            metrics.RELAY_LEADER.set(0)
            connection.terminate()  # gives the lock up at once, whatever state it is in

    async def _elected(self, connection: Any) -> bool:
        """Waits until this relay leads; False if it was stopped before."""
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
            self._publishes()
            self._waits_since(None)
            await self._pause(STANDBY_SECONDS)
            if self._stopping.is_set():
                return False
        return True

    async def _open(self, connection: Any) -> Cursor:
        await cursors.open_at_start(connection)
        cursor = await cursors.find(connection)
        if cursor is None:
            cursor = await stamping.adopt(connection)
            metrics.RESTORE_DETECTED.inc()
            log.error("restore_detected", advice="the database was restored; every event of the outbox is sent again")
        log.info("relay_elected", base=cursor.base)
        return cursor

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

    def __init__(self, relay: Relay, connection: Any, cursor: Cursor) -> None:
        self._relay = relay
        self._connection = connection
        self._cursor = cursor
        self._topics: set[str] = set()
        self._known: dict[Place, int] = {}
        self._acknowledged: dict[Place, int] = {}
        self._written = time.monotonic()
        self._full_pages = 0

    async def compare_with_log(self) -> None:
        """Finds topics that lost records while nobody looked."""
        self._known = await positions.read(self._connection)
        asked = {place for place in self._known if place[0].startswith(self._relay._topic_prefix)}
        ends = await positions.of_log(self._relay._bootstrap, asked) if asked else {}
        await self._repeat(positions.cut(self._known, ends), ends)

    async def publish_until_stopped(self, producer: AIOKafkaProducer) -> None:
        """Page after page; at the end the cursor stands behind the last."""
        relay = self._relay
        while not relay._stopping.is_set():
            relay._wake.clear()  # before reading: what commits after the read wakes the next one
            page = await cursors.read_page(self._connection, self._cursor, backlog=self._full_pages >= cursors.BACKLOG_PAGES)
            await self._send(producer, page)
            relay._publishes()
            self._full_pages = self._full_pages + 1 if page.full else 0
            await self._write(at_most_every=CURSOR_SECONDS if page.rows else IDLE_CURSOR_SECONDS)
            if not page.full:
                await relay._idle()
        await self._write(at_most_every=0)

    async def _send(self, producer: AIOKafkaProducer, page: Page) -> None:
        fallen, ends = set[str](), dict[Place, int]()
        if page.rows:
            failpoints.reached("relay.after_read")
            self._relay._waits_since(page.rows[0].created_at)
            offsets = await producing.publish(producer, page.rows, self._relay._topic_prefix, self._topics)
            failpoints.reached("relay.after_ack")
            fallen, ends = positions.fallen(self._known, offsets), {place: given[-1] for place, given in offsets.items()}
            for row in page.rows:
                metrics.RELAY_PUBLISHED.labels(row.topic).inc()
        if not page.full:
            self._relay._waits_since(None)
        self._cursor = cursors.advance(self._cursor, page)
        self._known |= ends
        self._acknowledged |= ends
        await self._repeat(fallen, ends)

    async def _repeat(self, topics: set[str], ends: Mapping[Place, int]) -> None:
        # What a partition of such a topic ended with once says nothing any more, unless `ends` says it anew.
        if not topics:
            return
        for topic in topics:
            metrics.LOG_TRUNCATED.labels(topic).inc()
        log.error("log_truncated", topics=sorted(topics), advice="they are filled again from the outbox; repair the offsets of consumers")
        named = {topic: topic.removeprefix(self._relay._topic_prefix) for topic in topics}
        ends = {place: last for place, last in ends.items() if place[0] in topics}
        self._cursor = await stamping.repeat(self._connection, self._cursor, named, ends)
        self._acknowledged = {place: last for place, last in self._acknowledged.items() if place[0] not in topics}
        self._known = {place: last for place, last in self._known.items() if place[0] not in topics} | ends

    async def _write(self, *, at_most_every: float) -> None:
        if time.monotonic() - self._written < at_most_every:
            return
        failpoints.reached("relay.before_cursor")
        await cursors.save(self._connection, self._cursor)
        await positions.keep(self._connection, self._acknowledged)
        self._acknowledged = {}
        self._written = time.monotonic()
        failpoints.reached("relay.after_cursor")
