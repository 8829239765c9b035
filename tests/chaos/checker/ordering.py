"""I4: what is told of a thing is numbered without a gap, lies in the log in that order, and is applied in that order."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence

from tests.chaos.checker.evidence import CONSUMERS, SERVICES, Declared, Event, Final
from tests.chaos.checker.judging import Judged, some, text

Lane = tuple[str, str, str]
"""Topic, source and subject."""

APPLIED: Mapping[str, str] = {
    "handoff.leads": "event_id",
    "handoff.journey_facts": "event_id",
    "sales.order_facts": "event_id",
    "marketing.stage_entries": "cause_event_id",
    "marketing.deal_outcomes": "cause_event_id",
    "marketing.deliveries": "cause_event_id",
}
"""Tables whose rows are added by an event, never changed, and name it: their transaction tells when it was applied."""


def in_order(final: Final, known: Declared) -> Judged:
    """First occurrences in the log, numbers over all topics, and effects as they were applied."""
    judged = Judged(name="I4")
    foreign = {
        (event.source, event.subject) for event in final.events if event.record.place in known.foreign and not _is_copy(event, known)
    }
    events = [event for event in final.first.values() if event.record.place not in known.foreign]
    _log(judged, events, foreign)
    _numbers(judged, events, foreign, known)
    _parts(judged, events)
    _applied(judged, final, foreign)
    _behind_held_keys(judged, final, known)
    _behind_released_keys(judged, final, known)
    return judged


def _log(judged: Judged, events: Sequence[Event], foreign: set[tuple[str, str]]) -> None:
    last: dict[Lane, Event] = {}
    for event in events:
        lane = (event.topic, event.source, event.subject)
        before = last.get(lane)
        if before is not None and (event.source, event.subject) not in foreign:
            rises = event.sequence > before.sequence and event.record.part == before.record.part
            judged.expect(rises, f"{event.topic} of {event.subject}: {event.sequence} lies behind {before.sequence} in the log")
        last[lane] = event


def _numbers(judged: Judged, events: Sequence[Event], foreign: set[tuple[str, str]], known: Declared) -> None:
    taken: defaultdict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    for event in events:
        numbers = taken[event.source, event.subject]
        other = numbers.setdefault(event.sequence, event.id)
        judged.expect(other == event.id, f"{event.source} {event.subject}: number {event.sequence} belongs to {other} and {event.id}")
    for subject, numbers in taken.items():
        if subject in foreign:
            continue
        missing = set(range(1, max(numbers) + 1)) - set(numbers) - known.gaps.get(subject, frozenset())
        judged.expect(not missing, f"{subject[0]} {subject[1]}: the numbers {some(map(str, sorted(missing)))} are missing")


def _parts(judged: Judged, events: Sequence[Event]) -> None:
    part_of: dict[tuple[str, bytes | None], int] = {}
    for event in events:
        part = part_of.setdefault((event.topic, event.record.key), event.record.part)
        judged.expect(part == event.record.part, f"{event.topic}: a key lies in partitions {part} and {event.record.part}")


def _applied(judged: Judged, final: Final, foreign: set[tuple[str, str]]) -> None:
    for table, column in APPLIED.items():
        written: dict[str, int] = {}
        for row in final.rows(table):
            written.setdefault(text(row[column]), row["_xmin"])
        lanes: defaultdict[Lane, list[Event]] = defaultdict(list)
        for event in final.first.values():
            if event.id in written and (event.source, event.subject) not in foreign:
                lanes[event.topic, event.source, event.subject].append(event)
        for events in lanes.values():
            ordered = sorted(events, key=lambda event: event.sequence)
            for earlier, later in itertools.pairwise(ordered):
                holds = written[earlier.id] <= written[later.id]
                told = f"{table}: {later.topic} {later.sequence} of {later.subject} was applied before {earlier.sequence}"
                judged.expect(holds, told)


def _behind_held_keys(judged: Judged, final: Final, known: Declared) -> None:
    for service in SERVICES:
        rows = [row for row in final.rows(f"{service}.parked_event") if row["state"] == "open"]
        waiting = {text(row["event_id"]) for row in rows if row["event_id"]}
        holding: dict[tuple[str, str], int] = {}
        for row in rows:
            if row["error_code"] and row["key"] is not None:
                place = (row["topic"], row["key"])
                holding[place] = min(row["offset"], holding.get(place, row["offset"]))
        for event in final.first.values():
            if service not in CONSUMERS.get(event.topic, ()) or event.record.place in known.parked:
                continue
            held_since = holding.get((event.topic, (event.record.key or b"").decode(errors="replace")))
            if held_since is not None and event.record.offset > held_since:
                told = f"{service} applied {event.topic} {event.id} although its key is held since offset {held_since}"
                judged.expect(event.id in waiting, told)


def _behind_released_keys(judged: Judged, final: Final, known: Declared) -> None:
    """What lies behind a bad event and has an effect from before that was let go was applied while its key was held."""
    applied: dict[str, dict[str, int]] = {service: {} for service in SERVICES}
    for table, column in APPLIED.items():
        for row in final.rows(table):
            applied[table.partition(".")[0]].setdefault(text(row[column]), row["_xmin"])
    for service in SERVICES:
        rows = final.rows(f"{service}.parked_event")
        waited = {text(row["event_id"]) for row in rows if row["event_id"]}
        let_go: defaultdict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
        for row in rows:
            if row["state"] == "discarded" and row["error_code"] and row["key"] is not None:
                let_go[row["topic"], row["key"]].append((row["offset"], row["_xmin"]))
        for event in final.first.values():
            if event.id not in applied[service] or event.record.place in known.parked:
                continue
            for offset, released in let_go.get((event.topic, (event.record.key or b"").decode(errors="replace")), ()):
                if event.record.offset > offset and applied[service][event.id] < released:
                    told = f"{service} applied {event.topic} {event.id} while its key was held by the bad event at offset {offset}"
                    judged.expect(event.id in waited, told)


def _is_copy(event: Event, known: Declared) -> bool:
    # A record that repeats one that lies before it brings nothing new: its subject is still judged.
    return False if event.record.place in known.parked else event.record.place in known.copies
