"""Faults of the log and of positions: copies, another order, holes, and offsets that are lost or set back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiokafka.partitioner import murmur2
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from baton.local import services, state
from tests.chaos import records
from tests.chaos.checker.evidence import CONSUMERS
from tests.chaos.records import Raw
from tests.chaos.site import SERVICES, Member, SiteFailed, wait_until
from tests.chaos.stage import Stage

SHARE: Final = 0.25
"""Of all records so many are sent again: more than a fifth."""

MOST_COPIES: Final = 4000
GAP_SECONDS: Final = 240.0
"""A hole is told at the second look of two that lie half a minute apart, each at a moment without lag."""

PARTITIONS: Final = 12


def duplicates(stage: Stage) -> None:
    """F22: a quarter of all records once more, with the same ids, long after the first time and again after a restart."""
    with stage.fault("F22", "every topic") as entry:
        everything = records.read(stage.site.kafka)
        chosen = stage.chance.sample(everything, min(MOST_COPIES, max(1, int(len(everything) * SHARE))))
        half = len(chosen) // 2
        written = records.write(stage.site.kafka, chosen[:half])
        member = stage.site.member(stage.service(), "worker")
        entry.evidence |= stage.kill_and_wait(member)
        written += records.write(stage.site.kafka, chosen[half:])
        entry.evidence |= {"copies": len(written), "records": len(everything)}
        entry.expects["foreign"] = [one.place("copy") for one in written]
        entry.healed()
        stage.site.wait_ready([member])
        entry.demand("a fifth at least", len(written) >= min(MOST_COPIES, len(everything) // 5))


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Events that their owner's relay will never publish, since its cursor was put behind them."""

    owner: str
    rows: Sequence[dict[str, Any]]


def disorder(stage: Stage) -> None:
    """F23: events reach the log in another order than their owner wrote them, and one of them never."""
    owner = stage.chance.choice(("distribution", "sales"))
    worker = stage.site.member(owner, "worker")
    with stage.fault("F23", f"events of {owner}") as entry:
        window, dropped = _take_window(stage, worker)
        kept = [row for row in window.rows if row["event_id"] != dropped["event_id"]]
        written = records.write(stage.site.kafka, _permuted(stage, [_record(row) for row in kept]))
        entry.evidence |= {"moved": len(written), "dropped": 1}
        entry.expects["foreign"] = [one.place("moved") for one in written]
        entry.expects["lost"] = [dropped["event_id"]]
        number, subject = _number(dropped), _headers(dropped)["ce_subject"]
        entry.expects["gaps"] = [{"source": f"/services/{owner}", "subject": subject, "numbers": [number]}]
        entry.healed()
        stage.site.wait_ready([worker])
        stage.afterwards.append(lambda: _wait_told(stage, owner, subject))


def _take_window(stage: Stage, worker: Member) -> tuple[Window, dict[str, Any]]:
    """Stops a relay until its outbox holds what a hole can be made of, and lets it go on behind that."""
    owner = worker.service
    with stage.site.holding([worker]):
        stage.site.end(worker, signal.SIGTERM)
        found: dict[str, Any] = {}

        def enough() -> bool:
            found["rows"] = stage.query(owner, _WAITING)
            found["dropped"] = _droppable(found["rows"])
            return len(found["rows"]) >= 20 and found["dropped"] is not None

        wait_until(enough, 90, f"{owner} wrote nothing that could be left out")
        (cut,) = stage.query(owner, "SELECT pg_current_snapshot()::text AS base")
        rows = stage.query(owner, _WAITING_UP_TO, cut["base"])
        stage.query(owner, "UPDATE outbox_cursor SET base = $1::text::pg_snapshot, target = NULL, last_id = 0 RETURNING name", cut["base"])
    return Window(owner=owner, rows=rows), _droppable(rows) or found["dropped"]


_COLUMNS = "o.id, o.event_id::text AS event_id, o.topic, o.key, o.headers::text AS headers, o.payload"
_WAITING = f"""
SELECT {_COLUMNS} FROM outbox o, outbox_cursor c
WHERE NOT pg_visible_in_snapshot(o.xid, c.base)
  AND NOT (c.target IS NOT NULL AND pg_visible_in_snapshot(o.xid, c.target) AND o.id <= c.last_id) ORDER BY o.id"""
_WAITING_UP_TO = _WAITING.replace("ORDER BY", "AND pg_visible_in_snapshot(o.xid, $1::text::pg_snapshot) ORDER BY")


