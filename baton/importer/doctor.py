"""What is strange in the files of an import: seen while they are read, and across rows and files at the end.

Nothing of it hinders the import. Told are counts and places, never what is in a cell, except for the words that the mapping itself lists.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache, partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from baton.importer import cells, files, strangeness
from baton.importer.plans import Plan
from baton.importer.strangeness import Finding
from shared import calendar, ids

if TYPE_CHECKING:
    from rich.table import Table

CHUNK = 2_000
MOST_WORDS = 50
"""A label with more values than this is no state of an order: nothing is concluded from those who share one."""

_OWNERS = {"opportunity": "lead_id", "deal": "lead_id", "order": "deal_id"}
_REPORTED = {
    "lead": ("first_response_at", "lead: answered before it came in"),
    "delivery": ("reported_at", "delivery: reported before it happened"),
}
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode


class Doctor:
    """Sees every row and every thing made of one; tells at the end what was strange. What grows with the files lies on disk."""

    def __init__(self, path: Path, plan: Plan) -> None:
        self._plan = plan
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.executescript(strangeness.SCHEMA)
        self._db.execute("BEGIN")  # never committed: the file is of no use to another run
        self._things: list[tuple[object, ...]] = []
        self._references: list[tuple[object, ...]] = []
        self._states: list[tuple[object, ...]] = []
        self._noted: dict[tuple[str, str], list[Any]] = {}
        self._words: dict[tuple[str, str], cells.Words] = {}
        self._checks = {(kind, table.path.name): self._checks_of(kind, table) for kind, tables in plan.tables.items() for table in tables}
        self._labels: dict[str, set[bytes] | None] = {}
        self._zone = plan.mapping.source.time_zone
        self._ends_opportunities = any(feed.entity == "deal" and "opportunity" in feed.fields for feed in plan.feeds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._db.close()

    def see_row(self, kind: str, file: str, row: files.Row) -> None:
        """A row of a file of that kind; each row once."""
        if row.fault is None:
            for check in self._checks.get((kind, file), ()):
                check(row.cells, row.line)

    def see_thing(self, entity: str, body: Mapping[str, Any], file: str, line: int) -> None:
        """The command that a row became; those for standing deals and their leads, too."""
        owner = body.get(_OWNERS.get(entity, "order_id")) if entity != "lead" else None
        since, standing = body.get("occurred_at"), body.get("labels", {}).get("standing") == "true"
        scope = self._refer(entity, body, file, line) if entity not in ("lead", "order_line") else None
        self._things.append(
            (
                entity,
                _key(body[f"{entity}_id"]),
                _key(owner),
                scope,
                _key(body.get("shipment_id")) if entity == "delivery" else None,
                since,
                _until(since, self._zone) if since and _is_round(since) else None,
                body.get("estimated", False) and not standing,
                hashlib.blake2b(_encode(body).encode(), digest_size=8).digest(),
                file,
                line,
            )
        )
        if entity in _REPORTED:
            name, subject = _REPORTED[entity]
            if since and not body.get("estimated") and (told := body.get(name)) and (_until(told, self._zone) or told) < since:
                self._note(file, "dates_out_of_order", subject, line, "")
        if entity == "order":
            self._remember_labels(body, file, line)
        if len(self._things) >= CHUNK:
            self._flush()

    def see_repeat(self, entity: str, file: str, line: int) -> None:
        """A row that tells again of a thing of which the mapping takes the first row only."""
        self._note(file, "duplicate", f"{entity}: told of again, the first row counts", line, "")

    def findings(self) -> list[Finding]:
        """All that was strange so far, by kind, the most frequent first."""
        self._flush()
        found = [
            Finding(kind=kind, subject=subject, count=count, file=file, line=line, example=example)
            for (kind, subject), (count, file, line, example) in self._noted.items()
        ]
        for words in self._words.values():
            count, line = words.combined()
            if count:
                subject, example = f"{words.column}: values that other rows have alone", "kept as one value"
                found.append(Finding("several_values_in_a_cell", subject, count, words.file, line, example))
        found.extend(strangeness.across(self._db, {feed.entity for feed in self._plan.feeds}))
        order = list(strangeness.KINDS)
        return sorted(found, key=lambda each: (order.index(each.kind), -each.count, each.subject))

    def _checks_of(self, kind: str, table: files.Table) -> Sequence[cells.Check]:
        def words(column: str) -> cells.Words:
            return self._words.setdefault((kind, column), cells.Words(column=column, file=table.path.name))

        return tuple(cells.checks(self._plan, kind, table, partial(self._note, table.path.name), words))

    def _note(self, file: str, kind: str, subject: str, line: int, example: str) -> None:
        noted = self._noted.get((kind, subject))
        if noted is None:
            self._noted[kind, subject] = [1, file, line, example]
        else:
            noted[0] += 1

    def _refer(self, entity: str, body: Mapping[str, Any], file: str, line: int) -> bytes | None:
        """Notes what a thing names beside its owner; gives what tells apart facts about different lines of an order, None for the whole."""
        if entity == "deal" and self._ends_opportunities and body["deal_id"] != _own_id(body):
            self._references.append((entity, "opportunity", _key(body["deal_id"]), file, line))
        if entity == "delivery" and "shipment_id" in body:
            self._references.append((entity, "shipment", _key(body["shipment_id"]), file, line))
        if entity in ("order", "order_line") or not body.get("lines"):
            return None
        named = sorted(str(each.get("order_line_id") or each.get("line_no")) for each in body["lines"])
        self._references += [
            (entity, "order_line", _key(each["order_line_id"]), file, line) for each in body["lines"] if "order_line_id" in each
        ]
        return hashlib.blake2b(" ".join(named).encode(), digest_size=8).digest()

    def _remember_labels(self, body: Mapping[str, Any], file: str, line: int) -> None:
        for name, value in body.get("labels", {}).items():
            known = self._labels.setdefault(name, set())
            if known is None:
                continue
            word = hashlib.blake2b(value.encode(), digest_size=8).digest()
            known.add(word)
            if len(known) > MOST_WORDS:
                self._labels[name] = None
            else:
                self._states.append((name, word, _key(body["order_id"]), file, line))

    def _flush(self) -> None:
        for insert, rows in (
            (strangeness.ADD_THING, self._things),
            (strangeness.ADD_REFERENCE, self._references),
            (strangeness.ADD_STATE, self._states),
        ):
            self._db.executemany(insert, rows)
            rows.clear()
        for name, known in self._labels.items():
            if known is None:
                self._db.execute("DELETE FROM state WHERE name = ?", (name,))


def table(findings: Sequence[Finding]) -> Table:
    """What was strange, for a terminal: how often, and where first."""
    from rich.table import Table
    from rich.text import Text

    result = Table("strange in the files", "", "times", "first in", "")
    result.columns[2].justify = "right"
    for each in findings:
        place = f"{each.file}, line {each.line}"
        result.add_row(strangeness.KINDS[each.kind], Text(each.subject), f"{each.count:,}", Text(place), Text(each.example))
    return result


def _key(name: str | None) -> bytes | None:
    return None if name is None else bytes.fromhex(name.replace("-", ""))


def _own_id(body: Mapping[str, Any]) -> str:
    return str(ids.derived_id(body["source"], "deal", body["external_id"]))


def _is_round(instant: str) -> bool:
    return instant[17:19] == "00"


@lru_cache(maxsize=8192)
def _until(instant: str, time_zone: str) -> str | None:
    """The last moment of the day, if the instant is the midnight with which it begins: files write days so. None for other instants."""
    read = datetime.fromisoformat(instant)
    day = calendar.local_day(read, time_zone)
    if calendar.instant_of(datetime.combine(day, time()), time_zone) != read:
        return None
    following = calendar.instant_of(datetime.combine(day + timedelta(days=1), time()), time_zone)
    return (following - timedelta(microseconds=1)).astimezone(UTC).isoformat()
