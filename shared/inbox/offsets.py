"""How far a service has read, and how that is mended by hand while it does not read.

Positions stand in PostgreSQL. They are moved only from the value that was seen, so a consumer that starts meanwhile wins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code
from sqlalchemy import ARRAY, BigInteger, Integer, Text, bindparam, text

from shared.db import audit
from shared.db.audit import Author
from shared.db.transaction import Database, Transaction
from shared.errors import Conflict, Invalid
from shared.inbox import clients

ASK_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 5.0
"""How long the broker may take for the first record behind each position."""

LOG_START, LOG_END, HOLE, ASKED = "log_start", "log_end", "hole", "asked"

Part = tuple[str, int]

_LIST = text("SELECT topic, part, next_offset FROM consumer_offset ORDER BY topic, part")
_MOVE = text("""
UPDATE consumer_offset c SET next_offset = w.following FROM unnest(:topics, :parts, :expected, :following)
  AS w (topic, part, expected, following)
WHERE (c.topic, c.part) = (w.topic, w.part) AND c.next_offset = w.expected""").bindparams(
    bindparam("topics", type_=ARRAY(Text)),
    bindparam("parts", type_=ARRAY(Integer)),
    bindparam("expected", type_=ARRAY(BigInteger)),
    bindparam("following", type_=ARRAY(BigInteger)),
)
_FIRST_DAY = text("SELECT min(substring(inhrelid::regclass::text FROM '[0-9]{8}$')) FROM pg_inherits WHERE inhparent = 'inbox'::regclass")


class GroupIsRunning(Conflict):
    """The service reads: stop all its workers first; one that was killed counts as a member for 10 s."""


class PositionsMoved(Conflict):
    """Somebody moved a position meanwhile: the service runs."""


class BeyondInbox(Conflict):
    """The inbox does not reach back so far: events would be applied a second time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What is read next of a partition."""

    topic: str
    part: int
    next_offset: int

    @property
    def place(self) -> Part:
        """Which partition it is of."""
        return self.topic, self.part


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A position beside its log: from `start` to before `end`; both None where the partition does not exist.

    `trouble`: log_start or log_end where the log does not reach the position.
    """

    topic: str
    part: int
    next_offset: int
    start: int | None
    end: int | None
    trouble: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A position that is moved, and why."""

    topic: str
    part: int
    before: int
    after: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A process that reads for the group, as the broker knows it."""

    client: str
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """Where the logs of one cluster are asked for, and the group that must not read while positions are moved."""

    bootstrap: str
    group: str


async def list_positions(tx: Transaction) -> list[Position]:
    """All of them, by topic and partition."""
    return [Position(topic=row.topic, part=row.part, next_offset=row.next_offset) for row in await tx.all(_LIST)]


async def show(database: Database, log: Log) -> tuple[list[Standing], list[Member]]:
    """Positions beside their logs, and who reads now. Raises KafkaError, OSError or TimeoutError."""
    async with database.transaction() as tx:
        positions = await list_positions(tx)
    async with _asking(log) as asking:
        bounds = await asking.bounds([one.place for one in positions])
    return [_standing(one, bounds.get(one.place)) for one in positions], await members(log)


async def repair(database: Database, log: Log, *, topics: Collection[str], author: Author, reason: str) -> list[Move]:
    """Moves each position that its log does not reach, or that stands before a hole, to where the log goes on; `topics` to their start.

    The start is where a lost log begins, and the inbox absorbs what is read twice; behind a hole it goes on with the next record. What
    was lost, its owner sends again. Raises GroupIsRunning, PositionsMoved, KafkaError, OSError or TimeoutError.
    """
    await require_stopped(log)
    async with database.transaction() as tx:
        positions = await list_positions(tx)
    _require_known(topics, positions)
    async with _asking(log) as asking:
        bounds = await asking.bounds([one.place for one in positions])
        inside = [one for one in positions if one.topic not in topics and _is_inside(one, bounds.get(one.place))]
        firsts = await asking.firsts({one.place: one.next_offset for one in inside if one.next_offset < bounds[one.place][1]})
    moves = [move for one in positions if (move := _mended(one, bounds.get(one.place), firsts, topics)) is not None]
    return await _move(database, moves, author=author, action="offsets.repair", reason=reason)


async def reset(database: Database, log: Log, *, to: datetime, topics: Collection[str], author: Author, reason: str) -> list[Move]:
    """Moves positions (of `topics`, or all) back to the first record written at `to` (aware) or later; none is ever moved ahead.

    The inbox absorbs what had its effect. Raises BeyondInbox for a time before its first day, Invalid for one to come, GroupIsRunning,
    PositionsMoved, KafkaError, OSError or TimeoutError.
    """
    await require_stopped(log)
    async with database.transaction() as tx:
        if to > tx.now:
            raise Invalid.at("to-time", "IN_FUTURE", "Positions are only moved back.")
        first = (await tx.execute(_FIRST_DAY)).scalar_one()
        if first is None or to < datetime.strptime(first, "%Y%m%d").replace(tzinfo=UTC):
            raise BeyondInbox(inbox_begins=first)
        positions = await list_positions(tx)
    _require_known(topics, positions)
    chosen = [one for one in positions if not topics or one.topic in topics]
    async with _asking(log) as asking:
        found = await asking.at([one.place for one in chosen], to)
    moves = [
        Move(topic=one.topic, part=one.part, before=one.next_offset, after=found[one.place], reason=ASKED)
        for one in chosen
        if found.get(one.place, one.next_offset) < one.next_offset
    ]
    return await _move(database, moves, author=author, action="offsets.reset", reason=reason)


