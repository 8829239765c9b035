"""A mapping file: TOML that says which files there are and what their columns mean. Read here, checked against files in `plans`."""

from __future__ import annotations

import codecs
import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from baton.importer import dates, entities
from baton.importer.faults import MappingError
from shared import calendar

Plain = str | bool | int | Decimal | datetime | date


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Lookup(_Part):
    """Where another file's row is found: the row of `file` whose column `key` equals the value `by` of this row."""

    file: str
    key: str
    by: Spec


class Value(_Part):
    """How one value is read from a row: from a column (here or, with `lookup`, in another file), several joined, or a constant.

    One that has nothing but a `stand_in` is never known, only estimated.
    """

    column: str | None = None
    columns: list[str] = []
    join: str = "-"
    constant: Plain | None = None
    lookup: Lookup | None = None
    map: dict[str, str] = {}
    pattern: str | None = None
    otherwise: Literal["keep", "reject", "missing"] = "keep"
    missing: list[str] = []
    dates: list[str] = []
    stand_in: Spec | None = None
    currency: Spec | None = None
    decimal_comma: bool = False
    split: str | None = Field(default=None, min_length=1)
    truncate: bool = False
    type: Literal["text", "integer", "boolean"] = "text"

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        origins = (self.column is not None) + bool(self.columns) + (self.constant is not None)
        if origins > 1 or (not origins and self.stand_in is None):
            raise ValueError("name one of column, columns, constant")
        if self.lookup and self.column is None:
            raise ValueError("lookup needs column: the one to take from the other file")
        if self.pattern is not None and self.otherwise == "keep":
            raise ValueError('pattern needs otherwise = "missing" or "reject": what becomes of a text that does not match')
        return self

    @field_validator("pattern")
    @classmethod
    def _pattern(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from None
        return pattern

    @field_validator("dates")
    @classmethod
    def _dates(cls, formats: list[str]) -> list[str]:
        return dates.checked(formats)


def _spec(given: object) -> object:
    return {"column": given} if isinstance(given, str) else given


Spec = Annotated[Value, BeforeValidator(_spec)]
"""A value; a text alone is the name of a column."""


class Source(_Part):
    """The system the files come from. Days are taken in its `time_zone`."""

    code: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    name: str = Field(min_length=1, max_length=200)
    time_zone: str

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, name: str) -> str:
        calendar.zone(name)
        return name


class File(_Part):
    """One kind of file: recognised by a glob on its name, by columns it has, or both."""

    name: str | None = None
    columns: list[str] = []
    encoding: str = ""
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    quote: str = Field(default='"', max_length=1)
    missing: list[str] = []
    dates: list[str] = []

    @model_validator(mode="after")
    def _recognisable(self) -> Self:
        if self.name is None and not self.columns:
            raise ValueError("say how the file is recognised: name, columns or both")
        return self

    @field_validator("encoding")
    @classmethod
    def _encoding(cls, name: str) -> str:
        try:
            return codecs.lookup(name).name if name else ""
        except LookupError:
            raise ValueError(f"unknown encoding {name}") from None

    @field_validator("dates")
    @classmethod
    def _dates(cls, formats: list[str]) -> list[str]:
        return dates.checked(formats)


class Defaults(_Part):
    """What holds for all files and values that do not say otherwise."""

    missing: list[str] = []
    dates: list[str] = ["iso"]
    currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$")

    @field_validator("dates")
    @classmethod
    def _dates(cls, formats: list[str]) -> list[str]:
        return dates.checked(formats)


class Standing(_Part):
    """What an order hangs on whose deal is missing: a standing deal since that time, one per customer, else one for the whole source."""

    since: datetime | date
    customer: Spec | None = None


class Feed(_Part):
    """What one row of one kind of file tells of one kind of thing."""

    entity: str
    file: str
    external_id: Spec
    when: dict[str, bool | str | list[str]] = {}
    on_conflict: Literal["refuse", "update"] = "refuse"
    repeats: Literal["send", "first"] = "send"
    fields: dict[str, Spec] = {}
    labels: dict[str, Spec] = {}
    facts: dict[str, Spec] = {}
    lines: list[dict[str, Spec]] = []
    consents: list[dict[str, Spec]] = []
    standing: Standing | None = None

    def groups(self) -> Mapping[str, list[dict[str, Value]]]:
        """The lists of small objects that this feed fills."""
        return {name: group for name, group in (("lines", self.lines), ("consents", self.consents)) if group}

    def values(self) -> Iterator[tuple[str, Value]]:
        """Every value with its place below the feed."""
        yield "external_id", self.external_id
        if self.standing and self.standing.customer:
            yield "standing.customer", self.standing.customer
        for table, named in (("fields", self.fields), ("labels", self.labels), ("facts", self.facts)):
            yield from ((f"{table}.{name}", value) for name, value in named.items())
        for group, members in self.groups().items():
            yield from ((f"{group}[{at}].{name}", value) for at, member in enumerate(members) for name, value in member.items())


