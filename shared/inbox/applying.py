"""A chunk of events is applied in one transaction: position, inbox, effects and the events that follow from them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import ARRAY, BigInteger, Integer, Text, Uuid, bindparam, text
from sqlalchemy.exc import IntegrityError

from shared.db.failures import is_away, is_duplicate
from shared.db.transaction import Database, Transaction
from shared.errors import NotKnownYet, Unavailable
from shared.events import language
from shared.inbox.decoding import Record, Undecodable, decode
from shared.inbox.handlers import Handlers
from shared.telemetry import metrics

log = structlog.get_logger()

Part = tuple[str, int]
"""A topic and one of its partitions."""

# Whoever moves the position from the expected value owns the chunk. Rows are locked in order, so that owners cannot block in a circle.
_MOVE = text("""
WITH wanted AS (SELECT * FROM unnest(:topics, :parts, :expected, :following) AS w (topic, part, expected, following)),
locked AS (
  SELECT c.topic, c.part, w.following FROM consumer_offset c JOIN wanted w ON (c.topic, c.part) = (w.topic, w.part)
  WHERE c.next_offset = w.expected ORDER BY c.topic, c.part FOR UPDATE OF c)
UPDATE consumer_offset c SET next_offset = l.following FROM locked l WHERE (c.topic, c.part) = (l.topic, l.part)
""").bindparams(
    bindparam("topics", type_=ARRAY(Text)),
    bindparam("parts", type_=ARRAY(Integer)),
    bindparam("expected", type_=ARRAY(BigInteger)),
    bindparam("following", type_=ARRAY(BigInteger)),
)
_TAKE = text("INSERT INTO inbox SELECT DISTINCT e FROM unnest(:ids) e ORDER BY e ON CONFLICT DO NOTHING RETURNING event_id").bindparams(
    bindparam("ids", type_=ARRAY(Uuid))
)


class LostPosition(Exception):  # noqa: N818  a fact about ownership
    """Another owner moved the position first: read it again."""


@dataclass(frozen=True, slots=True)
class Halted:
    """Why a partition is not read any further, and where it stands."""

    part: Part
    offset: int
    reason: str


class Applier:
    """Applies chunks. `positions` are the next offsets as PostgreSQL has them, kept by the caller and moved here after COMMIT."""

    def __init__(self, database: Database, handlers: Handlers, topic_prefix: str = "") -> None:
        self._database = database
        self._handlers = handlers
        self.listens_to = {topic_prefix + language.type_of(cls).name: cls for cls in handlers}

    async def apply(self, records: Sequence[Record], positions: dict[Part, int]) -> list[Halted]:
        """Applies records (per partition in order, from its position on) and returns the partitions that a bad record stops.

        A permanent error is narrowed down by halves to its one record; everything before and beside it is applied.
        Raises LostPosition, and whatever passes by itself (the database away, a conflict of locks).
        """
        try:
            await self._transact_again_if_duplicate(records, positions)
        except LostPosition:
            raise
        except Exception as error:
            if is_passing(error):
                raise
            if len(records) == 1:
                return [_halted(records[0], error)]
            middle = len(records) // 2
            halted = await self.apply(records[:middle], positions)
            stopped = {one.part for one in halted}
            right = [record for record in records[middle:] if (record.topic, record.part) not in stopped]
            return halted + (await self.apply(right, positions) if right else [])
        return []

    async def _transact_again_if_duplicate(self, records: Sequence[Record], positions: dict[Part, int]) -> None:
        try:
            await self._transact(records, positions)
        except IntegrityError as error:
            if not is_duplicate(error):
                raise
            # Somebody created the same thing at the same moment; the second attempt sees it.
            await self._transact(records, positions)

    async def _transact(self, records: Sequence[Record], positions: dict[Part, int]) -> None:
        received = [(self.listens_to[record.topic], decode(record, self.listens_to)) for record in records]
        moves = {(record.topic, record.part): record.offset + 1 for record in records}
        started = time.perf_counter()
        async with self._database.transaction() as tx:
            await _move(tx, moves, positions)
            fresh = await _take(tx, [event.id for _, event in received])
            new: dict[type[Any], list[language.Received[Any]]] = {}
            for event_class, event in received:
                if event.id in fresh:
                    fresh.discard(event.id)  # within a chunk the first occurrence counts
                    new.setdefault(event_class, []).append(event)
            for event_class, handlers in self._handlers.items():
                for handler in handlers if event_class in new else ():
                    await handler(tx, new[event_class])
        positions |= moves
        _measure(received, new, time.perf_counter() - started)


def is_passing(error: BaseException) -> bool:
    """Whether trying the chunk again may help."""
    return is_away(error) or isinstance(error, NotKnownYet | Unavailable)


async def _move(tx: Transaction, moves: Mapping[Part, int], positions: Mapping[Part, int]) -> None:
    parts = list(moves)
    result = await tx.execute(
        _MOVE,
        {
            "topics": [topic for topic, _ in parts],
            "parts": [part for _, part in parts],
            "expected": [positions[part] for part in parts],
            "following": [moves[part] for part in parts],
        },
    )
    if result.rowcount != len(parts):
        metrics.CAS_LOST.inc()
        raise LostPosition


async def _take(tx: Transaction, ids: Sequence[UUID]) -> set[UUID]:
    return set((await tx.execute(_TAKE, {"ids": list(ids)})).scalars())


def _halted(record: Record, error: Exception) -> Halted:
    reason = error.code if isinstance(error, Undecodable) else type(error).__name__
    log.error(
        "consumer_halted",
        topic=record.topic,
        part=record.part,
        offset=record.offset,
        reason=reason,
        exc_info=None if isinstance(error, Undecodable) else error,
    )
    return Halted((record.topic, record.part), record.offset, reason)


def _measure(received: Sequence[Any], new: Mapping[type[Any], Sequence[language.Received[Any]]], seconds: float) -> None:
    applied = [event for events in new.values() for event in events]
    metrics.CHUNK_SIZE.observe(len(received))
    metrics.CHUNK_SECONDS.observe(seconds)
    metrics.INBOX_DUPLICATES.inc(len(received) - len(applied))
    now = datetime.now(UTC)
    for event in applied:
        metrics.E2E_SECONDS.observe((now - event.recorded_at).total_seconds())
