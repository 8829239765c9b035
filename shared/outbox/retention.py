"""Days that nobody needs any more leave outbox and inbox, a partition at a time.

The outbox is kept longer than the topics, so that it can fill them again, and the inbox longer than the outbox, so that it
knows every event that can still come.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

import asyncpg
import structlog

from shared.outbox import cursor as cursors

log = structlog.get_logger()

OUTBOX_DAYS = 14
INBOX_DAYS = 21

LOCK = 0x_BA70_0003

SESSION = {"lock_timeout": "1s", "statement_timeout": "60s", "application_name": "retention"}
"""Of the connection that this runs on: it never makes others wait behind it."""

# A table that was detached but not dropped, because something came between, is still found by its name.
_DAYS = """
SELECT c.relname AS name, p.relname AS parent, coalesce(i.inhdetachpending, false) AS pending, i.inhrelid IS NOT NULL AS attached
FROM pg_class p
JOIN pg_class c ON c.relnamespace = p.relnamespace AND c.relkind = 'r' AND c.relname ~ ('^' || p.relname || '_p[0-9]{8}$')
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = p.oid
WHERE p.oid IN (to_regclass('outbox'), to_regclass('inbox')) ORDER BY pending DESC, name"""


def require_order(topic_days: int, outbox_days: int, inbox_days: int) -> None:
    """Raises ValueError unless the outbox keeps events as long as the topics at least, and the inbox their ids longer still."""
    if not topic_days <= outbox_days < inbox_days:
        raise ValueError(
            f"topics keep events {topic_days} days, the outbox {outbox_days}, the inbox their ids {inbox_days}: "
            "the outbox must keep them as long as the topics at least, and the inbox longer than the outbox"
        )


async def drop_old(connection: Any, today: date, *, outbox_days: int = OUTBOX_DAYS, inbox_days: int = INBOX_DAYS) -> list[str]:
    """Drops the days (UTC) before the last so many, and returns their partitions' names; an unpublished event keeps its day.

    `connection` is a driver's own, outside of any transaction. While another connection does this work nothing is done, and a day that
    somebody still reads is left to the next time. Raises ValueError for an inbox that is kept no longer than the outbox.
    """
    require_order(0, outbox_days, inbox_days)
    kept = {"outbox": today - timedelta(days=outbox_days), "inbox": today - timedelta(days=inbox_days)}
    if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
        return []
    dropped: list[str] = []
    try:
        for found in await connection.fetch(_DAYS):
            if await _drop(connection, found, kept[found["parent"]]):
                dropped.append(found["name"])
    except (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError, TimeoutError) as error:
        log.warning("partition_in_use", error=type(error).__name__)
    finally:
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1)", LOCK)
    if dropped:
        log.info("partitions_dropped", names=dropped)
    return dropped


async def _drop(connection: Any, found: Mapping[str, Any], kept: date) -> bool:
    name, parent, attached = found["name"], found["parent"], found["attached"]
    if found["pending"]:  # it was interrupted between its two halves, and no other can leave before
        await connection.execute(f"ALTER TABLE {parent} DETACH PARTITION {name} FINALIZE")
        attached = False
    if _day_of(name) >= kept or (attached and not await _may_go(connection, name, parent)):
        return False
    if attached:  # not in a transaction, and so without the lock that would stop every writer and reader
        await connection.execute(f"ALTER TABLE {parent} DETACH PARTITION {name} CONCURRENTLY")
    if await _may_go(connection, name, parent):
        await connection.execute(f"DROP TABLE {name}")
        return True
    await _bring_back(connection, name)  # it was stamped anew before it left
    return False


async def _may_go(connection: Any, name: str, parent: str) -> bool:
    if parent == "inbox":
        return True
    cursor = await cursors.find(connection)
    invisible = f"SELECT EXISTS (SELECT FROM {name} WHERE NOT pg_visible_in_snapshot(xid, $1::text::pg_snapshot))"  # noqa: S608  a name of the catalogue
    return cursor is not None and not await connection.fetchval(invisible, cursor.base)


async def _bring_back(connection: Any, name: str) -> None:
    day = _day_of(name)
    await connection.execute(
        f"ALTER TABLE outbox ATTACH PARTITION {name} FOR VALUES FROM ('{day} 00:00:00+00') TO ('{day + timedelta(days=1)} 00:00:00+00')"
    )


def _day_of(name: str) -> date:
    return datetime.strptime(name[-8:], "%Y%m%d").date()  # noqa: DTZ007  a day of the name, in no zone
