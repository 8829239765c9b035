"""How the kernel's tables are created, and their partitions ahead of time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

AHEAD_DAYS = 14
INBOX_DAYS = 21

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

_KEEP = (
    # A key in here is held: its later events are parked behind. No next attempt: it waits for a person.
    """CREATE TABLE parked_key (
        key text CONSTRAINT pk_parked_key PRIMARY KEY, attempts int NOT NULL DEFAULT 0, next_attempt_at timestamptz)""",
    """CREATE TABLE parked_event (
        id bigint GENERATED ALWAYS AS IDENTITY, key text, event_id uuid, in_inbox boolean NOT NULL,
        topic text NOT NULL, part int NOT NULL, "offset" bigint NOT NULL, kafka_ts timestamptz NOT NULL,
        raw_key bytea, raw_headers jsonb NOT NULL, raw_value bytea, edited_value bytea,
        state text NOT NULL DEFAULT 'open', error_class text, error_code text, error_text text,
        parked_at timestamptz NOT NULL DEFAULT now(), resolved_at timestamptz,
        CONSTRAINT ck_parked_event_state CHECK (state IN ('open', 'applied', 'discarded')),
        CONSTRAINT pk_parked_event PRIMARY KEY (id),
        CONSTRAINT uq_parked_event_topic_part_offset_kafka_ts UNIQUE (topic, part, "offset", kafka_ts))""",
    "CREATE INDEX ix_parked_event_key_id ON parked_event (key, id) WHERE state = 'open'",
    "CREATE INDEX ix_parked_event_event_id ON parked_event (event_id)",
    # Which numbers of a subject have come, so that a missing one is noticed.
    """CREATE TABLE aggregate_seen (
        source text, subject uuid, numbers int8multirange NOT NULL,
        CONSTRAINT pk_aggregate_seen PRIMARY KEY (source, subject)) WITH (fillfactor = 70)""",
    """CREATE INDEX ix_aggregate_seen_gaps ON aggregate_seen (source, subject)
        WHERE numbers <> int8multirange(range_merge(numbers))""",
    """CREATE TABLE audit_log (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_audit_log PRIMARY KEY,
        xid xid8 NOT NULL DEFAULT pg_current_xact_id(), at timestamptz NOT NULL DEFAULT now(),
        principal text NOT NULL, token_jti text, action text NOT NULL, object_type text NOT NULL, object_id text NOT NULL,
        fields text[] NOT NULL, reason text, trace_id text, idempotency_key uuid)""",
)


class Operations(Protocol):
    """What of alembic's `op` is needed here."""

    def execute(self, sqltext: str) -> Any: ...


def create(op: Operations) -> None:
    """The first revision of the kernel's tables. Never changed; a later form is a function of its own."""
    for statement in _CREATE:
        op.execute(statement)


def create_keeping(op: Operations) -> None:
    """The second revision: what keeps a bad event, notices a missing one, and remembers what operators did."""
    for statement in _KEEP:
        op.execute(statement)


def first_uuid7_of(day: date) -> UUID:
    """The lowest UUID whose time part is the beginning of that UTC day."""
    milliseconds = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
    return UUID(int=milliseconds << 80)


async def create_partitions(connection: AsyncConnection, today: date, *, inbox_days: int = INBOX_DAYS) -> int:
    """Creates the missing daily partitions of outbox and inbox, 14 days ahead, and returns how many. Repeatable.

    The inbox goes back as many days as it is kept, since it may be told of what happened before it began.
    """
    existing = set((await connection.execute(text("SELECT inhrelid::regclass::text FROM pg_inherits"))).scalars())
    created = 0
    for offset in range(-inbox_days, AHEAD_DAYS + 1):
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


async def last_days(connection: AsyncConnection, today: date) -> dict[str, date]:
    """Up to which day outbox and inbox have a partition for each day from today on; yesterday where today's is missing."""
    names = set((await connection.execute(text("SELECT inhrelid::regclass::text FROM pg_inherits"))).scalars())
    last: dict[str, date] = {}
    for table in ("outbox", "inbox"):
        day = today
        while f"{table}_p{day:%Y%m%d}" in names:
            day += timedelta(days=1)
        last[table] = day - timedelta(days=1)
    return last
