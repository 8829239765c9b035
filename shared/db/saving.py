"""How things are read, locked and saved: frozen dataclasses whose fields are the columns of one table.

A thing has a `version`: 0 before it was ever stored, then 1, 2, 3 … Saving checks it and hands the events to the transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import ARRAY, Insert, Row, Table, Update, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert

from shared.cause import Cause, Version
from shared.db.transaction import Transaction
from shared.errors import NotFound, Refusal, Stale


class Versioned(Protocol):
    """Anything that is saved with a version check."""

    @property
    def version(self) -> Version: ...


V = TypeVar("V", bound=Versioned)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Change(Generic[V]):
    """A new state, the events that tell of it, and their cause."""

    thing: V
    events: Sequence[Any]
    cause: Cause


async def save(tx: Transaction, table: Table, thing: V, *events: Any, cause: Cause) -> V:
    """Inserts (version 0) or updates one thing and emits its events. Raises Stale if it moved on. Returns it with its new version."""
    (saved,) = await save_many(tx, table, [Change(thing, events, cause)])
    return saved


async def save_many(tx: Transaction, table: Table, changes: Sequence[Change[V]]) -> list[V]:
    """The same for many, each thing at most once: one INSERT and one UPDATE whatever their number. Raises Stale if any moved on."""
    fresh = [change.thing for change in changes if change.thing.version == 0]
    known = [change.thing for change in changes if change.thing.version > 0]
    if fresh:
        await tx.execute(_insert(table, skip_existing=False), _columns(table, [_row(thing, version=1) for thing in fresh]))
    if known:
        result = await tx.execute(_update(table), _columns(table, [_row(thing) for thing in known], prefix="new_"))
        if result.rowcount != len(known):
            raise Stale(table=table.name)
    for change in changes:
        tx.emit(*change.events, cause=change.cause)
    return [_next_version(change.thing) for change in changes]


async def insert_many(tx: Transaction, table: Table, facts: Iterable[Any], *, skip_existing: bool = False) -> int:
    """Inserts facts (dataclasses or mappings with all columns) in one statement; returns how many were new."""
    rows = [fact if isinstance(fact, Mapping) else _row(fact) for fact in facts]
    if not rows:
        return 0
    result = await tx.execute(_insert(table, skip_existing=skip_existing), _columns(table, rows))
    return result.rowcount


def one(row: Row[Any] | None, cls: type[T], expected: Version | None = None, missing: type[Refusal] = NotFound, **ids: Any) -> T:
    """The thing of a row. Raises `missing(**ids)` for no row, Stale if the caller expected another version."""
    if row is None:
        raise missing(**ids)
    thing: Any = cls(**row._mapping)
    if expected is not None and thing.version != expected:
        raise Stale(version=thing.version)
    return thing


def many(rows: Iterable[Row[Any]], cls: type[T]) -> list[T]:
    """The things of rows."""
    return [cls(**row._mapping) for row in rows]


def unnested(columns: Mapping[str, Any]) -> Any:
    """A FROM clause of parallel arrays: {name: SQLAlchemy type} gives one row per place, bound by those names."""
    # One dimension: a JSON value may be a list itself, and stays one value.
    arrays = [bindparam(name, type_=ARRAY(kind, dimensions=1)) for name, kind in columns.items()]
    return select(*(func.unnest(array).label(array.key) for array in arrays)).subquery("given")


@cache
def _insert(table: Table, *, skip_existing: bool) -> Insert:
    given = unnested({column.name: column.type for column in _plain(table)})
    statement = insert(table).from_select([column.name for column in table.columns], select(given))
    return statement.on_conflict_do_nothing() if skip_existing else statement


@cache
def _update(table: Table) -> Update:
    given = unnested({f"new_{column.name}": column.type for column in _plain(table)})
    keys = {column.name for column in table.primary_key}
    values = {column.name: given.c[f"new_{column.name}"] for column in table.columns if column.name not in keys}
    values["version"] = table.c.version + 1
    same = [table.c[key] == given.c[f"new_{key}"] for key in keys]
    return update(table).values(values).where(*same, table.c.version == given.c.new_version)


def _plain(table: Table) -> list[Any]:
    for column in table.columns:
        if isinstance(column.type, ARRAY):
            raise TypeError(f"{table.name}.{column.name} is an array: parallel arrays would flatten it, use Json(tuple[…, ...])")
    return list(table.columns)


def _columns(table: Table, rows: Sequence[Mapping[str, Any]], prefix: str = "") -> dict[str, list[Any]]:
    return {f"{prefix}{column.name}": [row[column.name] for row in rows] for column in table.columns}


@cache
def _names(cls: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(cls))


def _row(thing: Any, **changed: Any) -> dict[str, Any]:
    return {name: getattr(thing, name) for name in _names(type(thing))} | changed


def _next_version(thing: Any) -> Any:
    # As `replace` does, without asking the class for its fields each time.
    return type(thing)(**_row(thing, version=thing.version + 1))
