"""The outbox is a log, and a reader is a cursor: it reads what is visible now and was not visible in the snapshot it read last.

Ids alone would lose events (a lower id may commit later), and a horizon of the oldest running transaction would stop with it.
A snapshot names exactly which transactions were visible, so the difference of two snapshots is exactly what is new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

NAME = "relay"
PAGE_ROWS = 1000
# A page is at most one batch per partition: nothing stands behind a batch that the broker refuses.
PAGE_BYTES = 900_000
# So many full pages in a row mean a backlog, which the id-ordered form reads without sorting all that waits.
BACKLOG_PAGES = 5

# One statement sees one snapshot, so the target that it takes is the one it reads with.
_TARGET = "WITH t AS MATERIALIZED (SELECT coalesce($1::text::pg_snapshot, pg_current_snapshot()) AS s),"

_NEW = """
d AS MATERIALIZED (
  SELECT o.id, o.created_at, o.topic, o.key, o.headers, o.payload FROM outbox o, t
  WHERE o.xid >= pg_snapshot_xmax($2::text::pg_snapshot) AND pg_visible_in_snapshot(o.xid, t.s)
  UNION ALL
  SELECT o.id, o.created_at, o.topic, o.key, o.headers, o.payload
  FROM unnest(ARRAY(SELECT pg_snapshot_xip($2::text::pg_snapshot))) AS x (xid) JOIN outbox o ON o.xid = x.xid, t
  WHERE pg_visible_in_snapshot(o.xid, t.s))"""

_NEW_BY_ID = """
d AS (
  SELECT o.id, o.created_at, o.topic, o.key, o.headers, o.payload FROM outbox o, t
  WHERE o.id > $3
    AND (o.xid >= pg_snapshot_xmax($2::text::pg_snapshot) OR o.xid = ANY (ARRAY(SELECT pg_snapshot_xip($2::text::pg_snapshot))))
    AND pg_visible_in_snapshot(o.xid, t.s))"""

_PAGE = """
SELECT t.s::text AS target, p.id, p.created_at, p.topic, p.key, p.headers::text AS headers, p.payload, p.found
FROM t LEFT JOIN (
  SELECT * FROM (
    SELECT *, sum(bytes) OVER (ORDER BY id) AS running, count(*) OVER () AS found FROM (
      SELECT id, created_at, topic, key, headers, payload,
             octet_length(payload) + octet_length(key) + octet_length(headers::text) AS bytes
      FROM d WHERE id > $3 ORDER BY id LIMIT $4) limited) cut
  WHERE running <= $5 OR running = bytes) p ON true
ORDER BY p.id"""

BY_SNAPSHOT = "".join((_TARGET, _NEW, _PAGE))
BY_ID = "".join((_TARGET, _NEW_BY_ID, _PAGE))

# Behind the first transaction of all, so that everything is new.
_OPEN = """
INSERT INTO outbox_cursor (name, base, system_identifier)
SELECT $1, '1:1:'::pg_snapshot, system_identifier FROM pg_control_system()
ON CONFLICT (name) DO NOTHING"""
_FIND = """
SELECT c.base::text AS base, c.target::text AS target, c.last_id FROM outbox_cursor c JOIN pg_control_system() s USING (system_identifier)
WHERE c.name = $1 AND pg_current_xact_id() >= pg_snapshot_xmax(c.base)"""
_SAVE = """
UPDATE outbox_cursor c SET base = $2::text::pg_snapshot, target = $3::text::pg_snapshot, last_id = $4,
       system_identifier = s.system_identifier, updated_at = now()
FROM pg_control_system() s WHERE c.name = $1"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """A place in the outbox: all of `base` is read; of `target` what has an id up to `last_id` (no target: a new one is taken)."""

    base: str
    target: str | None = None
    last_id: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One event as it goes to Kafka. `headers` is a JSON list of pairs."""

    id: int
    created_at: datetime
    topic: str
    key: str
    headers: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """Rows in id order, the snapshot they were read with, and whether more of it waits."""

    rows: Sequence[Row]
    target: str
    full: bool


async def open_at_start(connection: Any) -> None:
    """Puts the cursor of a database that never had one before its first event."""
    await connection.execute(_OPEN, NAME)


async def find(connection: Any) -> Cursor | None:
    """The stored cursor; None if there is none, or if its snapshots mean nothing here.

    They do not when another cluster took them, or this one with transactions that it has not had: the database was restored.
    """
    row = await connection.fetchrow(_FIND, NAME)
    return Cursor(base=row["base"], target=row["target"], last_id=row["last_id"]) if row else None


async def save(connection: Any, cursor: Cursor) -> None:
    """Stores the cursor as one of this cluster."""
    await connection.execute(_SAVE, NAME, cursor.base, cursor.target, cursor.last_id)


async def read_page(connection: Any, cursor: Cursor, *, backlog: bool, rows: int = PAGE_ROWS, size: int = PAGE_BYTES) -> Page:
    """The rows behind the cursor: at most `rows`, and at most `size` bytes unless the first one alone is larger."""
    found = await connection.fetch(BY_ID if backlog else BY_SNAPSHOT, cursor.target, cursor.base, cursor.last_id, rows, size)
    page = [Row(r["id"], r["created_at"], r["topic"], r["key"], r["headers"], r["payload"]) for r in found if r["id"] is not None]
    waiting = found[0]["found"] or 0
    return Page(page, found[0]["target"], full=waiting >= rows or len(page) < waiting)


def advance(cursor: Cursor, page: Page) -> Cursor:
    """The cursor behind a page that was published."""
    if page.full:
        return replace(cursor, target=page.target, last_id=page.rows[-1].id)
    return Cursor(base=page.target)
