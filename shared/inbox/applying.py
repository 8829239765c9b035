"""A chunk of events is applied in one transaction: position, inbox, effects and the events that follow from them."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import ARRAY, BigInteger, Integer, Text, Uuid, bindparam, text
from sqlalchemy.exc import IntegrityError

from shared.db import failpoints
from shared.db.failures import is_away, is_duplicate
from shared.db.transaction import Database, Transaction
from shared.errors import Unavailable
from shared.events import language
from shared.inbox import gaps, parking
from shared.inbox.decoding import Record, Undecodable, decode, numbered
from shared.inbox.handlers import Handlers
from shared.inbox.parking import Fault, Kept, TooManyHeld
from shared.telemetry import metrics

log = structlog.get_logger()

Part = tuple[str, int]
"""A topic and one of its partitions."""

New = Mapping[type[Any], Sequence[language.Received[Any]]]
"""Events that have no effect yet, by class."""

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
_DAYS = text("""
SELECT w.day FROM unnest(:days) AS w (day) JOIN pg_inherits i ON i.inhrelid = to_regclass('inbox_p' || w.day) WHERE NOT i.inhdetachpending
""").bindparams(bindparam("days", type_=ARRAY(Text)))


class LostPosition(Exception):  # noqa: N818  a fact about ownership
    """Another owner moved the position first: read it again."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """A record with what could be made of it: an event, or the fault that keeps it from being one."""

    record: Record
    event_class: type[Any]
    event: language.Received[Any] | None
    fault: Fault | None

    @property
    def event_id(self) -> UUID | None:
        """Its id, as far as it can be read."""
        return self.event.id if self.event else numbered(self.record).event_id

    @property
    def number(self) -> tuple[str, UUID | None, int | None]:
        """Whose fact it is, of what subject, and which number it has."""
        kind = language.type_of(self.event_class)
        if self.event:
            return kind.producer, getattr(self.event.event, kind.subject), self.event.sequence
        found = numbered(self.record)
        return kind.producer, found.subject, found.sequence

    def kept(self, *, in_inbox: bool) -> Kept:
        return Kept(record=self.record, event_id=self.event_id, in_inbox=in_inbox, fault=self.fault)


class Applier:
    """Applies chunks. `positions` are the next offsets as PostgreSQL has them, kept by the caller and moved here after COMMIT."""

    def __init__(
        self, database: Database, handlers: Handlers, topic_prefix: str = "", *, max_held_keys: int = parking.MAX_HELD_KEYS
    ) -> None:
        self._database = database
        self._handlers = handlers
        self.max_held_keys = max_held_keys
        self._whole = gaps.whole(handlers)
        self._days: set[str] = set()
        self.listens_to = {topic_prefix + language.type_of(cls).name: cls for cls in handlers}

    async def apply(self, records: Sequence[Record], positions: dict[Part, int]) -> None:
        """Applies records: per partition in order, from its position on.

        An error that does not pass by itself is narrowed down by halves to its one event, which is parked; everything else is applied.
        Raises LostPosition, TooManyHeld, and whatever passes by itself (the database away, a conflict of locks).
        """
        await self._apply([self._read(record) for record in records], positions)

    async def effects(self, tx: Transaction, new: New) -> None:
        """What the events bring about, one handler after the other."""
        for event_class, handlers in self._handlers.items():
            for handler in handlers if event_class in new else ():
                await handler(tx, new[event_class])

    async def take(self, tx: Transaction, ids: Collection[UUID]) -> tuple[set[UUID], set[UUID]]:
        """Those of the ids that are new, from now on in the inbox; and those that it cannot hold, since its days do not reach there."""
        days = {each: day_of(each) for each in ids}
        unknown = sorted(set(days.values()) - self._days)
        if unknown:
            self._days |= {row.day for row in await tx.all(_DAYS, {"days": unknown})}
        outside = {each for each, day in days.items() if day not in self._days}
        fresh = set((await tx.execute(_TAKE, {"ids": [each for each in ids if each not in outside]})).scalars())
        return fresh, outside

    def _read(self, record: Record) -> _Reading:
        event_class = self.listens_to[record.topic]
        try:
            return _Reading(record, event_class, decode(record, self.listens_to), None)
        except Undecodable as error:
            return _Reading(record, event_class, None, parking.fault_of(error))

    async def _apply(self, readings: Sequence[_Reading], positions: dict[Part, int]) -> None:
        try:
            await self._transact_again_if_duplicate(readings, positions)
        except (LostPosition, TooManyHeld):
            raise
        except Exception as error:
            if is_passing(error):
                raise
            self._days.clear()  # a day of the inbox may have been dropped meanwhile
            if len(readings) == 1:
                fault = parking.fault_of(error)
                log.error("event_refused", **_place(readings[0].record), code=fault.code, exc_info=error)
                await self._transact([replace(readings[0], fault=fault)], positions)
            else:
                middle = len(readings) // 2
                await self._apply(readings[:middle], positions)
                await self._apply(readings[middle:], positions)

    async def _transact_again_if_duplicate(self, readings: Sequence[_Reading], positions: dict[Part, int]) -> None:
        try:
            await self._transact(readings, positions)
        except IntegrityError as error:
            if not is_duplicate(error):
                raise
            # Somebody created the same thing at the same moment; the second attempt sees it.
            await self._transact(readings, positions)

    async def _transact(self, readings: Sequence[_Reading], positions: dict[Part, int]) -> None:
        moves = {(each.record.topic, each.record.part): each.record.offset + 1 for each in readings}
        started = time.perf_counter()
        async with self._database.transaction() as tx:
            await _move(tx, moves, positions)
            failpoints.reached("chunk.after_position")
            new, kept, first = await self._sort(tx, readings)
            failpoints.reached("chunk.after_inbox")
            if kept:
                await parking.park(tx, kept, max_held_keys=self.max_held_keys)
            await self.effects(tx, new)
            await gaps.note(tx, [each.number for each in first if each.event_class in self._whole])  # late: its rows stay locked
            failpoints.reached("chunk.after_effects")
            await tx.flush()
            failpoints.reached("chunk.before_commit")
        failpoints.reached("chunk.after_commit")
        positions |= moves
        _measure(readings, new, kept, time.perf_counter() - started)

    async def _sort(self, tx: Transaction, readings: Sequence[_Reading]) -> tuple[New, list[Kept], list[_Reading]]:
        """What is to be applied; what is kept: the events at fault, and those behind a held key; and both. Copies are neither."""
        fresh, outside = await self.take(tx, {each.event.id for each in readings if each.event})
        readings = [replace(each, fault=OUTSIDE) if each.event and each.event.id in outside else each for each in readings]
        known = await self._known(tx, readings, fresh)
        held = await parking.held(tx, (key for each in readings if (key := parking.key_of(each.record))))
        new: dict[type[Any], list[language.Received[Any]]] = {}
        kept: list[Kept] = []
        bad: set[tuple[UUID | None, bytes | None]] = set()
        first: list[_Reading] = []
        for each in readings:
            in_inbox = each.event is not None and each.event.id in fresh
            copied = each.event_id is not None and (each.event_id, each.record.value) in bad
            if not in_inbox and (each.fault is None or copied or _spot(each.record) in known):
                continue  # a copy
            if each.event is not None:
                fresh.discard(each.event.id)  # within a chunk the first occurrence counts
            first.append(each)
            key = parking.key_of(each.record)
            if each.fault is None and each.event is not None and key not in held:
                new.setdefault(each.event_class, []).append(each.event)
            else:
                kept.append(each.kept(in_inbox=in_inbox))
                bad.add((each.event_id, each.record.value))
                held |= {key} if key else set()
        return new, kept, first

    async def _known(self, tx: Transaction, readings: Sequence[_Reading], fresh: set[UUID]) -> set[tuple[str, int, int]]:
        bad = [each for each in readings if each.fault and not (each.event and each.event.id in fresh)]
        return await parking.known(tx, [each.kept(in_inbox=False) for each in bad]) if bad else set()


OUTSIDE = Fault(kind="decode", code="ID_OUT_OF_WINDOW", text="ce_id")
"""The id is so old, or so far in the future, that no day of the inbox could tell a copy of it."""


def is_passing(error: BaseException) -> bool:
    """Whether trying the chunk again may help."""
    return is_away(error) or isinstance(error, Unavailable)


def day_of(event_id: UUID) -> str:
    """The UTC day that a UUIDv7 was made on, as in the names of the inbox's partitions."""
    milliseconds = event_id.int >> 80
    try:
        return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y%m%d}"
    except (ValueError, OverflowError, OSError):
        return "beyond"


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


def _spot(record: Record) -> tuple[str, int, int]:
    return record.topic, record.part, record.offset


def _place(record: Record) -> dict[str, Any]:
    return {"topic": record.topic, "part": record.part, "offset": record.offset}


def _measure(readings: Sequence[_Reading], new: New, kept: Sequence[Kept], seconds: float) -> None:
    applied = [event for events in new.values() for event in events]
    metrics.CHUNK_SIZE.observe(len(readings))
    metrics.CHUNK_SECONDS.observe(seconds)
    metrics.INBOX_DUPLICATES.inc(len(readings) - len(applied) - len(kept))
    for each in kept:
        log.warning("event_parked", **_place(each.record), code=each.fault.code if each.fault else "BEHIND", event_id=str(each.event_id))
    now = datetime.now(UTC)
    for event in applied:
        metrics.E2E_SECONDS.observe((now - event.recorded_at).total_seconds())
