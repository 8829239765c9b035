"""What is strange across rows and files, asked of the things that were seen: their order in time, links that lead nowhere, repetitions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

KINDS = {
    "dates_out_of_order": "dates out of order",
    "contradiction": "contradiction",
    "fact_missing": "fact missing",
    "no_date": "no date",
    "estimated": "date estimated",
    "word_for_a_date": "word for a date",
    "word_for_a_number": "word for a number",
    "left_out": "text left out",
    "several_values_in_a_cell": "several values in a cell",
    "duplicate": "told twice",
    "orphan": "refers to nothing",
}
"""Every kind of finding as it is shown, in the order in which they are."""

SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE thing (entity TEXT, id BLOB, owner BLOB, scope BLOB, named BLOB, since TEXT, until TEXT, estimated INT, digest BLOB,
                    file TEXT, line INT);
CREATE TABLE reference (entity TEXT, refers TEXT, id BLOB, file TEXT, line INT);
CREATE TABLE state (name TEXT, word BLOB, id BLOB, file TEXT, line INT);
"""
ADD_THING = "INSERT INTO thing VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
ADD_REFERENCE = "INSERT INTO reference VALUES (?, ?, ?, ?, ?)"
ADD_STATE = "INSERT INTO state VALUES (?, ?, ?, ?, ?)"

ENOUGH = 100
"""So many orders have to share a label's value, and all but one in so many a fact, before its lack is strange."""