def _droppable(rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """An event in the middle of its subject's: earlier ones have been seen or will be, and a later one shows that it is missing."""
    last: dict[str, int] = defaultdict(int)
    for row in rows:
        subject = _headers(row)["ce_subject"]
        last[subject] = max(last[subject], _number(row))
    fitting = [row for row in rows if 1 < _number(row) < last[_headers(row)["ce_subject"]]]
    return fitting[0] if fitting else None


def _permuted(stage: Stage, found: Sequence[Raw]) -> list[Raw]:
    """The records of each key in another order, and the keys mixed."""
    shuffled = list(found)
    stage.chance.shuffle(shuffled)
    return shuffled


def _record(row: dict[str, Any]) -> Raw:
    headers = [(name, str(value).encode()) for name, value in json.loads(row["headers"])]
    return Raw(
        topic=row["topic"], part=_part_of(row["key"].encode()), key=row["key"].encode(), headers=headers, value=bytes(row["payload"])
    )


def _part_of(key: bytes) -> int:
    """Where Kafka's own partitioner puts the key."""
    return (murmur2(key) & 0x7FFFFFFF) % PARTITIONS


def _headers(row: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in json.loads(row["headers"])}


def _number(row: dict[str, Any]) -> int:
    return int(_headers(row)["ce_aggregatesequence"])


def _wait_told(stage: Stage, owner: str, subject: str) -> None:
    readers = sorted(
        {reader for topic, found in CONSUMERS.items() for reader in found if topic.startswith(("order", "deal")) and reader != owner}
    )
    logs = [stage.site.member(reader, "worker").log for reader in readers]

    def told() -> bool:
        return any("sequence_gap" in line and subject in line for log in logs for line in log.read_text(errors="replace").splitlines())

    wait_until(told, GAP_SECONDS, f"nobody has missed an event of {subject}")


def offsets_lost(stage: Stage) -> None:
    """F26: a group and its positions are lost, in Kafka and in PostgreSQL; another's are set back as far as the inbox reaches."""
    first, second = stage.chance.sample(SERVICES, 2)
    with stage.fault("F26", f"{first}: lost; {second}: set back") as entry:
        worker = stage.site.member(first, "worker")
        with stage.site.holding([worker]):
            stage.site.end(worker, signal.SIGTERM)
            delete_group(stage, first)
            entry.evidence["positions_lost"] = len(stage.query(first, "DELETE FROM consumer_offset RETURNING topic"))
            stage.pause(4.0, 6.0)
        stage.site.wait_ready([worker])
        worker = stage.site.member(second, "worker")
        with stage.site.holding([worker]):
            stage.site.end(worker, signal.SIGTERM)
            delete_group(stage, second)
            entry.evidence["positions_set_back"] = _reset(stage, second)
        stage.site.wait_ready([worker])
        entry.healed()
        entry.demand("positions were lost and set back", bool(entry.evidence["positions_lost"] and entry.evidence["positions_set_back"]))
        entry.expects["counters"] = [{"name": "baton_inbox_duplicates_total", "services": [first, second], "at_least": 1}]


def delete_group(stage: Stage, service: str) -> None:
    """Removes what Kafka knows of a group that has no member."""
    admin = AdminClient({"bootstrap.servers": stage.site.kafka})

    def gone() -> bool:
        try:
            for answer in admin.delete_consumer_groups([service]).values():
                answer.result(10)
        except KafkaException as error:
            return "NOT_FOUND" in str(error) or "not found" in str(error).lower() or "does not exist" in str(error).lower()
        return True

    wait_until(gone, 40, f"the group {service} cannot be deleted")


def _reset(stage: Stage, service: str) -> int:
    """The operator's command; how many positions it moved."""
    (first,) = stage.query(
        service,
        "SELECT min(substring(inhrelid::regclass::text FROM '[0-9]{8}$')) AS day FROM pg_inherits WHERE inhparent = 'inbox'::regclass",
    )
    since = datetime.strptime(first["day"], "%Y%m%d").replace(tzinfo=UTC) + timedelta(days=1)
    command = [sys.executable, "-m", f"services.{service}", "offsets", "reset", "--to-time", since.isoformat()]
    done = subprocess.run(
        [*command, "--principal", "operator", "--reason", "to see that a replay is harmless"],
        env=services.environment(stage.site.kept, service, os.environ),
        cwd=state.project(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"told"')]
    results = [answer for answer in answers if answer["told"] == "result"]
    if done.returncode or not results:
        raise SiteFailed(f"offsets of {service} could not be reset: {done.stdout[-400:]} {done.stderr[-400:]}")
    return len(results[-1]["moves"])
