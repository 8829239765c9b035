"""Events of earlier days: an outbox as it looks after weeks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import asyncpg

from shared.db.transaction import Database

DAY_MILLISECONDS = 86_400_000

_AGE = """
UPDATE outbox o SET event_id = a.new, created_at = o.created_at - a.days * interval '24 hours',
       headers = replace(o.headers::text, o.event_id::text, a.new::text)::jsonb
FROM unnest($1::uuid[], $2::uuid[], $3::int[]) AS a (old, new, days) WHERE o.event_id = a.old"""


def today() -> date:
    """The UTC day."""
    return datetime.now(UTC).date()


async def connect(database: Database) -> asyncpg.Connection:
    """A driver's own connection, as upkeep has it."""
    dsn = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    return await asyncpg.connect(dsn, command_timeout=30, server_settings={"timezone": "UTC", "lock_timeout": "1s"})


async def age(connection: asyncpg.Connection, days: Sequence[int]) -> Counter[int]:
    """Spreads the outbox over these days before today, ids included, in order of the ids. Returns how many rows are how old."""
    for back in days:
        day = today() - timedelta(days=back)
        await connection.execute(
            f"CREATE TABLE IF NOT EXISTS outbox_p{day:%Y%m%d} PARTITION OF outbox"
            f" FOR VALUES FROM ('{day} 00:00:00+00') TO ('{day + timedelta(days=1)} 00:00:00+00')"
        )
    ids = [row["event_id"] for row in await connection.fetch("SELECT event_id FROM outbox ORDER BY id")]
    backs = [sorted(days, reverse=True)[place * len(days) // len(ids)] for place in range(len(ids))]
    new = [UUID(int=old.int - (back * DAY_MILLISECONDS << 80)) for old, back in zip(ids, backs, strict=True)]
    await connection.execute(_AGE, ids, new, backs)
    return Counter(backs)


async def days_of(connection: asyncpg.Connection, table: str) -> set[int]:
    """How many days back the attached partitions of that table lie."""
    rows = await connection.fetch("SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = $1::regclass", table)
    return {(today() - datetime.strptime(row["name"][-8:], "%Y%m%d").replace(tzinfo=UTC).date()).days for row in rows}
