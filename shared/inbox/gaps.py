"""Facts of a subject are numbered 1, 2, 3 … by their owner. Whoever reads all of them notices one that never came.

Nothing waits for it: the numbers that have come are noted with the effects, and a hole that is still there at a second look is told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import ARRAY, BigInteger, Text, Uuid, bindparam, text

from shared.db.transaction import Database, Transaction
from shared.events import language
from shared.telemetry import metrics

log = structlog.get_logger()

CHECK_SECONDS: Final = 30.0

_NOTE = text("""
INSERT INTO aggregate_seen AS s (source, subject, numbers)
SELECT source, subject, range_agg(int8range(number, number, '[]'))
FROM unnest(:sources, :subjects, :numbers) AS n (source, subject, number) GROUP BY source, subject ORDER BY source, subject
ON CONFLICT (source, subject) DO UPDATE SET numbers = s.numbers + excluded.numbers""").bindparams(
    bindparam("sources", type_=ARRAY(Text)), bindparam("subjects", type_=ARRAY(Uuid)), bindparam("numbers", type_=ARRAY(BigInteger))
)
# From the first number seen on: who began to listen later has not missed what came before.
_MISSING = text("""
SELECT source, subject, (int8multirange(range_merge(numbers)) - numbers)::text AS missing FROM aggregate_seen
WHERE numbers <> int8multirange(range_merge(numbers)) LIMIT 1000""")

Gap = tuple[str, str, str]
"""Owner, subject, and the missing numbers as ranges."""


def whole(listens_to: Iterable[type[Any]]) -> frozenset[type[Any]]:
    """Those of the event classes whose aggregate is read with all its topics; of others, numbers are missing by nature."""
    language.load()
    read = set(listens_to)
    all_of: dict[tuple[str, str], set[type[Any]]] = defaultdict(set)
    for event_class in language.declared():
        kind = language.type_of(event_class)
        all_of[kind.producer, kind.aggregate].add(event_class)
    return frozenset(cls for cls in read if all_of[language.type_of(cls).producer, language.type_of(cls).aggregate] <= read)


async def note(tx: Transaction, seen: Sequence[tuple[str, UUID | None, int | None]]) -> None:
    """Notes what came for the first time, parked or not: owner, subject, number. What could not be read is not noted."""
    rows = [row for row in seen if row[1] is not None and row[2] is not None]
    if rows:
        sources, subjects, numbers = (list(column) for column in zip(*rows, strict=True))
        await tx.execute(_NOTE, {"sources": sources, "subjects": subjects, "numbers": numbers})


class Gaps:
    """Looks for holes. One is told, once, when it is there in two looks in a row."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._suspected: set[Gap] = set()
        self._told: set[Gap] = set()

    async def look(self) -> None:
        """One look, at a moment when everything in the log has been read."""
        async with self._database.transaction() as tx:
            found = {(row.source, str(row.subject), row.missing) for row in await tx.all(_MISSING)}
        for gap in sorted((found & self._suspected) - self._told):
            source, subject, missing = gap
            metrics.SEQUENCE_GAPS.inc()
            log.error("sequence_gap", source=f"/services/{source}", subject=subject, numbers=missing)
        self._told = found & (self._told | self._suspected)
        self._suspected = found
