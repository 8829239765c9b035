"""The final read: rows by SQL, and every topic from offset 0 by a Kafka client that the services do not use."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
from cloudevents.core.bindings import kafka as binding
from cloudevents.core.formats.json import JSONFormat
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from tests.chaos.checker.evidence import CONSUMERS, PRODUCERS, SERVICES, Before, Final, Place, Record, Row, event_of
from tests.chaos.checker.judging import text
from tests.chaos.checker.targets import Targets
from tests.chaos.checker.traces import IDENTITY

READ_SECONDS = 180.0
Ends = dict[tuple[str, int], tuple[int, int]]
"""First and next offset, per topic and partition."""

KERNEL = ("outbox", "inbox", "parked_event", "parked_key", "consumer_offset", "idempotency_key", "audit_log")
TABLES: Mapping[str, Sequence[str]] = {
    "marketing": ("leads", "stage_entries", "deal_outcomes", "deliveries", "lifecycles"),
    "handoff": ("leads", "decisions", "routings", "journey_facts", "rule_sets"),
    "sales": ("leads", "decisions", "offers", "answers", "opportunities", "deals", "order_facts"),
    "distribution": (
        "deals", "orders", "order_lines", "line_promises", "approvals", "shipments", "deliveries", "cancellations",
    ),
}  # fmt: skip
_UNREAD_COLUMNS = {"decisions": ("inputs", "contributions"), "deals": ("asked",), "opportunities": ("asked",)}
_UNPUBLISHED = "SELECT count(*) FROM outbox o WHERE NOT EXISTS (SELECT FROM outbox_cursor c WHERE pg_visible_in_snapshot(o.xid, c.base))"


async def connect(dsn: str) -> asyncpg.Connection:
    """A connection that reads JSON as objects."""
    connection = await asyncpg.connect(dsn, timeout=10, command_timeout=READ_SECONDS)
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(kind, encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    return connection


async def before(targets: Targets) -> Before:
    """What is there already: ids of events and of rows that only writes make."""
    events: set[str] = set()
    rows: dict[str, frozenset[str]] = {}
    for service in SERVICES:
        connection = await connect(targets.databases[service])
        try:
            events |= {text(row[0]) for row in await connection.fetch("SELECT event_id FROM outbox")}
            for table, column in IDENTITY.items():
                if table.startswith(f"{service}."):
                    found = await connection.fetch(f"SELECT {column} FROM {table.partition('.')[2]}")
                    rows[table] = frozenset(text(row[0]) for row in found)
        finally:
            await connection.close()
    return Before(events=frozenset(events), rows=rows)


async def waiting(targets: Targets) -> tuple[list[str], Ends]:
    """What waits to be published or applied at this moment, and where the log ends."""
    found: list[str] = []
    ends = await asyncio.to_thread(_ends, targets)
    for service in SERVICES:
        connection = await connect(targets.databases[service])
        try:
            if count := await connection.fetchval(_UNPUBLISHED):
                found.append(f"{count} events of {service} to be published")
            rows = await connection.fetch("SELECT topic, part, next_offset FROM consumer_offset")
        finally:
            await connection.close()
        positions = {(row["topic"].removeprefix(targets.topic_prefix), row["part"]): row["next_offset"] for row in rows}
        for topic, readers in CONSUMERS.items():
            if service in readers:
                lag = sum(end - positions.get((each, part), 0) for (each, part), (_, end) in ends.items() if each == topic)
                if lag:
                    found.append(f"{lag} records of {topic} to be read by {service}")
    return found, ends


async def settle(targets: Targets, seconds: float) -> tuple[float | None, list[str]]:
    """Waits until nothing waits, twice in a row at the same end of the log; gives how long that took, or None and what waits still."""
    begun = time.monotonic()
    seen: Ends = {}
    found: list[str] = ["nothing could be asked"]
    while time.monotonic() - begun <= seconds:
        try:
            found, ends = await waiting(targets)
        except (OSError, TimeoutError, asyncpg.PostgresError, KafkaException) as error:
            found, ends = [f"no answer: {type(error).__name__}"], {}
        if not found and ends == seen:
            return time.monotonic() - begun, []
        seen = ends
        await asyncio.sleep(0.5)
    return None, found or ["events keep coming"]


async def read(targets: Targets, known: Before, *, settled: float | None, still: Sequence[str], not_ready: Sequence[str]) -> Final:
    """Everything there is. What cannot be read is told in `unread`."""
    tables: dict[str, Sequence[Row]] = {}
    unread: list[str] = []
    for service in SERVICES:
        try:
            tables |= await _rows(targets, service)
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            unread.append(f"the database of {service} ({type(error).__name__})")
    log: list[Record] = []
    starts: dict[tuple[str, int], int] = {}
    try:
        ends = await asyncio.to_thread(_ends, targets)
        starts = {place: start for place, (start, _) in ends.items()}
        log = await asyncio.to_thread(_log, targets, ends)
        expected = {place: end - start for place, (start, end) in ends.items()}
        for record in log:
            expected[record.topic, record.part] -= 1
        unread += [f"{missing} records of {topic}/{part}" for (topic, part), missing in expected.items() if missing > 0]
    except KafkaException as error:
        unread.append(f"the log ({error})")
    final = Final(tables=tables, log=log, before=known, starts=starts, waiting=still, settled=settled, not_ready=not_ready, unread=unread)
    final.parsed, final.misread = _by_another_reader(log)
    return final


async def _rows(targets: Targets, service: str) -> dict[str, Sequence[Row]]:
    tables: dict[str, Sequence[Row]] = {}
    connection = await connect(targets.databases[service])
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            for table in (*KERNEL, *TABLES[service]):
                left_out = _UNREAD_COLUMNS.get(table, ())
                names = await connection.fetch(
                    "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped", table
                )
                columns = ", ".join(f'"{name[0]}"' for name in names if name[0] not in left_out and name[0] not in {"xid", "numbers"})
                # A partitioned table has no transaction of its own to show, and nobody asks for it.
                xmin = ", xmin::text::bigint AS _xmin" if table in (*TABLES[service], "parked_event") else ""
                order = " ORDER BY id" if table == "outbox" else ""
                tables[f"{service}.{table}"] = [
                    dict(row) for row in await connection.fetch(f'SELECT {columns}{xmin} FROM "{table}"{order}')
                ]
    finally:
        await connection.close()
    prefix = targets.topic_prefix
    for row in tables[f"{service}.parked_event"]:
        assert isinstance(row, dict)
        row["topic"] = row["topic"].removeprefix(prefix)
    return tables


def _consumer(targets: Targets) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": targets.kafka,
            "group.id": "checker",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "isolation.level": "read_uncommitted",
            "log_level": 0,
        }
    )


def _ends(targets: Targets) -> Ends:
    consumer = _consumer(targets)
    try:
        found = consumer.list_topics(timeout=10).topics
        ends: Ends = {}
        for topic in PRODUCERS:
            described = found.get(targets.topic_prefix + topic)
            for part in described.partitions if described else ():
                low, high = consumer.get_watermark_offsets(TopicPartition(targets.topic_prefix + topic, part), timeout=10)
                ends[topic, part] = (low, high)
        return ends
    finally:
        consumer.close()


def _log(targets: Targets, ends: Ends) -> list[Record]:
    consumer = _consumer(targets)
    left = {place for place, (start, end) in ends.items() if end > start}
    records: list[Record] = []
    until = time.monotonic() + READ_SECONDS
    try:
        consumer.assign([TopicPartition(targets.topic_prefix + topic, part, ends[topic, part][0]) for topic, part in sorted(left)])
        while left and time.monotonic() < until:
            for message in consumer.consume(5000, timeout=1.0):
                error = message.error()
                place = ((message.topic() or "").removeprefix(targets.topic_prefix), message.partition() or 0)
                if error is not None:
                    if error.code() == KafkaError._PARTITION_EOF:
                        left.discard(place)
                    elif error.fatal():
                        raise KafkaException(error)
                    continue
                if (message.offset() or 0) < ends[place][1]:
                    records.append(_record(message, place))
    finally:
        consumer.close()
    return sorted(records, key=lambda record: record.place)


def _record(message: Any, place: tuple[str, int]) -> Record:
    key, value = message.key(), message.value()
    return Record(
        topic=place[0],
        part=place[1],
        offset=message.offset(),
        time=message.timestamp()[1],
        key=None if key is None else bytes(key),
        headers=tuple((name, None if content is None else bytes(content)) for name, content in message.headers() or ()),
        value=None if value is None else bytes(value),
    )


def _by_another_reader(log: Sequence[Record]) -> tuple[int, list[tuple[Place, str]]]:
    misread: list[tuple[Place, str]] = []
    parsed = 0
    form = JSONFormat()
    for record in log:
        event = event_of(record)
        if event is None or record.value is None:
            continue
        parsed += 1
        headers = {name: value or b"" for name, value in record.headers}
        named = f"{record.topic}/{record.part}/{record.offset}"
        try:
            read_ = binding.from_binary(binding.KafkaMessage(headers=headers, key=record.key, value=record.value), form)
            equal = (read_.get_id().lower(), read_.get_subject(), read_.get_type()) == (event.id, event.subject, record.topic)
        except Exception as error:  # whatever it raises, it could not read it
            misread.append((record.place, f"{named}: {type(error).__name__}"))
            continue
        if not equal:
            misread.append((record.place, f"{named} reads as another event"))
    return parsed, misread
