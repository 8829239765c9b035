"""How the kernel's tables are created, and their partitions ahead of time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

AHEAD_DAYS = 14
INBOX_BACK_DAYS = 21

_CREATE = (
    "CREATE SEQUENCE outbox_id_seq CACHE 1",  # a cache would hand out ids that do not follow commit order
    """CREATE TABLE outbox (
        id bigint NOT NULL DEFAULT nextval('outbox_id_seq'),
        xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
        created_at timestamptz NOT NULL DEFAULT now(),
        event_id uuid NOT NULL, topic text NOT NULL, key text NOT NULL, headers jsonb NOT NULL, payload bytea NOT NULL,
        CONSTRAINT ck_outbox_sendable CHECK (octet_length(payload) + octet_length(key) + octet_length(headers::text) <= 300000),
        CONSTRAINT pk_outbox PRIMARY KEY (id, created_at)
    ) PARTITION BY RANGE (created_at)""",
    "CREATE INDEX ix_outbox_xid ON outbox (xid)",
    """CREATE TABLE outbox_cursor (
        name text CONSTRAINT pk_outbox_cursor PRIMARY KEY, base pg_snapshot NOT NULL, target pg_snapshot,
        last_id bigint NOT NULL DEFAULT 0, system_identifier bigint NOT NULL, updated_at timestamptz NOT NULL DEFAULT now())""",
    """CREATE TABLE outbox_position (
        topic text, part int, last_offset bigint NOT NULL, CONSTRAINT pk_outbox_position PRIMARY KEY (topic, part))""",
    """CREATE TABLE aggregate_sequence (
        subject uuid CONSTRAINT pk_aggregate_sequence PRIMARY KEY, last bigint NOT NULL) WITH (fillfactor = 70)""",
    """CREATE TABLE consumer_offset (
        topic text, part int, next_offset bigint NOT NULL,
        CONSTRAINT pk_consumer_offset PRIMARY KEY (topic, part)) WITH (fillfactor = 50)""",
    "CREATE TABLE inbox (event_id uuid CONSTRAINT pk_inbox PRIMARY KEY) PARTITION BY RANGE (event_id)",
    """CREATE TABLE idempotency_key (
        principal text, route text, key uuid, fingerprint bytea NOT NULL, status smallint NOT NULL,
        headers jsonb NOT NULL, body bytea NOT NULL, recorded_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_idempotency_key PRIMARY KEY (principal, route, key))""",
)


class Operations(Protocol):
    """What of alembic's `op` is needed here."""

    def execute(self, sqltext: str) -> Any: ...


def create(op: Operations) -> None:
    """The first revision of the kernel's tables. Never changed; a later form is a function of its own."""
    for statement in _CREATE:
        op.execute(statement)


def first_uuid7_of(day: date) -> UUID:
    """The lowest UUID whose time part is the beginning of that UTC day."""
    milliseconds = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
    return UUID(int=milliseconds << 80)


async def create_partitions(connection: AsyncConnection, today: date) -> int:
    """Creates the missing daily partitions of outbox and inbox, 14 days ahead, and returns how many. Repeatable."""
    existing = set((await connection.execute(text("SELECT inhrelid::regclass::text FROM pg_inherits"))).scalars())
    created = 0
    for offset in range(-INBOX_BACK_DAYS, AHEAD_DAYS + 1):
        day, following = today + timedelta(days=offset), today + timedelta(days=offset + 1)
        bounds = {f"inbox_p{day:%Y%m%d}": ("inbox", f"{first_uuid7_of(day)}", f"{first_uuid7_of(following)}")}
        if offset >= -1:
            bounds[f"outbox_p{day:%Y%m%d}"] = ("outbox", f"{day} 00:00:00+00", f"{following} 00:00:00+00")
        for name, (table, start, end) in bounds.items():
            if name not in existing:
                await connection.execute(
                    text(f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF {table} FOR VALUES FROM ('{start}') TO ('{end}')")
                )
                created += 1
    return created


async def days_ahead(connection: AsyncConnection, today: date) -> int:
    """For how many days after today both tables have partitions."""
    names = set((await connection.execute(text("SELECT inhrelid::regclass::text FROM pg_inherits"))).scalars())
    days = 0
    while {f"{table}_p{today + timedelta(days=days + 1):%Y%m%d}" for table in ("outbox", "inbox")} <= names:
        days += 1
    return days