_CHILD = "a.id = b.owner"
_SIBLING = "a.owner = b.owner AND (a.scope IS NULL OR b.scope IS NULL OR a.scope = b.scope)"
_ITS_SHIPMENT = f"{_SIBLING} AND (b.named IS NULL OR a.id = b.named)"
_PAIRS = (
    ("lead", "opportunity", _CHILD, "opportunity: opened before its lead came in"),
    ("lead", "deal", _CHILD, "deal: closed before its lead came in"),
    ("opportunity", "deal", "a.id = b.id", "deal: closed before its opportunity was opened"),
    ("deal", "order", _CHILD, "order: received before its deal was won"),
    ("order", "approval", _CHILD, "order: approved before it was received"),
    ("order", "shipment", _CHILD, "order: shipped before it was received"),
    ("order", "delivery", _CHILD, "order: delivered before it was received"),
    ("order", "cancellation", _CHILD, "order: cancelled before it was received"),
    ("approval", "shipment", _SIBLING, "order: shipped before it was approved"),
    ("shipment", "delivery", _ITS_SHIPMENT, "order: delivered before it was shipped"),
    ("shipment", "cancellation", _SIBLING, "order: shipped after it was cancelled"),
    ("delivery", "cancellation", _SIBLING, "order: delivered after it was cancelled"),
)
_OWNERS = {
    "opportunity": "lead",
    "deal": "lead",
    "order": "deal",
    **dict.fromkeys(("order_line", "approval", "shipment", "delivery", "cancellation"), "order"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of strangeness of one subject: how often, where first, and what can be said of that one."""

    kind: str
    subject: str
    count: int
    file: str
    line: int
    example: str


def across(db: sqlite3.Connection, told: set[str]) -> Iterator[Finding]:
    """Everything that takes more than one row to see; `told` are the entities that the files tell of."""
    db.execute("CREATE INDEX IF NOT EXISTS thing_id ON thing (entity, id)")
    db.execute("CREATE INDEX IF NOT EXISTS thing_owner ON thing (entity, owner)")
    for earlier, later, joined, subject in _PAIRS:
        yield from _out_of_order(db, earlier, later, joined, subject)
    for fact, done in (("delivery", "delivered"), ("shipment", "shipped")):
        yield from _contradictions(db, fact, f"order: both cancelled and {done}")
    for fact in ("approval", "shipment", "delivery"):
        if fact in told:
            yield from _missing_facts(db, fact)
    yield from _estimated(db)
    yield from _duplicates(db)
    for entity, owner in _OWNERS.items():
        if owner in told:
            yield from _orphans(db, entity, owner)
    for refers in ("opportunity", "order_line", "shipment"):
        if refers in told:
            yield from _dangling(db, refers)


def _out_of_order(db: sqlite3.Connection, earlier: str, later: str, joined: str, subject: str) -> Iterator[Finding]:
    # min() makes SQLite take the other columns from the row that has it. Estimated times prove nothing.
    ask = f"""
        SELECT count(*), min(at), file, line, other_file, other_line FROM (
            SELECT b.rowid AS at, b.file, b.line, coalesce(b.until, b.since) AS until, min(a.since) AS since,
                   a.file AS other_file, a.line AS other_line
            FROM thing b JOIN thing a ON a.entity = ? AND {joined}
            WHERE b.entity = ? AND NOT a.estimated AND NOT b.estimated
            GROUP BY b.id)
        WHERE until < since"""  # noqa: S608  conditions of this module only
    count, _, file, line, other_file, other_line = db.execute(ask, (earlier, later)).fetchone()
    if count:
        other = "in the same row" if (other_file, other_line) == (file, line) else f"in {other_file}, line {other_line}"
        yield Finding("dates_out_of_order", subject, count, file, line, f"{earlier} {other}")


def _contradictions(db: sqlite3.Connection, fact: str, subject: str) -> Iterator[Finding]:
    ask = f"""
        SELECT count(DISTINCT b.owner), min(b.rowid), b.file, b.line FROM thing b
        WHERE b.entity = 'cancellation' AND EXISTS (SELECT 1 FROM thing a WHERE a.entity = ? AND {_SIBLING})"""  # noqa: S608
    yield from _found(db.execute(ask, (fact,)).fetchone(), "contradiction", subject, "both are kept")


def _missing_facts(db: sqlite3.Connection, fact: str) -> Iterator[Finding]:
    ask = """
        SELECT name, count(*), sum(lacks), min(CASE WHEN lacks THEN at END), file, line FROM (
            SELECT s.name, s.word, s.file, s.line, s.rowid AS at,
                   NOT EXISTS (SELECT 1 FROM thing a WHERE a.entity = ? AND a.owner = s.id) AS lacks
            FROM state s)
        GROUP BY name, word HAVING sum(lacks) > 0 AND sum(lacks) * ? <= count(*)"""
    for name, alike, lacking, _, file, line in db.execute(ask, (fact, ENOUGH)):
        example = f"{alike - lacking:,} orders with the same {name} have one"
        yield Finding("fact_missing", f"order: no {fact}, unlike nearly all of the same {name}", lacking, file, line, example)


def _estimated(db: sqlite3.Connection) -> Iterator[Finding]:
    ask = "SELECT count(*), min(rowid), file, line, entity FROM thing WHERE estimated GROUP BY entity"
    for *row, entity in db.execute(ask):
        yield from _found(row, "estimated", f"{entity}: another time stands in", "left out of every duration")


def _duplicates(db: sqlite3.Connection) -> Iterator[Finding]:
    ask = """
        SELECT count(*), min(again.rowid), again.file, again.line, again.entity, again.digest = one.digest, one.file, one.line
        FROM (SELECT entity, id, min(rowid) AS first FROM thing GROUP BY entity, id HAVING count(*) > 1) twice
        JOIN thing one ON one.rowid = twice.first
        JOIN thing again ON again.entity = twice.entity AND again.id = twice.id AND again.rowid > twice.first
        GROUP BY again.entity, again.digest = one.digest"""
    for *row, entity, same, file, line in db.execute(ask):
        subject = f"{entity}: told of again, with {'the same' if same else 'other'} content"
        yield from _found(row, "duplicate", subject, f"first in {file}, line {line}")


def _orphans(db: sqlite3.Connection, entity: str, owner: str) -> Iterator[Finding]:
    ask = """
        SELECT count(*), min(b.rowid), b.file, b.line FROM thing b
        WHERE b.entity = ? AND b.owner IS NOT NULL AND NOT EXISTS (SELECT 1 FROM thing a WHERE a.entity = ? AND a.id = b.owner)"""
    yield from _found(db.execute(ask, (entity, owner)).fetchone(), "orphan", f"{entity}: of no {owner} in these files", "")


def _dangling(db: sqlite3.Connection, refers: str) -> Iterator[Finding]:
    ask = """
        SELECT count(*), min(r.rowid), r.file, r.line, r.entity FROM reference r
        WHERE r.refers = ? AND NOT EXISTS (SELECT 1 FROM thing a WHERE a.entity = r.refers AND a.id = r.id) GROUP BY r.entity"""
    for *row, entity in db.execute(ask, (refers,)):
        yield from _found(row, "orphan", f"{entity}: of no {refers} in these files", "")


def _found(row: list[object] | tuple[object, ...], kind: str, subject: str, example: str) -> Iterator[Finding]:
    count, _, file, line = row
    if isinstance(count, int) and count and isinstance(line, int):
        yield Finding(kind, subject, count, str(file), line, example)
