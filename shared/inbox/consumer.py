"""The consumer reads what its service listens to. Kafka brings the records; PostgreSQL says which of them come next."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError
from aiokafka.structs import ConsumerRecord
from sqlalchemy import ARRAY, BigInteger, Integer, Text, bindparam, text

from shared.db import failpoints
from shared.db.transaction import Database
from shared.inbox import clients, gaps, parking
from shared.inbox.applying import Applier, LostPosition, Part, is_passing
from shared.inbox.decoding import Record
from shared.inbox.parking import TooManyHeld
from shared.telemetry import metrics

log = structlog.get_logger()

T = TypeVar("T")

Fetched = ConsumerRecord[Any, Any]

CHUNK_RECORDS = 500
POLL_MS = 200
START_SECONDS = 15.0
POSITION_SECONDS = 3.0
COMMIT_SECONDS = 1.0
COMMIT_TIMEOUT_SECONDS = 2.0
MAX_BACKOFF_SECONDS = 5.0
# Below max_poll_interval_ms (5 min): a longer wait leaves the group on purpose.
RETRY_SECONDS = 240.0
STALE_SECONDS = 30.0
STAND_SECONDS = 0.5
ENDS_SECONDS = 5.0

_NAMES = (bindparam("topics", type_=ARRAY(Text)), bindparam("parts", type_=ARRAY(Integer)))
# A partition that was never read begins at its earliest record.
_BEGIN = text(
    "INSERT INTO consumer_offset (topic, part, next_offset) SELECT * FROM unnest(:topics, :parts, :offsets) ON CONFLICT DO NOTHING"
).bindparams(*_NAMES, bindparam("offsets", type_=ARRAY(BigInteger)))
_READ = text(
    "SELECT c.topic, c.part, c.next_offset FROM consumer_offset c"
    " JOIN unnest(:topics, :parts) AS w (topic, part) ON (c.topic, c.part) = (w.topic, w.part)"
).bindparams(*_NAMES)


@dataclass(frozen=True, slots=True)
class Halted:
    """Why a partition is not read any further, and where it stands."""

    part: Part
    offset: int
    reason: str


class PollFailed(Exception):  # noqa: N818  a fact about a client
    """The client could not read: it is given up, and made anew."""


class Consumer:
    """One member of its service's group. Runs until it is stopped; errors of PostgreSQL or Kafka are waited out."""

    def __init__(self, database: Database, applier: Applier, *, bootstrap: str, group: str) -> None:
        self._database = database
        self._bootstrap = bootstrap
        self._group = group
        self._applier = applier
        self._gaps = gaps.Gaps(database)
        self._looked = time.monotonic()
        self._ends: dict[Part, int] = {}
        self._polled = time.monotonic()
        self._waiting: dict[Part, float] = {}
        self._stopping = asyncio.Event()
        self._positions: dict[Part, int] = {}
        self._halted: dict[Part, Halted] = {}
        self._holes: dict[Part, int] = {}
        self._seeking = asyncio.Lock()
        self._progress = time.monotonic()
        self._committed = 0.0
        self._failures = 0
        self._standing = False
        self._trouble: str | None = "not connected yet"
        self._silence: str | None = None

    @property
    def topics(self) -> list[str]:
        """The topics it reads."""
        return sorted(self._applier.listens_to)

    def trouble(self) -> str | None:
        """What keeps it from making progress; None if it does, or has nothing to do."""
        if self._halted:
            return "halted: " + ", ".join(f"{topic}/{part} at {one.offset} ({one.reason})" for (topic, part), one in self._halted.items())
        if self._trouble is None and time.monotonic() - self._progress > STALE_SECONDS:
            return f"no progress for {STALE_SECONDS:.0f} s"
        return self._trouble or self._silence

    def stop(self) -> None:
        """Asks it to finish its transaction and leave."""
        self._stopping.set()

    async def run(self) -> None:
        """Reads and applies until stopped; a consumer that is in doubt is closed and made anew."""
        while not self._stopping.is_set():
            try:
                if self._standing:
                    await self._stand()
                await self._member()
            except TooManyHeld:
                self._standing = True
            except Exception as error:
                # Nothing here may end the process: brokers and databases go away and come back.
                if not (isinstance(error, PollFailed | KafkaError | OSError | TimeoutError | RuntimeError) or is_passing(error)):
                    raise
                self._failures += 1
                self._trouble = f"{type(error).__name__}: {str(error)[:200]}"
                log.warning("consumer_interrupted", error=self._trouble, failures=self._failures)
                await self._pause(min(0.2 * 2 ** min(self._failures, 5), MAX_BACKOFF_SECONDS))

    async def _stand(self) -> None:
        # So many bad events are not the fault of each: reading on would only park more. The drain goes on, and with it this.
        self._trouble = f"{self._applier.max_held_keys} keys are held by parked events"
        log.error("too_many_keys_held", max_held_keys=self._applier.max_held_keys)
        while not self._stopping.is_set():
            async with self._database.transaction() as tx:
                self._standing = await parking.count_held(tx) >= self._applier.max_held_keys
            if not self._standing:
                return
            await self._pause(STAND_SECONDS)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _member(self) -> None:
        consumer = clients.make(self._bootstrap, self._group)
        try:
            consumer.subscribe(topics=self.topics, listener=_Assigned(self, consumer))
            async with asyncio.timeout(START_SECONDS):
                await _unless(self._stopping, consumer.start())
            while not self._stopping.is_set():
                await self._step(consumer)
            await self.commit(consumer)
        finally:
            await clients.close(consumer)

    async def _step(self, consumer: AIOKafkaConsumer) -> None:
        try:
            # getmany ignores its time-out during a rebalance.
            fetched = await _unless(self._stopping, consumer.getmany(timeout_ms=POLL_MS)) or {}
        except (NoOffsetForPartitionError, OffsetOutOfRangeError):
            await self.position(consumer, consumer.assignment())
            return
        except Exception as error:  # whatever its insides met, a new one may be without it
            raise PollFailed(f"{type(error).__name__}: {error}") from error
        self._polled = time.monotonic()
        if any((tp.topic, tp.partition) not in self._positions for tp in consumer.assignment()):
            # PostgreSQL did not answer at the assignment, and aiokafka reads from where Kafka's own advisory offset stands.
            await self.position(consumer, consumer.assignment())
            return
        self._failures, self._trouble = 0, None
        self._note_waiting(consumer, fetched)
        records = self._next_records(consumer, fetched)
        for start in range(0, len(records), CHUNK_RECORDS):
            await self._apply(consumer, records[start : start + CHUNK_RECORDS])
        self._progress = time.monotonic()
        self._show_lag(consumer)
        await self.commit(consumer, at_most_every=COMMIT_SECONDS)
        await self._look_for_gaps(consumer)

    def _next_records(self, consumer: AIOKafkaConsumer, fetched: dict[TopicPartition, list[Fetched]]) -> list[Record]:
        records: list[Record] = []
        for tp, found in fetched.items():
            position = self._positions.get((tp.topic, tp.partition))
            if position is None or (tp.topic, tp.partition) in self._halted:
                continue
            fresh = [_record(one) for one in found]
            fresh = [one for one in fresh if one.offset >= position]
            if fresh and fresh[0].offset > position:  # no topic here is compacted, so a hole is a loss; look once more
                self._hole(consumer, tp, position)
            else:
                records += fresh
        return records

    def _hole(self, consumer: AIOKafkaConsumer, tp: TopicPartition, position: int) -> None:
        part = (tp.topic, tp.partition)
        if self._holes.get(part) == position:
            self._halt(consumer, Halted(part, position, "hole"))
        else:
            self._holes[part] = position
            consumer.seek(tp, position)

    async def _apply(self, consumer: AIOKafkaConsumer, records: Sequence[Record]) -> None:
        delay = 0.05
        while not self._stopping.is_set():
            chunk = self._next_in_line(records)
            if not chunk:
                return
            try:
                await self._applier.apply(chunk, self._positions)
                return
            except LostPosition:
                await self.position(consumer, consumer.assignment())
                return
            except Exception as error:
                if not is_passing(error) or time.monotonic() - self._polled > RETRY_SECONDS:
                    raise
                self._trouble = f"{type(error).__name__}"
                log.warning("chunk_repeated", error=type(error).__name__, records=len(chunk))
                await self._pause(delay)
                delay = min(delay * 2, MAX_BACKOFF_SECONDS)

    def _next_in_line(self, records: Sequence[Record]) -> list[Record]:
        # Only what is still ours, not behind a record that halts its partition, and without a gap from the position on:
        # the position may have been read again since these records were fetched, and moving it over a gap would lose events.
        expected = dict(self._positions)
        chunk: list[Record] = []
        for one in records:
            part = (one.topic, one.part)
            if part not in self._halted and expected.get(part) == one.offset:
                expected[part] += 1
                chunk.append(one)
        return chunk

    def _halt(self, consumer: AIOKafkaConsumer, halted: Halted) -> None:
        topic, part = halted.part
        self._halted[halted.part] = halted
        metrics.CONSUMER_HALTED.labels(topic, part, halted.reason).set(1)
        log.error("partition_halted", topic=topic, part=part, offset=halted.offset, reason=halted.reason)
        with suppress(Exception):  # it may have been revoked meanwhile
            consumer.pause(TopicPartition(topic, part))

    async def position(self, consumer: AIOKafkaConsumer, assigned: Iterable[TopicPartition]) -> None:
        """Puts every assigned partition where PostgreSQL says. A log that does not reach from there on halts its partition."""
        async with asyncio.timeout(POSITION_SECONDS), self._seeking:
            parts = list(assigned)
            for topic, part in self._halted:  # it is tried again, and halts again unless somebody has mended it
                with suppress(IllegalStateError):
                    consumer.resume(TopicPartition(topic, part))
            self.forget()
            beginnings = await consumer.beginning_offsets(parts) if parts else {}
            ends = await consumer.end_offsets(parts) if parts else {}
            positions = await self._read_positions({(tp.topic, tp.partition): beginnings[tp] for tp in parts})
            for tp in parts:
                part = (tp.topic, tp.partition)
                self._positions[part] = position = positions[part]
                consumer.seek(tp, position)
                if not beginnings[tp] <= position <= ends[tp]:
                    self._halt(consumer, Halted(part, position, "log_start" if position < beginnings[tp] else "log_end"))

    async def _read_positions(self, beginnings: dict[Part, int]) -> dict[Part, int]:
        names = {"topics": [topic for topic, _ in beginnings], "parts": [part for _, part in beginnings]}
        async with self._database.transaction() as tx:
            await tx.execute(_BEGIN, {**names, "offsets": list(beginnings.values())})
            return {(row.topic, row.part): row.next_offset for row in await tx.all(_READ, names)}

    def forget(self) -> None:
        """The partitions were taken away: what is read of them now is not ours to apply, and their troubles are another's."""
        self._positions = {}
        self._waiting = {}
        metrics.CONSUMER_LAG.clear()
        for (topic, part), halted in self._halted.items():
            metrics.CONSUMER_HALTED.labels(topic, part, halted.reason).set(0)
        self._halted = {}

    async def commit(self, consumer: AIOKafkaConsumer, *, at_most_every: float = 0) -> None:
        """Tells Kafka the positions: for lag displays, and to see that a broker answers; a poll only comes back empty when none does."""
        if time.monotonic() - self._committed < at_most_every:
            return
        self._committed = time.monotonic()
        ours = consumer.assignment()
        offsets = {TopicPartition(*part): offset for part, offset in self._positions.items() if TopicPartition(*part) in ours}
        if offsets:
            failpoints.reached("chunk.before_kafka_commit")
            try:
                async with asyncio.timeout(COMMIT_TIMEOUT_SECONDS):
                    await consumer.commit(offsets)
                self._silence = None
            except (CommitFailedError, IllegalStateError):
                pass  # the group is about to share the partitions anew
            except (KafkaError, TimeoutError):
                self._silence = "Kafka does not answer"

    def _note_waiting(self, consumer: AIOKafkaConsumer, fetched: dict[TopicPartition, list[Fetched]]) -> None:
        # Since when the first record that is not applied waits: by its own time, or, of one that was not fetched yet, since it was noticed.
        for tp, found in fetched.items():
            if found:
                self._waiting[tp.topic, tp.partition] = found[0].timestamp / 1000
        for part in self._positions:
            if (consumer.highwater(TopicPartition(*part)) or 0) > self._positions[part]:
                self._waiting.setdefault(part, time.time())

    def _show_lag(self, consumer: AIOKafkaConsumer) -> None:
        for (topic, part), position in self._positions.items():
            behind = max(0, (consumer.highwater(TopicPartition(topic, part)) or 0) - position)
            metrics.CONSUMER_LAG.labels(topic, part).set(behind)
            if not behind:
                self._waiting.pop((topic, part), None)

    def lag_seconds(self) -> float:
        """The age of the oldest record that is not applied yet, as far as it is known."""
        return max(0.0, time.time() - min(self._waiting.values())) if self._waiting else 0.0

    async def _look_for_gaps(self, consumer: AIOKafkaConsumer) -> None:
        # The ends are asked for first, and looked once all that stood before them is read: under load they are never reached at the moment
        # when they are asked for.
        if not self._ends and time.monotonic() - self._looked >= gaps.CHECK_SECONDS:
            everywhere = [TopicPartition(topic, part) for topic in self.topics for part in consumer.partitions_for_topic(topic) or ()]
            async with asyncio.timeout(POSITION_SECONDS):
                self._ends = {(tp.topic, tp.partition): end for tp, end in (await consumer.end_offsets(everywhere)).items()}
        elif self._ends and time.monotonic() - self._looked >= ENDS_SECONDS:
            self._looked = time.monotonic()
            names = {"topics": [topic for topic, _ in self._ends], "parts": [part for _, part in self._ends]}
            async with self._database.transaction() as tx:
                positions = {(row.topic, row.part): row.next_offset for row in await tx.all(_READ, names)}
            if all(positions.get(part, 0) >= end for part, end in self._ends.items()):
                self._ends = {}
                await self._gaps.look()


class _Assigned(ConsumerRebalanceListener):
    """aiokafka logs what is raised here and goes on, so a failure leaves partitions without a position: they are not read."""

    def __init__(self, consumer: Consumer, client: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._client = client

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  # noqa: ARG002  aiokafka awaits it
        await self._consumer.commit(self._client)
        self._consumer.forget()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        try:
            await self._consumer.position(self._client, assigned)
        except Exception as error:  # the next poll meets partitions without a position and asks again
            log.warning("positions_unknown", error=type(error).__name__)


def _record(found: Fetched) -> Record:
    return Record(found.topic, found.partition, found.offset, found.key, found.headers, found.value, found.timestamp)


async def _unless(halt: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    # Races what may wait for long with the stop event; cancelling a poll or a start is harmless.
    got, stopped = asyncio.ensure_future(work), asyncio.ensure_future(halt.wait())
    try:
        await asyncio.wait((got, stopped), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        if not got.done():
            got.cancel()
            await asyncio.wait((got,))
    return got.result() if not got.cancelled() else None
