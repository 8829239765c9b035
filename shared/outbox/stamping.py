"""Published rows become new again by a new transaction id; their ids, headers and bytes stay, so every consumer knows them.

Only what is visible in the relay's `base` may be stamped, for that is published: a new stamp on a waiting row could let a later
event of its key overtake it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from shared.outbox import cursor as cursors
from shared.outbox import positions
from shared.outbox.cursor import Cursor
from shared.outbox.positions import Place

BATCH_ROWS = 1000
RATE = 500.0
"""Rows stamped in a second unless told otherwise: what consumers take beside their daily work."""

PATIENCE_SECONDS = 3600.0

_STAMP_ALL = "UPDATE outbox SET xid = pg_current_xact_id()"
_STAMP_TOPICS = f"{_STAMP_ALL} WHERE topic = ANY ($1) AND pg_visible_in_snapshot(xid, $2::text::pg_snapshot)"

_CHOSEN = """
FROM outbox WHERE pg_visible_in_snapshot(xid, $1::text::pg_snapshot)
  AND created_at >= coalesce($2::timestamptz, '-infinity') AND created_at < coalesce($3::timestamptz, 'infinity')
  AND ($4::text IS NULL OR topic = $4) AND ($5::text IS NULL OR key = $5) AND ($6::uuid IS NULL OR event_id = $6)"""
_COUNT = "SELECT count(*)" + _CHOSEN
_STAMP_NEXT = "".join(
    (
        "WITH chosen AS (SELECT id, created_at",
        _CHOSEN,
        " AND id > $7 ORDER BY id LIMIT $8) UPDATE outbox o SET xid = pg_current_xact_id() FROM chosen",
        " WHERE o.id = chosen.id AND o.created_at = chosen.created_at RETURNING o.id",
    )
)
_AUDIT = """
INSERT INTO audit_log (principal, action, object_type, object_id, fields, reason)
VALUES ($1, 'outbox.republish', 'outbox', $2, '{xid}', $3)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which published rows: all that agree with what is given. Times are those of recording, aware; `until` itself is left out."""

    since: datetime | None = None
    until: datetime | None = None
    topic: str | None = None
    key: str | None = None
    event_id: UUID | None = None

    def __str__(self) -> str:
        given = {name: getattr(self, name) for name in ("since", "until", "topic", "key", "event_id")}
        return " ".join(f"{name}={value}" for name, value in given.items() if value is not None) or "everything"


async def adopt(connection: Any) -> Cursor:
    """Makes the outbox of another cluster this one's: all its rows are new. Returns the cursor, which is stored.

    The base is taken before the stamping transaction begins, which could else count itself as visible in it.
    """
    cursor = Cursor(base=await connection.fetchval("SELECT pg_current_snapshot()::text"))
    async with connection.transaction():
        await connection.execute("SET LOCAL statement_timeout = 0")
        await connection.execute(_STAMP_ALL, timeout=PATIENCE_SECONDS)
        await cursors.save(connection, cursor)
    return cursor


async def repeat(connection: Any, cursor: Cursor, topics: Mapping[str, str], ends: Mapping[Place, int]) -> Cursor:
    """Makes the published rows of topics that lost records new. Returns the cursor from which to go on, which is stored.

    `topics`: name in Kafka to name in the outbox; `ends`: with which offsets their partitions are known to end now. They are stored in
    the same transaction: earlier, a crash would leave the loss unmended; later, it would be found again and again.
    """
    again = Cursor(base=cursor.base)  # what of the target was sent went into the log that lost records
    async with connection.transaction():
        await connection.execute("SET LOCAL statement_timeout = 0")
        await positions.put(connection, topics, ends)
        await connection.execute(_STAMP_TOPICS, list(topics.values()), again.base, timeout=PATIENCE_SECONDS)
        await cursors.save(connection, again)
    return again


async def republish(
    dsn: str,
    *,
    principal: str,
    reason: str,
    since: datetime | None = None,
    until: datetime | None = None,
    topic: str | None = None,
    key: str | None = None,
    event_id: UUID | None = None,
    rate: float = RATE,
    dry_run: bool = False,
    on_progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Sends published events again, at most `rate` rows a second, and returns how many; a dry run only counts them.

    What is published later than its beginning is not touched. `on_progress` is told how many are stamped so far. 0 also if the
    relay has yet to find out that the database was restored: it then sends everything again by itself.
    """
    selection = Selection(since=since, until=until, topic=topic, key=key, event_id=event_id)
    connection = await asyncpg.connect(dsn, timeout=3, command_timeout=60, server_settings={"application_name": "republish"})
    try:
        cursor = await cursors.find(connection)
        if cursor is None:
            return 0
        chosen = (cursor.base, since, until, topic, key, event_id)
        if dry_run:
            return await connection.fetchval(_COUNT, *chosen)
        stamped = last_id = 0
        while True:
            began = time.monotonic()
            async with connection.transaction():
                ids = [row["id"] for row in await connection.fetch(_STAMP_NEXT, *chosen, last_id, BATCH_ROWS)]
                if ids and not stamped:
                    await connection.execute(_AUDIT, principal, str(selection), reason)
            if not ids:
                return stamped
            stamped, last_id = stamped + len(ids), max(ids)
            on_progress(stamped)
            await asyncio.sleep(max(0.0, len(ids) / rate - (time.monotonic() - began)))
    finally:
        connection.terminate()
