"""All that a verdict rests on beside the history: the final read of logs and databases, the faults, and what was sampled on the way."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

Row = Mapping[str, Any]
Place = tuple[str, int, int]
"""Topic (without prefix), partition, offset."""

SERVICES = ("marketing", "handoff", "sales", "distribution")

PRODUCERS: Mapping[str, str] = {
    "lead-generated": "marketing",
    "lead-qualified": "handoff",
    "lead-disqualified": "handoff",
    "lead-routed": "handoff",
    "lead-accepted": "sales",
    "lead-rejected": "sales",
    "opportunity-stage-changed": "sales",
    "deal-closed": "sales",
    "order-promised": "distribution",
    "order-shipped": "distribution",
    "order-delivered": "distribution",
    "order-cancelled": "distribution",
}
CONSUMERS: Mapping[str, tuple[str, ...]] = {
    "lead-generated": ("handoff", "sales"),
    "lead-qualified": ("marketing", "sales"),
    "lead-disqualified": ("marketing", "sales"),
    "lead-routed": ("sales",),
    "lead-accepted": ("handoff", "marketing"),
    "lead-rejected": ("handoff", "marketing"),
    "opportunity-stage-changed": ("handoff", "marketing"),
    "deal-closed": ("distribution", "handoff", "marketing"),
    "order-promised": ("handoff", "sales"),
    "order-shipped": ("handoff", "sales"),
    "order-delivered": ("handoff", "marketing", "sales"),
    "order-cancelled": ("handoff", "sales"),
}
"""Who publishes and who reads an event, as the published catalogue says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record as it lies in the log. `time`: milliseconds since 1970."""

    topic: str
    part: int
    offset: int
    time: int
    key: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    value: bytes | None

    @property
    def place(self) -> Place:
        """Where it lies."""
        return self.topic, self.part, self.offset


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A record that reads as an event. Ids are lower-case text; times are RFC 3339 text, UTC."""

    record: Record
    id: str
    source: str
    subject: str
    sequence: int
    causation: str
    occurred_at: str
    recorded_at: str

    @property
    def topic(self) -> str:
        """The name of its kind."""
        return self.record.topic

    @property
    def data(self) -> dict[str, Any]:
        """What it says. Parsed anew each time: a log may not fit into memory as objects."""
        return json.loads(self.record.value or b"null")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault as whoever injected it wrote it down. Times: seconds of the monotonic clock."""

    name: str
    target: str
    begin: float
    end: float
    evidence: Mapping[str, Any] = field(default_factory=dict)
    expects: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What a process said of itself at a time. `figures`: metrics by name, summed over their labels; empty while it does not answer."""

    at: float
    service: str
    address: str
    spare: bool
    ready: bool
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What was there before the load began: it is nobody's, and is not judged."""

    events: frozenset[str] = frozenset()
    rows: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(kw_only=True)
