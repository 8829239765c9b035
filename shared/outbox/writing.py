"""Events become outbox rows: numbered per subject, in the order in which they were handed over, just before COMMIT."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.cause import Cause
from shared.events import language
from shared.ids import new_id

# Rows in order of subject, so that two transactions that share subjects never wait for each other in a circle.
_TAKE_NUMBERS = """
INSERT INTO aggregate_sequence AS s (subject, last)
SELECT * FROM unnest($1::uuid[], $2::bigint[])
ON CONFLICT (subject) DO UPDATE SET last = s.last + excluded.last
RETURNING subject, last"""

_APPEND = """
INSERT INTO outbox (event_id, topic, key, headers, payload)
SELECT event_id, topic, key, headers, payload
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::bytea[])
     WITH ORDINALITY AS r (event_id, topic, key, headers, payload, place)
ORDER BY place"""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event on its way out. `recorded_at`: the transaction's time (aware, UTC)."""

    event: Any
    cause: Cause
    recorded_at: datetime


async def append(connection: AsyncConnection, outgoing: Sequence[Outgoing]) -> None:
    """Writes the rows. The connection must be inside a transaction that SQLAlchemy has executed a statement on.

    The subject's sequence row stays locked until COMMIT, so ids of one subject rise in commit order.
    """
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None  # noqa: S101  a checked-out connection has its driver
    kinds = [language.type_of(type(row.event)) for row in outgoing]
    subjects: list[UUID] = [getattr(row.event, kind.subject) for row, kind in zip(outgoing, kinds, strict=True)]
    counts = sorted(Counter(subjects).items())
    taken = await driver.fetch(_TAKE_NUMBERS, [subject for subject, _ in counts], [count for _, count in counts])
    following = {row["subject"]: row["last"] for row in taken}
    for subject, count in counts:
        following[subject] -= count
    columns: list[tuple[UUID, str, str, str, bytes]] = []
    for row, kind, subject in zip(outgoing, kinds, subjects, strict=True):
        following[subject] += 1
        event_id = new_id()
        key = str(getattr(row.event, kind.key))
        headers = _headers(row, kind, event_id, subject, following[subject])
        if kind.key == language.THREAD_KEY:
            headers.append(("ce_journeyid", key))
        columns.append((event_id, kind.name, key, to_json(headers).decode(), language.write(row.event)))
    await driver.execute(_APPEND, *(list(column) for column in zip(*columns, strict=True)))


def _headers(row: Outgoing, kind: language.EventType, event_id: UUID, subject: UUID, sequence: int) -> list[tuple[str, str | UUID]]:
    cause = row.cause
    headers: list[tuple[str, str | UUID]] = [
        ("ce_specversion", "1.0"),
        ("ce_id", event_id),
        ("ce_source", f"/services/{kind.producer}"),
        ("ce_subject", subject),
        ("ce_type", kind.name),
        ("ce_time", _rfc3339(cause.at)),
        ("ce_recordedtime", _rfc3339(row.recorded_at)),
        ("ce_dataschema", f"urn:baton:schema:{kind.name}:{kind.version}"),
        ("ce_correlationid", cause.correlation_id),
        ("ce_causationid", cause.causation_id),
        ("ce_aggregatesequence", str(sequence)),
        ("content-type", "application/json"),
    ]
    if cause.traceparent:
        headers.append(("traceparent", cause.traceparent))
    return headers


@lru_cache(maxsize=64)  # all events of a transaction are recorded at one time, and most happened then
def _rfc3339(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
