"""Which file is which, and whether the mapping fits: everything that can be known before the first row is sent."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from baton.importer import entities, files, shapes, values
from baton.importer.faults import MappingError
from baton.importer.files import Table, UnreadableError
from baton.importer.mapping import Feed, File, MappingFile, Value

Needed = Mapping[str, Sequence[tuple[str, str]]]
"""By file of the mapping: the columns that are used, each with the place in the mapping that uses it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A column that is looked up in another file by a key."""

    file: str
    key: str
    column: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will be read: the tables by file of the mapping, the feeds that have one, the columns looked up, and a digest of all of it."""

    mapping: MappingFile
    tables: Mapping[str, Sequence[Table]]
    feeds: Sequence[Feed]
    lookups: frozenset[Wanted]
    digests: Sequence[str]


def make(mapping: MappingFile, name: str, paths: Sequence[Path]) -> Plan:
    """The plan for those files. Raises MappingError with all that does not fit; `name` is what faults call the mapping."""
    faults: list[str] = []
    found = _recognised(mapping, name, paths, faults)
    feeds = [(at, feed) for at, feed in enumerate(mapping.feeds) if feed.file in found]
    if found and not feeds:
        faults.append(f"{name}: no feed reads any of the files given")
    lookups = frozenset(wanted for _, feed in feeds for _, value in feed.values() for wanted in _lookups(value))
    for wanted in sorted({wanted.file for wanted in lookups} - set(found)):
        faults.append(f"{name}: files.{wanted}: a column is looked up in this file, but it was not given")
    needed = _needed(feeds)
    tables: dict[str, list[Table]] = {}
    digests: list[str] = []
    for kind, its_paths in found.items():
        for path in its_paths:
            try:
                digests.append(_add_table(tables.setdefault(kind, []), mapping.files[kind], path, needed.get(kind, ())))
            except UnreadableError as error:
                faults.append(f"{path}: {error}")
                continue
            faults.extend(_missing_columns(name, tables[kind][-1], needed.get(kind, ())))
    if not faults:
        faults.extend(f"{name}: feeds[{at}].{fault}" for at, feed in feeds for fault in _constants(mapping, feed, tables[feed.file]))
    if faults:
        raise MappingError(faults)
    return Plan(mapping=mapping, tables=tables, feeds=[feed for _, feed in feeds], lookups=lookups, digests=digests)


def context(mapping: MappingFile, kind: str, table: Table, finders: Mapping[tuple[str, str, str], values.Find]) -> values.Context:
    """What the values of a file are read against; `finders` by file, key and column of a lookup."""
    file = mapping.files[kind]
    return values.Context(
        mapping=mapping,
        columns=table.columns,
        missing=(*mapping.defaults.missing, *file.missing),
        dates=file.dates or mapping.defaults.dates,
        finders=finders,
    )


def _recognised(mapping: MappingFile, name: str, paths: Sequence[Path], faults: list[str]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in dict.fromkeys(paths):
        try:
            kinds = [kind for kind, file in mapping.files.items() if _is_kind(file, path)]
        except (OSError, UnreadableError) as error:
            faults.append(f"{path}: cannot be read: {error.strerror if isinstance(error, OSError) else error}")
            continue
        if len(kinds) == 1:
            found.setdefault(kinds[0], []).append(path)
        elif kinds:
            faults.append(f"{path}: could be any of {', '.join(kinds)} of {name}: make their name or columns say which")
        else:
            faults.append(
                f"{path}: is none of the files of {name} ({', '.join(_described(kind, file) for kind, file in mapping.files.items())})"
                f"{_doubt(mapping, path)}"
            )
    return found


def _doubt(mapping: MappingFile, path: Path) -> str:
    """Why the header of a file that was not recognised may have been misread."""
    for file in mapping.files.values():
        try:
            files.scan(path, files.encoding_of(path, file.encoding))
        except UnreadableError as error:
            return f"; {error}"
    return ""


def _is_kind(file: File, path: Path) -> bool:
    with path.open("rb"):  # a file that is not there is said to be missing, whatever its name
        pass
    if file.name is not None and not fnmatch.fnmatch(path.name.lower(), file.name.lower()):
        return False
    return not file.columns or set(file.columns) <= set(_header(file, path, file.columns)[1])


def _header(file: File, path: Path, needed: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    encoding = files.encoding_of(path, file.encoding)
    delimiter = file.delimiter or files.sniffed(path, encoding, file.quote, needed)
    return delimiter, files.header(path, encoding, delimiter, file.quote)


def _described(kind: str, file: File) -> str:
    return f"{kind}: " + " and ".join(
        ([f"name {file.name}"] if file.name is not None else []) + ([f"columns {', '.join(file.columns)}"] if file.columns else [])
    )


def _add_table(tables: list[Table], file: File, path: Path, needed: Sequence[tuple[str, str]]) -> str:
    encoding = files.encoding_of(path, file.encoding)
    digest = files.scan(path, encoding)
    delimiter, columns = _header(file, path, [column for column, _ in needed])
    tables.append(Table(path=path, columns=columns, encoding=encoding, delimiter=delimiter, quote=file.quote))
    return digest


def _needed(feeds: Sequence[tuple[int, Feed]]) -> Needed:
    needed: dict[str, list[tuple[str, str]]] = {}
    for at, feed in feeds:
        for column in feed.when:
            needed.setdefault(feed.file, []).append((column, f"feeds[{at}].when"))
        for place, value in feed.values():
            for kind, column in _columns(feed.file, value):
                needed.setdefault(kind, []).append((column, f"feeds[{at}].{place}"))
    return needed


def _columns(kind: str, value: Value) -> Iterator[tuple[str, str]]:
    """Every column a value uses, with the file it is in."""
    for inner in (value.stand_in, value.currency):
        if inner:
            yield from _columns(kind, inner)
    yield from ((kind, column) for column in value.columns)
    if value.lookup and value.column is not None:
        yield value.lookup.file, value.lookup.key
        yield value.lookup.file, value.column
        yield from _columns(kind, value.lookup.by)
    elif value.column is not None:
        yield kind, value.column


def _lookups(value: Value) -> Iterator[Wanted]:
    for inner in (value.stand_in, value.currency, value.lookup.by if value.lookup else None):
        if inner:
            yield from _lookups(inner)
    if value.lookup and value.column is not None:
        yield Wanted(file=value.lookup.file, key=value.lookup.key, column=value.column)


def _missing_columns(name: str, table: Table, needed: Sequence[tuple[str, str]]) -> Iterator[str]:
    if not table.columns:
        yield f"{table.path}: is empty"
        return
    for column, place in dict.fromkeys(needed):
        times = table.columns.count(column)
        if times == 0:
            near = difflib.get_close_matches(column, table.columns, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(table.columns[:40])}"
            yield f"{name}: {place}: {table.path.name} has no column {column!r} ({hint})"
        elif times > 1:
            yield f"{name}: {place}: {table.path.name} has {times} columns named {column!r}: rename one"


def _constants(mapping: MappingFile, feed: Feed, tables: Sequence[Table]) -> Iterator[str]:
    entity = entities.ENTITIES[feed.entity]
    nothing_found = {(wanted.file, wanted.key, wanted.column): _find_nothing for _, value in feed.values() for wanted in _lookups(value)}
    for table in tables[:1]:
        yield from shapes.constant_faults(feed, entity, context(mapping, feed.file, table, nothing_found))


def _find_nothing(_: str) -> Iterator[str]:
    return iter(())
