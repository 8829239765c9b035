"""I1 nothing acknowledged is lost, I2 nothing is there that nobody wrote, I3 each effect is there once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tests.chaos.checker.convergence import Comparison
from tests.chaos.checker.evidence import CONSUMERS, PRODUCERS, SERVICES, Declared, Event, Final, Row, Sample, increases
from tests.chaos.checker.history import Claim, Operation
from tests.chaos.checker.judging import Judged, same, some, text

CLAIMED: Mapping[str, tuple[str, ...]] = {
    "marketing.leads": ("lead_id", "external_id"),
    "sales.opportunities": ("opportunity_id", "external_id"),
    "sales.deals": ("deal_id", "external_id"),
    "sales.answers": ("lead_id",),
    "distribution.orders": ("order_id",),
    "distribution.shipments": ("shipment_id", "order_id"),
    "distribution.deliveries": ("delivery_id", "order_id"),
    "distribution.approvals": ("approval_id", "order_id"),
    "distribution.cancellations": ("cancellation_id", "order_id"),
    "distribution.line_promises": ("order_id",),
}
"""Rows that only writes make, and the columns by which one of them may claim such a row."""

IDENTITY: Mapping[str, str] = {
    "marketing.leads": "lead_id",
    "sales.opportunities": "opportunity_id",
    "sales.deals": "deal_id",
    "sales.answers": "answer_id",
    "distribution.orders": "order_id",
    "distribution.shipments": "shipment_id",
    "distribution.deliveries": "delivery_id",
    "distribution.approvals": "approval_id",
    "distribution.cancellations": "cancellation_id",
    "distribution.line_promises": "promise_id",
}


def nothing_lost(writes: Sequence[Operation], final: Final, known: Declared, comparison: Comparison) -> Judged:
    """I1: the rows and the events of every acknowledged write are there; what is in an outbox is in its topic, and applied everywhere."""
    judged = Judged(name="I1")
    rows = _Rows(final)
    kept_out = [event for service in SERVICES for event in final.untold(service, known.lost)]
    told = {(event.causation, event.topic, event.subject) for event in (*final.first.values(), *kept_out)}
    for write in writes:
        for item, certainty in write.items():
            if certainty != "ok":
                continue
            named = f"write {write.first.op} ({write.first.route}, key {write.first.idem})"
            for claim in item.claims:
                found = rows.of(claim)
                judged.expect(bool(found), f"{named} was acknowledged, but there is no {' '.join(claim)}")
                for column, value in item.has.items() if claim == item.claims[0] else ():
                    held = any(_holds(row, column, value) for row in found)
                    judged.expect(held or not found, f"{named}: {' '.join(claim)} does not hold {column} as it was written")
            for topic, subject in item.tells:
                judged.expect(
                    (write.first.idem, topic, subject) in told, f"{named} was acknowledged, but {topic} of {subject} is not in the log"
                )
    return judged.add(_outbox_is_published(final, known), comparison.missing)


def no_phantom(writes: Sequence[Operation], final: Final, known: Declared) -> Judged:
    """I2: every row and every event goes back to a write that was or may have been done, none to one that was refused."""
    judged = Judged(name="I2")
    claims: set[Claim] = set()
    refused: set[Claim] = set()
    causes: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for write in writes:
        for item, certainty in write.items():
            if certainty == "fail":
                refused |= set(item.claims)
            else:
                claims |= set(item.claims)
                causes[write.first.idem or ""] |= set(item.tells)
    for table, names in CLAIMED.items():
        before = final.before.rows.get(table, frozenset())
        for row in final.rows(table):
            if text(row[IDENTITY[table]]) in before or row.get("call_off") is False:  # of a deal, not of a write
                continue
            possible = {(table, name, text(row[name])) for name in names if row.get(name) is not None}
            why = "only a refused write names it" if possible & refused else "no write names it"
            judged.expect(bool(possible & claims), f"{table} {text(row[IDENTITY[table]])}: {why}")
    for event in final.first.values():
        if event.id in final.before.events or event.record.place in known.foreign:
            continue
        if event.causation in final.first:
            judged.expect(True, "")
        else:
            traced = (event.topic, event.subject) in causes.get(event.causation, ())
            judged.expect(traced, f"{event.topic} {event.id} of {event.subject} goes back to no write that may have been done")
    return judged.add(_log_is_of_outbox(final, known))


def effect_once(writes: Sequence[Operation], final: Final, known: Declared, samples: Sequence[Sample]) -> Judged:
    """I3: one effect per consumer and event id, and what must be unique in the business is."""
    judged = Judged(name="I3")
    _once_in_inbox(judged, final, known)
    asked: Counter[tuple[str, str, str]] = Counter()
    for write in writes:
        asked.update((write.first.idem or "", *telling) for item, _ in write.items() for telling in item.tells)
    told = Counter(
        (event.causation, event.topic, event.subject)
        for event in final.first.values()
        if event.id not in final.before.events and event.record.place not in known.foreign
    )
    for cause, count in told.items():
        most = asked.get(cause, 1)
        judged.expect(count <= most, f"{cause[0]} caused {cause[1]} of {cause[2]} {count} times, not {most}")
    for name, table, key, only in UNIQUE:
        taken = Counter(key(row) for row in final.rows(table) if only(row))
        for value, count in taken.items():
            judged.expect(count == 1, f"{name}: {some(value)} has {count}")
    for topic, kind, identity in _FACTS:
        facts = Counter(identity(event) for event in final.sound.get(topic, ()) if event.record.place not in known.parked)
        for value, count in facts.items():
            judged.expect(count == 1, f"{kind}: {value} is told {count} times, under different ids")
    applied = increases(samples, "baton_e2e_latency_seconds_count")
    for service, count in applied.items():
        most = len(final.rows(f"{service}.inbox"))
        judged.expect(count <= most, f"{service} applied {count:.0f} events, but has only {most} in its inbox")
    return judged


def _once_in_inbox(judged: Judged, final: Final, known: Declared) -> None:
    for service in SERVICES:
        taken = Counter(text(row["event_id"]) for row in final.rows(f"{service}.inbox"))
        parked = {text(row["event_id"]) for row in final.rows(f"{service}.parked_event") if row["event_id"]}
        for topic, readers in CONSUMERS.items():
            if service not in readers:
                continue
            for event in final.by_topic.get(topic, ()):
                noted = taken[event.id] == 1 or event.id in parked or event.record.place in known.parked
                judged.expect(noted, f"{service} has {topic} {event.id} {taken[event.id]} times in its inbox")


def _outbox_is_published(final: Final, known: Declared) -> Judged:
    judged = Judged(name="I1")
    for service in SERVICES:
        for row in final.rows(f"{service}.outbox"):
            event = final.first.get(text(row["event_id"]))
            if event is None:
                lost = text(row["event_id"]) in known.lost
                judged.expect(lost, f"{row['topic']} {row['event_id']} is in the outbox of {service}, but not in the log")
                continue
            said = tuple((name, value.encode()) for name, value in row["headers"])
            equal = (row["key"].encode(), row["payload"], said) == (event.record.key, event.record.value, event.record.headers)
            judged.expect(equal, f"{row['topic']} {event.id} is not in the log byte for byte as {service} wrote it")
    return judged


def _log_is_of_outbox(final: Final, known: Declared) -> Judged:
    judged = Judged(name="I2")
    written = {text(row["event_id"]) for service in SERVICES for row in final.rows(f"{service}.outbox")}
    copies: dict[str, Event] = final.first
    for event in final.events:
        if event.record.place in known.foreign:
            continue
        judged.expect(event.id in written, f"{event.topic} {event.id} is in the log, but in no outbox")
        first = copies[event.id]
        again = (event.record.key, event.record.value, event.record.headers) == (first.record.key, first.record.value, first.record.headers)
        judged.expect(again or first.record.place in known.foreign, f"a copy of {event.topic} {event.id} has other bytes than the first")
    readable = {event.record.place for event in final.events}
    for record in final.log:
        if record.place not in readable and record.place not in known.foreign:
            judged.expect(False, f"{record.topic}/{record.part}/{record.offset} is no event, and nobody says that he wrote it")
    return judged


class _Rows:
    def __init__(self, final: Final) -> None:
        self._final = final
        self._by: dict[tuple[str, str], dict[str, list[Row]]] = {}

    def of(self, claim: Claim) -> list[Row]:
        table, column, value = claim
        if (table, column) not in self._by:
            index: defaultdict[str, list[Row]] = defaultdict(list)
            for row in self._final.rows(table):
                index[text(row[column])].append(row)
            self._by[table, column] = dict(index)
        return self._by[table, column].get(value, [])


def _holds(row: Row, column: str, value: str) -> bool:
    name, _, inner = column.partition(".")
    found = row.get(name)
    return same(found.get(inner) if inner and isinstance(found, Mapping) else found, value)


def _every(_: Row) -> bool:
    return True


Unique = tuple[str, str, Callable[[Row], tuple[Any, ...]], Callable[[Row], bool]]

UNIQUE: Iterable[Unique] = (
    ("one first decision per lead", "handoff.decisions", lambda row: (row["lead_id"],), lambda row: row["supersedes_decision_id"] is None),
    ("one routing per decision and attempt", "handoff.routings", lambda row: (row["decision_id"], row["attempt"]), _every),
    ("one answer per routing", "sales.answers", lambda row: (row["routing_id"],), _every),
    ("one deal per opportunity", "sales.deals", lambda row: (row["opportunity_id"],), lambda row: row["opportunity_id"] is not None),
    ("one order per deal", "distribution.orders", lambda row: (row["deal_id"],), lambda row: not row["call_off"]),
    ("one line per order and number", "distribution.order_lines", lambda row: (row["order_id"], row["line_no"]), _every),
    ("one fact per order and number", "sales.order_facts", lambda row: (row["order_id"], row["sequence"]), _every),
)

_FACTS: Iterable[tuple[str, str, Callable[[Event], str]]] = (
    ("lead-generated", "one announcement per lead", lambda event: event.subject),
    ("lead-qualified", "one announcement per decision", lambda event: str(event.data["decision"]["decision_id"])),
    ("lead-disqualified", "one announcement per decision", lambda event: event.data["decision_id"]),
    ("lead-routed", "one announcement per routing", lambda event: event.data["routing_id"]),
    ("lead-accepted", "one answer per routing", lambda event: event.data["routing_id"]),
    ("lead-rejected", "one answer per routing", lambda event: event.data["routing_id"]),
    ("deal-closed", "one announcement per deal and version", lambda event: f"{event.subject}/{event.data['deal_version']}"),
    ("order-shipped", "one announcement per shipment", lambda event: event.data["shipment_id"]),
    ("order-delivered", "one announcement per delivery", lambda event: event.data["delivery_id"]),
)

assert set(PRODUCERS) == set(CONSUMERS)
