"""I8: nothing that was published is unaccounted for, and what was parked is kept byte for byte."""

from __future__ import annotations

import base64
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.chaos.checker.evidence import CONSUMERS, SERVICES, Declared, Final, Place, Record, Row
from tests.chaos.checker.judging import Judged, text

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """What a service has parked: where it lay, and what it was, since copies of equal bytes are parked once."""

    service: str
    places: frozenset[Place]
    contents: frozenset[tuple[bytes | None, bytes | None]]

    def has(self, record: Record) -> bool:
        return record.place in self.places or (record.key, record.value) in self.contents


def conserved(final: Final, known: Declared) -> Judged:
    """Published = applied + parked + discarded, per consumer and topic; every parked row equals the record at its place."""
    judged = Judged(name="I8")
    records = {record.place: record for record in final.log}
    for service in SERVICES:
        parked = final.rows(f"{service}.parked_event")
        kept = _Kept(
            service=service,
            places=frozenset(_place(row) for row in parked),
            contents=frozenset((row["raw_key"], row["raw_value"]) for row in parked),
        )
        accounted = {text(row["event_id"]) for row in (*final.rows(f"{service}.inbox"), *parked) if row["event_id"]}
        for topic, readers in CONSUMERS.items():
            if service in readers:
                _account(judged, final, topic, kept, accounted)
        for row in parked:
            _as_it_was(judged, service, row, records.get(_place(row)))
        for place, kind in known.parked.items():
            if service in CONSUMERS.get(place[0], ()):
                there = place in kept.places or (place in records and kept.has(records[place]))
                judged.expect(there, f"{service} has not parked {place[0]}/{place[1]}/{place[2]} ({kind})")
    return judged


def counts(final: Final) -> dict[str, dict[str, int]]:
    """Per `service topic`: how many events were published, applied, parked and discarded."""
    found: dict[str, dict[str, int]] = {}
    for service in SERVICES:
        states = {text(row["event_id"]): row["state"] for row in final.rows(f"{service}.parked_event") if row["event_id"]}
        applied = {text(row["event_id"]) for row in final.rows(f"{service}.inbox")}
        for topic, readers in CONSUMERS.items():
            if service in readers:
                sums: defaultdict[str, int] = defaultdict(int)
                for event in final.by_topic.get(topic, ()):
                    sums["published"] += 1
                    state = states.get(event.id, "applied" if event.id in applied else "missing")
                    sums["parked" if state == "open" else state] += 1
                found[f"{service} {topic}"] = dict(sums)
    return found


def _account(judged: Judged, final: Final, topic: str, kept: _Kept, accounted: set[str]) -> None:
    for event in final.by_topic.get(topic, ()):
        judged.expect(event.id in accounted, f"{topic} {event.id} is neither applied nor parked nor discarded at {kept.service}")
    readable = {event.record.place for event in final.events if event.topic == topic}
    for record in final.log:
        if record.topic == topic and record.place not in readable:
            told = f"{topic}/{record.part}/{record.offset} cannot be read, and {kept.service} has not parked it"
            judged.expect(kept.has(record), told)


def _as_it_was(judged: Judged, service: str, row: Row, record: Record | None) -> None:
    named = f"the parked event {row['id']} of {service} ({row['topic']}/{row['part']}/{row['offset']})"
    if record is None:
        judged.expect(False, f"{named} is of no record in the log")
        return
    headers = tuple((_bytes(name), _bytes(value)) for name, value in row["raw_headers"])
    original = tuple((name.encode("utf-8", "surrogateescape"), value) for name, value in record.headers)
    judged.expect(row["raw_key"] == record.key, f"{named} has another key than the record")
    judged.expect(row["raw_value"] == record.value, f"{named} has another value than the record")
    judged.expect(headers == original, f"{named} has other headers than the record")
    at = _EPOCH + timedelta(milliseconds=record.time)
    judged.expect(abs(row["kafka_ts"] - at) < timedelta(milliseconds=1), f"{named} has another time than the record")


def kinds_parked(final: Final, known: Declared) -> dict[str, int]:
    """How many rows each kind of bad record has left, over all services."""
    found: defaultdict[str, int] = defaultdict(int)
    for service in SERVICES:
        for row in final.rows(f"{service}.parked_event"):
            kind = known.parked.get(_place(row))
            if kind is not None:
                found[kind] += 1
    return dict(found)


def _place(row: Row) -> Place:
    return row["topic"], row["part"], row["offset"]


def _bytes(part: Any) -> bytes | None:
    if isinstance(part, dict):
        return base64.b64decode(part["b64"])
    return None if part is None else str(part).encode()
