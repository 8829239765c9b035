"""What is strange in single cells: words where dates and numbers belong, texts left out, times not known, several values in one cell.

Counted while a file is read. What is kept does not grow with the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from baton.importer import entities, plans, shapes, values
from baton.importer.faults import UnfitError
from baton.importer.files import Table
from baton.importer.mapping import Feed, Value
from baton.importer.plans import Plan

MOST_VALUES = 500
"""A column with more different values is no list of words, and is not asked for several of them in one cell."""
LONGEST_VALUE = 120
_BETWEEN = re.compile(r"\s*[,;|/+&]\s*")
_DATES = frozenset({"instant", "day"})
_NUMBERS = frozenset({"decimal", "integer", "money"})

Note = Callable[[str, str, int, str], None]
"""Kind, subject, line and what can be said of the example."""
Check = Callable[[values.Row, int], None]


@dataclass(slots=True)
class Words:
    """The different values of a label's column, each with how often and where first, until they are too many."""

    column: str
    file: str
    seen: dict[str, list[int]] | None = field(default_factory=dict)

    def add(self, cell: str, line: int) -> None:
        """Count a cell that is there."""
        if self.seen is None:
            return
        known = self.seen.get(cell)
        if known is not None:
            known[0] += 1
        elif len(self.seen) >= MOST_VALUES or len(cell) > LONGEST_VALUE:
            self.seen = None
        else:
            self.seen[cell] = [1, line]

    def combined(self) -> tuple[int, int]:
        """How many cells hold several of the values that other cells hold alone, and the line of the first; 0 of none."""
        seen = self.seen or {}
        several = [counted for cell, counted in seen.items() if _parts(cell) and all(part in seen for part in _parts(cell))]
        return sum(count for count, _ in several), min((line for _, line in several), default=0)


def checks(plan: Plan, kind: str, table: Table, note: Note, words: Callable[[str], Words]) -> Iterator[Check]:
    """What to look at in every whole row of a file. `note` is told of each strange cell, `words` gives the values of a column."""
    context = plans.context(plan.mapping, kind, table, {})
    feeds = [feed for feed in plan.feeds if feed.file == kind]
    missed: dict[str, list[tuple[frozenset[str], Check]]] = {}
    for (column, subject), unwelcome in sorted(_unwelcome(plan, kind, context).items()):
        look = _words(table.columns.index(column), f"word_for_a_{subject}", column, unwelcome, note)
        missed.setdefault(column, []).append((unwelcome, look))
    for feed in feeds:
        for column, missing, look in _undated(feed, context, note):
            missed.setdefault(column, []).append((missing, look))
    for column, looks in missed.items():
        yield _missing(table.columns.index(column), looks)
    patterned = {value.column: value for feed in feeds for _, value in _values(feed) if _leaves_out(value)}
    for column, value in patterned.items():
        yield _left_out(table.columns.index(column or ""), column or "", value, context, note)
    for column in sorted({value.column for feed in feeds for value in feed.labels.values() if value.column and not value.lookup}):
        yield _counted(table.columns.index(column), frozenset(("", *context.missing)), words(column))


def _parts(cell: str) -> list[str]:
    parts = _BETWEEN.split(cell)
    return parts if len(parts) > 1 else []


def _values(feed: Feed) -> Iterator[tuple[str, Value]]:
    """Every value of a feed with the kind of field it is for, and the values inside it."""
    entity = entities.ENTITIES[feed.entity]
    kinds = {f"fields.{name}": wanted.kind for name, wanted in entity.fields.items()}
    for group, members in feed.groups().items():
        kinds |= {f"{group}[{at}].{name}": wanted.kind for at in range(len(members)) for name, wanted in entity.groups[group].items()}
    for place, value in feed.values():
        yield from _inner(kinds.get(place, "text"), value)


def _inner(kind: str, value: Value) -> Iterator[tuple[str, Value]]:
    yield kind, value
    if value.stand_in:
        yield from _inner(kind, value.stand_in)
    for other in (value.currency, value.lookup.by if value.lookup else None):
        if other:
            yield from _inner("text", other)


def _unwelcome(plan: Plan, kind: str, context: values.Context) -> Mapping[tuple[str, str], frozenset[str]]:
    """By column of a file of that kind, and date or number: the words for a missing value."""
    found: dict[tuple[str, str], frozenset[str]] = {}
    for feed in plan.feeds:
        for wanted, value in _values(feed):
            subject = "date" if wanted in _DATES else "number" if wanted in _NUMBERS else ""
            if feed.file == kind and subject and value.column is not None and value.lookup is None:
                place = (value.column, subject)
                found[place] = found.get(place, frozenset()) | (frozenset((*context.missing, *value.missing)) - {""})
    return {place: words for place, words in found.items() if words}


def _missing(at: int, looks: Sequence[tuple[frozenset[str], Check]]) -> Check:
    """One look at a cell that is nearly always there; closer ones only where it is not."""
    words = frozenset(("",)).union(*(words for words, _ in looks))

    def check(row: values.Row, line: int) -> None:
        if row[at].strip() in words:
            for _, look in looks:
                look(row, line)

    return check


def _words(at: int, kind: str, column: str, unwelcome: frozenset[str], note: Note) -> Check:
    def check(row: values.Row, line: int) -> None:
        if (cell := row[at].strip()) in unwelcome:
            note(kind, f"{column}: {cell}", line, f"the mapping takes {cell!r} as missing")

    return check


def _leaves_out(value: Value) -> bool:
    return value.column is not None and value.lookup is None and value.pattern is not None and value.otherwise == "missing"


def _left_out(at: int, column: str, value: Value, context: values.Context, note: Note) -> Check:
    missing = frozenset(("", *context.missing, *value.missing))
    read = values.text(value, context)

    def check(row: values.Row, line: int) -> None:
        if row[at].strip() not in missing and read(row) is None:
            note("left_out", column, line, "not of the pattern that the mapping asks for")

    return check


def _undated(feed: Feed, context: values.Context, note: Note) -> Iterator[tuple[str, frozenset[str], Check]]:
    """The column whose cell is missing, its words for that, and what to look at then."""
    entity = entities.ENTITIES[feed.entity]
    chain = list(_chain(feed.fields.get(entity.time)))
    if not chain or chain[0].column is None or any(value.lookup for value in chain):
        return
    reads = [values.text(value, context) for value in chain]
    named = " or ".join(value.column or value.join.join(value.columns) for value in chain if value.column or value.columns)
    meant = shapes.condition(feed, context)
    subject = f"{feed.entity}: {named} is missing"

    def check(row: values.Row, line: int) -> None:
        try:
            if all(read(row) is None for read in reads) and meant(row):
                note("no_date", subject, line, "left out, as not known to have happened")
        except UnfitError:
            return

    yield chain[0].column, frozenset((*context.missing, *chain[0].missing)), check


def _chain(value: Value | None) -> Iterator[Value]:
    while value is not None:
        yield value
        value = value.stand_in


def _counted(at: int, missing: frozenset[str], words: Words) -> Check:
    def check(row: values.Row, line: int) -> None:
        if words.seen is not None and (cell := row[at].strip()) not in missing:
            words.add(cell, line)

    return check
