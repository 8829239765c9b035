"""From a row to one value: pure functions made once per mapping and file, called once per row.

A value is None where the cell is missing. What cannot be read raises UnfitError, a constant already when the function is made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation

from baton.importer import dates, entities
from baton.importer.faults import UnfitError
from baton.importer.mapping import Lookup, MappingFile, Value
from shared import ids

Row = Sequence[str]
Text = Callable[[Row], str | None]
Typed = Callable[[Row], object]
Find = Callable[[str], Iterator[str]]

_TRUE = frozenset({"true", "t", "yes", "y", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "0"})
_LARGEST_EXPONENT = 30
_CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a value is read against: the mapping, the file's columns and own words for missing and dates, and the other files by lookup."""

    mapping: MappingFile
    columns: Sequence[str]
    missing: Sequence[str] = ()
    dates: Sequence[str] = ()
    finders: Mapping[tuple[str, str, str], Find] = field(default_factory=dict)


def text(value: Value, context: Context) -> Text:
    """A reader of the trimmed, mapped text of a value; of a lookup, the first of the rows found that gives one."""
    if value.lookup is not None:
        found = _found(value, value.lookup, context)
        return lambda row: next(found(row), None)
    read = _refined(value, _origin(value, context))
    if value.constant is not None:
        constant = read(())
        return lambda _: constant
    return read


def typed(value: Value, wanted: entities.Field, context: Context) -> Typed:
    """A reader of a value as the field wants it in a JSON body."""
    if wanted.kind == "money":
        return _money(value, context)
    return _converted(text(value, context), _conversion(value, wanted, context), value)


def label(value: Value, context: Context) -> Typed:
    """A reader of a label: text that fits, cut only if the mapping says so."""
    return _converted(text(value, context), _cut if value.truncate else _fitting, value)


def fact(value: Value, context: Context) -> Typed:
    """A reader of a fact for fit rules: text, or what the mapping says it is."""
    conversion = {"text": str, "integer": _integer, "boolean": _boolean}[value.type]
    return _converted(text(value, context), conversion, value)


def moment(value: Value, context: Context) -> Callable[[Row], dates.Moment | None]:
    """A reader of the time of a fact, without what stands in for it."""
    read = text(value, context)
    convert = dates.moments(_formats(value, context), context.mapping.source.time_zone)
    if value.constant is not None:
        convert(read(()) or "")
    return lambda row: None if (cell := read(row)) is None else convert(cell)


def _found(value: Value, lookup: Lookup, context: Context) -> Callable[[Row], Iterator[str]]:
    """Every value that the other file's rows give, in their order; for every key, where the key is looked up in turn."""
    keys = _found(lookup.by, lookup.by.lookup, context) if lookup.by.lookup else _alone(text(lookup.by, context))
    find = context.finders[(lookup.file, lookup.key, value.column or "")]
    missing = frozenset(value.missing)
    refine = _refining(value)

    def found(row: Row) -> Iterator[str]:
        for key in keys(row):
            for cell in find(key):
                if cell not in missing and (refined := refine(cell)) is not None:
                    yield refined

    return found


def _alone(read: Text) -> Callable[[Row], Iterator[str]]:
    return lambda row: iter(() if (cell := read(row)) is None else (cell,))


def _origin(value: Value, context: Context) -> Text:
    if value.constant is not None:
        constant = _written(value.constant)
        return lambda _: constant
    missing = frozenset(("", *context.missing, *value.missing))
    if value.column is not None:
        at = context.columns.index(value.column)
        return lambda row: None if (cell := row[at].strip()) in missing else cell
    if not value.columns:
        return lambda _: None
    places = [context.columns.index(name) for name in value.columns]
    glue = value.join

    def joined(row: Row) -> str | None:
        cells = [row[at].strip() for at in places]
        return None if any(cell in missing for cell in cells) else glue.join(cells)

    return joined


def _refined(value: Value, read: Text) -> Text:
    if not value.map and value.pattern is None:
        return read
    refine = _refining(value)
    return lambda row: None if (cell := read(row)) is None else refine(cell)