class Final:
    """The final read. `tables`: rows by `service.table`; `log`: records by topic, partition and offset.

    `unread`: what could not be read; `settled`: seconds from the end of the load until nothing waited any more, None if that never came.
    """

    tables: Mapping[str, Sequence[Row]]
    log: Sequence[Record]
    before: Before = field(default_factory=Before)
    starts: Mapping[tuple[str, int], int] = field(default_factory=dict)
    waiting: Sequence[str] = ()
    settled: float | None = 0.0
    not_ready: Sequence[str] = ()
    unread: Sequence[str] = ()
    misread: Sequence[tuple[Place, str]] = ()
    parsed: int = 0

    def rows(self, name: str) -> Sequence[Row]:
        """The rows of a table that is called `service.table`."""
        return self.tables.get(name, ())

    @cached_property
    def events(self) -> list[Event]:
        """Every record that reads as an event, copies included, in the order of the log."""
        return [event for record in self.log if (event := event_of(record)) is not None]

    @cached_property
    def first(self) -> dict[str, Event]:
        """The first occurrence of each event, by id, in the order of the log."""
        found: dict[str, Event] = {}
        for event in self.events:
            found.setdefault(event.id, event)
        return found

    def untold(self, service: str, ids: frozenset[str]) -> list[Event]:
        """Those of these events that a service has in its outbox."""
        records = (
            Record(
                topic=row["topic"],
                part=-1,
                offset=-1,
                time=0,
                key=row["key"].encode(),
                headers=tuple((name, value.encode()) for name, value in row["headers"]),
                value=row["payload"],
            )
            for row in self.rows(f"{service}.outbox")
            if str(row["event_id"]) in ids
        )
        return [event for record in records if (event := event_of(record)) is not None]

    @cached_property
    def sound(self) -> Mapping[str, list[Event]]:
        """First occurrences by topic, without those whose value is no JSON object: of them nothing can be worked out."""
        return {topic: [event for event in events if _is_object(event.record.value)] for topic, events in self.by_topic.items()}

    @cached_property
    def by_topic(self) -> Mapping[str, list[Event]]:
        """First occurrences by topic."""
        found: defaultdict[str, list[Event]] = defaultdict(list)
        for event in self.first.values():
            found[event.topic].append(event)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What those who inject faults say of records: where foreign ones lie, which must be parked, what was taken away on purpose.

    `moved` and `copies` are among the foreign: what their owner did write, at another place or once more. `lost`: ids of events that
    their owner wrote and that were kept out of the log.
    """

    foreign: frozenset[Place] = frozenset()
    parked: Mapping[Place, str] = field(default_factory=dict)
    moved: frozenset[Place] = frozenset()
    lost: frozenset[str] = frozenset()
    gaps: Mapping[tuple[str, str], frozenset[int]] = field(default_factory=dict)
    discarded: frozenset[str] = frozenset()
    copies: frozenset[Place] = frozenset()


def event_of(record: Record) -> Event | None:
    """The event that a record is, judged by its headers alone; None if it cannot be told apart."""
    try:
        headers = {name: (value or b"").decode() for name, value in record.headers}
        return Event(
            record=record,
            id=headers["ce_id"].lower(),
            source=headers["ce_source"],
            subject=headers["ce_subject"],
            sequence=int(headers["ce_aggregatesequence"]),
            causation=headers.get("ce_causationid", "").lower(),
            occurred_at=headers["ce_time"],
            recorded_at=headers["ce_recordedtime"],
        )
    except (KeyError, ValueError):
        return None


def _is_object(value: bytes | None) -> bool:
    try:
        return isinstance(json.loads(value or b"null"), dict)
    except (ValueError, RecursionError):
        return False


def fault_of(told: Mapping[str, Any]) -> Fault:
    """A line of the fault log. KeyError or TypeError for one that lacks what a fault has."""
    return Fault(
        name=str(told["fault"]),
        target=str(told.get("target", "")),
        begin=float(told["begin"]["mono"]),
        end=float(told["end"]["mono"]),
        evidence=told.get("evidence") or {},
        expects=told.get("expects") or {},
    )


def declared(faults: Iterable[Fault]) -> Declared:
    """All that the faults say of records."""
    foreign: set[Place] = set()
    parked: dict[Place, str] = {}
    gaps: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    lost: set[str] = set()
    discarded: set[str] = set()
    copies: set[Place] = set()
    moved: set[Place] = set()
    for fault in faults:
        foreign |= {_place(each) for each in fault.expects.get("foreign", ())}
        copies |= {_place(each) for each in fault.expects.get("foreign", ()) if each.get("kind") == "copy"}
        moved |= {_place(each) for each in fault.expects.get("foreign", ()) if each.get("kind") == "moved"}
        parked |= {_place(each): str(each["kind"]) for each in fault.expects.get("parked", ())}
        foreign |= parked.keys()
        lost |= {str(each).lower() for each in fault.expects.get("lost", ())}
        discarded |= {str(each).lower() for each in fault.expects.get("discarded", ())}
        for gap in fault.expects.get("gaps", ()):
            gaps[gap["source"], gap["subject"]] |= set(gap["numbers"])
    return Declared(
        foreign=frozenset(foreign),
        parked=parked,
        moved=frozenset(moved),
        lost=frozenset(lost),
        gaps={subject: frozenset(numbers) for subject, numbers in gaps.items()},
        discarded=frozenset(discarded),
        copies=frozenset(copies),
    )


def increases(samples: Iterable[Sample], name: str) -> dict[str, float]:
    """By how much a counter rose, per service, over all lives of its processes. What rose right before a kill may be missing."""
    last: dict[str, float] = {}
    risen: defaultdict[str, float] = defaultdict(float)
    for sample in samples:
        if name not in sample.figures:
            continue
        now = sample.figures[name]
        before = last.get(sample.address)
        if before is not None:
            risen[sample.service] += now - before if now >= before else now
        elif sample.spare:
            risen[sample.service] += now
        last[sample.address] = now
    return dict(risen)


def _place(told: Mapping[str, Any]) -> Place:
    return str(told["topic"]), int(told["part"]), int(told["offset"])