async def members(log: Log) -> list[Member]:
    """Who reads for the group now, as its coordinator knows. Raises KafkaError, OSError or TimeoutError."""
    admin = AIOKafkaAdminClient(bootstrap_servers=log.bootstrap)
    try:
        async with asyncio.timeout(ASK_SECONDS):
            await admin.start()
            answers: list[Any] = await admin.describe_consumer_groups([log.group])
    finally:
        await admin.close()
    found: list[Member] = []
    for code, _, _, _, _, listed, *_ in [group for answer in answers for group in answer.groups]:
        if code:
            raise for_code(code)(log.group)
        found += [Member(client=client, host=host.lstrip("/")) for _, client, host, *_ in listed]
    return found


async def require_stopped(log: Log) -> None:
    """Raises GroupIsRunning, naming who reads."""
    if found := await members(log):
        raise GroupIsRunning(group=log.group, members=", ".join(sorted(f"{one.client} at {one.host}" for one in found)))


def _require_known(topics: Collection[str], positions: Sequence[Position]) -> None:
    if unknown := sorted(set(topics) - {one.topic for one in positions}):
        raise Invalid.at("topic", "UNKNOWN_TOPIC", f"The service has never read {', '.join(unknown)}.")


def _standing(one: Position, bounds: tuple[int, int] | None) -> Standing:
    start, end = bounds or (None, None)
    trouble = None if bounds is None or _is_inside(one, bounds) else LOG_START if one.next_offset < bounds[0] else LOG_END
    return Standing(topic=one.topic, part=one.part, next_offset=one.next_offset, start=start, end=end, trouble=trouble)


def _is_inside(one: Position, bounds: tuple[int, int] | None) -> bool:
    return bounds is not None and bounds[0] <= one.next_offset <= bounds[1]


def _mended(one: Position, bounds: tuple[int, int] | None, firsts: Mapping[Part, int], topics: Collection[str]) -> Move | None:
    if bounds is None:
        return None
    after, why = one.next_offset, ASKED
    if one.topic in topics:
        after = bounds[0]
    elif (trouble := _standing(one, bounds).trouble) is not None:
        after, why = bounds[0], trouble
    elif firsts.get(one.place, after) > after:
        after, why = firsts[one.place], HOLE
    return None if after == one.next_offset else Move(topic=one.topic, part=one.part, before=one.next_offset, after=after, reason=why)


async def _move(database: Database, moves: list[Move], *, author: Author, action: str, reason: str) -> list[Move]:
    async with database.transaction() as tx:
        wanted = {
            "topics": [move.topic for move in moves],
            "parts": [move.part for move in moves],
            "expected": [move.before for move in moves],
            "following": [move.after for move in moves],
        }
        if moves and (await tx.execute(_MOVE, wanted)).rowcount != len(moves):
            raise PositionsMoved
        for move in moves:
            place = f"{move.topic}/{move.part} {move.before} → {move.after} ({move.reason})"
            await audit.record(
                tx, author, action=action, object_type="consumer_offset", object_id=place, fields=["next_offset"], reason=reason
            )
    return moves


class _asking:  # noqa: N801  used like a function
    """A reader of no group, for as long as the block lasts."""

    def __init__(self, log: Log) -> None:
        self._client = AIOKafkaConsumer(bootstrap_servers=log.bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)

    async def __aenter__(self) -> _asking:
        try:
            async with asyncio.timeout(ASK_SECONDS):
                await self._client.start()
        except BaseException:
            await clients.close(self._client)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await clients.close(self._client)

    async def bounds(self, places: Sequence[Part]) -> dict[Part, tuple[int, int]]:
        """First and next offset of each partition that exists."""
        async with asyncio.timeout(ASK_SECONDS):
            parts = await self._existing(places)
            starts, ends = await self._client.beginning_offsets(parts), await self._client.end_offsets(parts)
        return {(tp.topic, tp.partition): (starts[tp], ends[tp]) for tp in parts}

    async def at(self, places: Sequence[Part], time: datetime) -> dict[Part, int]:
        """The offset of the first record of that time or a later one; none where there is no such record."""
        async with asyncio.timeout(ASK_SECONDS):
            parts = await self._existing(places)
            found = await self._client.offsets_for_times({tp: int(time.timestamp() * 1000) for tp in parts})
        return {(tp.topic, tp.partition): one.offset for tp, one in found.items() if one is not None}

    async def firsts(self, positions: Mapping[Part, int]) -> dict[Part, int]:
        """The offset of the first record at or behind each position; each is to stand before the end of its log."""
        parts = {TopicPartition(*place): position for place, position in positions.items()}
        found: dict[Part, int] = {}
        if parts:
            self._client.assign(list(parts))
        for tp, position in parts.items():
            self._client.seek(tp, position)
        async with asyncio.timeout(LOOK_SECONDS + ASK_SECONDS):
            while waiting := [tp for tp in parts if (tp.topic, tp.partition) not in found]:
                for tp, records in (await self._client.getmany(*waiting, timeout_ms=1000)).items():
                    found[tp.topic, tp.partition] = records[0].offset
        return found

    async def _existing(self, places: Sequence[Part]) -> list[TopicPartition]:
        cluster = await self._client._client.fetch_all_metadata()
        return [TopicPartition(topic, part) for topic, part in places if part in (cluster.partitions_for_topic(topic) or ())]