def _refining(value: Value) -> Callable[[str], str | None]:
    """From a cell that is there to its word of the map, else itself if it has the pattern, else what the mapping says of others."""
    words, otherwise = value.map, value.otherwise
    whole = re.compile(value.pattern).fullmatch if value.pattern is not None else None
    if not words and whole is None:
        return lambda cell: cell

    def refined(cell: str) -> str | None:
        if cell in words:
            return words[cell]
        if otherwise == "keep" or (whole is not None and whole(cell)):
            return cell
        if otherwise == "reject":
            raise UnfitError("NOT_EXPECTED", "is a text that the mapping does not expect: see its map and pattern")
        return None

    return refined


def _converted(read: Text, convert: Callable[[str], object], value: Value) -> Typed:
    if value.constant is not None:
        constant = read(())
        ready = None if constant is None else convert(constant)
        return lambda _: ready
    return lambda row: None if (cell := read(row)) is None else convert(cell)


def _conversion(value: Value, wanted: entities.Field, context: Context) -> Callable[[str], object]:
    if wanted.kind in ("instant", "day"):
        make = dates.instants if wanted.kind == "instant" else dates.days
        return make(_formats(value, context), context.mapping.source.time_zone)
    if wanted.kind == "reference":
        source, refers = context.mapping.source.code, wanted.refers
        return lambda cell: str(ids.derived_id(source, refers, cell))
    if wanted.kind == "decimal":
        return lambda cell: _plain(cell, comma=value.decimal_comma)
    if wanted.kind == "list":
        return lambda cell: [
            _chosen(part.strip(), wanted.choices) for part in (cell.split(value.split) if value.split else [cell]) if part.strip()
        ]
    if wanted.kind == "text":
        return (lambda cell: _chosen(cell, wanted.choices)) if wanted.choices else str
    return {"integer": _integer, "boolean": _boolean}[wanted.kind]


def _formats(value: Value, context: Context) -> Sequence[str]:
    return [dates.ISO] if isinstance(value.constant, date) else value.dates or context.dates


def _money(value: Value, context: Context) -> Typed:
    amount = _converted(text(value, context), lambda cell: _plain(cell, comma=value.decimal_comma), value)
    standard = context.mapping.defaults.currency
    currency = text(value.currency, context) if value.currency else lambda _: standard

    def money(row: Row) -> object:
        number = amount(row)
        if number is None:
            return None
        unit = currency(row)
        if unit is None or not _CURRENCY.fullmatch(unit):
            raise UnfitError("NO_CURRENCY", "an amount needs a currency of three capital letters: name it in the mapping")
        return {"amount": number, "currency": unit}

    return money


def _written(constant: object) -> str:
    if isinstance(constant, bool):
        return str(constant).lower()
    return constant.isoformat() if isinstance(constant, date) else str(constant)


def _chosen(cell: str, choices: tuple[str, ...]) -> str:
    if choices and cell not in choices:
        raise UnfitError("NOT_IN_LIST", f"is none of {', '.join(choices)}")
    return cell


def _decimal(cell: str, *, comma: bool) -> Decimal:
    try:
        number = Decimal(cell.replace(".", "").replace(",", ".") if comma else cell)
    except InvalidOperation:
        raise UnfitError("NOT_A_NUMBER", "is not a number") from None
    if not number.is_finite() or abs(number.adjusted()) > _LARGEST_EXPONENT:
        raise UnfitError("NOT_A_NUMBER", "is no number of a size that is kept")
    return number


def _plain(cell: str, *, comma: bool) -> str:
    return format(_decimal(cell, comma=comma), "f")


def _integer(cell: str) -> int:
    number = _decimal(cell, comma=False)
    if number != number.to_integral_value():
        raise UnfitError("NOT_A_NUMBER", "is not a whole number")
    return int(number)


def _boolean(cell: str) -> bool:
    word = cell.lower()
    if word not in _TRUE | _FALSE:
        raise UnfitError("NOT_A_BOOLEAN", "is neither true nor false")
    return word in _TRUE


def _fitting(cell: str) -> str:
    if len(cell) > entities.LABEL_LENGTH:
        raise UnfitError("LABEL_TOO_LONG", f"is longer than {entities.LABEL_LENGTH} characters; truncate = true would cut it")
    return cell


def _cut(cell: str) -> str:
    return cell[: entities.LABEL_LENGTH].rstrip()