class MappingFile(_Part):
    """A whole mapping file."""

    source: Source
    defaults: Defaults = Defaults()
    files: dict[str, File] = Field(min_length=1)
    feeds: list[Feed] = Field(min_length=1)


def read(path: Path) -> tuple[MappingFile, str]:
    """The mapping in a file, and the digest of its bytes. Raises MappingError that names file, place and fault of all that is wrong."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MappingError([f"{path}: cannot be read: {error.strerror}"]) from error
    return parse(content, path.name), hashlib.sha256(content).hexdigest()


def parse(content: bytes, name: str) -> MappingFile:
    """The mapping in that text; `name` is what faults call it."""
    try:
        table = tomllib.loads(content.decode(), parse_float=Decimal)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MappingError([f"{name}: is not TOML: {error}"]) from error
    try:
        mapping = MappingFile.model_validate(table)
    except ValidationError as error:
        raise MappingError([f"{name}: {_place(fault['loc'])}: {_sentence(fault['msg'])}" for fault in error.errors()]) from error
    faults = [f"{name}: {fault}" for fault in _faults(mapping)]
    if faults:
        raise MappingError(faults)
    return mapping


def _place(parts: tuple[int | str, ...]) -> str:
    return (
        "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts if part != "function-before").lstrip(".")
        or "mapping"
    )


def _sentence(message: str) -> str:
    return {"Extra inputs are not permitted": "is not known here", "Field required": "is missing"}.get(
        message, re.sub(r"^Value error, ", "", message)
    )


def _faults(mapping: MappingFile) -> Iterator[str]:
    for at, feed in enumerate(mapping.feeds):
        place = f"feeds[{at}]"
        if feed.file not in mapping.files:
            yield f"{place}.file: there is no [files.{feed.file}]"
        entity = entities.ENTITIES.get(feed.entity)
        if entity is None:
            yield f"{place}.entity: unknown entity {feed.entity!r}; known: {', '.join(entities.ENTITIES)}"
            continue
        yield from (f"{place}.{fault}" for fault in _faults_of_feed(feed, entity, mapping))


def _faults_of_feed(feed: Feed, entity: entities.Entity, mapping: MappingFile) -> Iterator[str]:
    yield from _faults_of_names(feed.fields, entity.fields, "fields", entity.name)
    yield from _faults_of_order(feed, entity, mapping)
    for group, members in feed.groups().items():
        if group not in entity.groups:
            yield f"{group}: a {entity.name} has none"
            continue
        for at, member in enumerate(members):
            yield from _faults_of_names(member, entity.groups[group], f"{group}[{at}]", group)
    if feed.facts and not entity.facts:
        yield f"facts: a {entity.name} has none"
    if feed.on_conflict != "refuse" and not entity.updates:
        yield f"on_conflict: a {entity.name} is never changed by an import"
    if len(feed.labels) > entities.MOST_LABELS:
        yield f"labels: at most {entities.MOST_LABELS} are kept, here are {len(feed.labels)}"
    yield from (
        f"labels.{name}: a name has at most {entities.LABEL_NAME_LENGTH} characters"
        for name in feed.labels
        if len(name) > entities.LABEL_NAME_LENGTH
    )
    for place, value in feed.values():
        yield from (f"{place}.{fault}" for fault in _faults_of_value(value, mapping, stands_in=place == f"fields.{entity.time}"))


def _faults_of_order(feed: Feed, entity: entities.Entity, mapping: MappingFile) -> Iterator[str]:
    if feed.standing and not entity.of_deal:
        yield f"standing: a {entity.name} has none"
    if entity.of_deal and not feed.standing and not feed.fields.keys() & {"deal", "opportunity"}:
        yield f"fields.deal: is missing, and every {entity.name} needs it, or [feeds.standing]"
    lacking = {name for name, field in entity.fields.items() if field.default == "currency"} - feed.fields.keys()
    if lacking and mapping.defaults.currency is None and not feed.lines:
        yield "fields.currency: is missing: name it here, or in [defaults]"


def _faults_of_names(given: Mapping[str, Value], known: Mapping[str, entities.Field], place: str, owner: str) -> Iterator[str]:
    for name in given:
        if name not in known:
            yield f"{place}.{name}: unknown field of {owner}; known: {', '.join(known)}"
    for name, field in known.items():
        if field.required and name not in given:
            yield f"{place}.{name}: is missing, and every {owner} needs it"


def _faults_of_value(value: Value, mapping: MappingFile, *, stands_in: bool) -> Iterator[str]:
    if value.stand_in and not stands_in:
        yield "stand_in: only the time of the fact can have one"
    if value.lookup:
        if value.lookup.file not in mapping.files:
            yield f"lookup.file: there is no [files.{value.lookup.file}]"
        yield from (f"lookup.by.{fault}" for fault in _faults_of_value(value.lookup.by, mapping, stands_in=False))
    for name, inner in (("stand_in", value.stand_in), ("currency", value.currency)):
        if inner:
            yield from (f"{name}.{fault}" for fault in _faults_of_value(inner, mapping, stands_in=stands_in and name == "stand_in"))
