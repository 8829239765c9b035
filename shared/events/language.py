"""How an event is declared, written and read: one stdlib dataclass per event, two views of its schema.

The producer writes through the *closed* view: every value is one of those declared. A consumer reads through the *open*
view: unknown fields are ignored, and an enumeration marked `Open` takes any text.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Generic, TypeVar, dataclass_transform
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from shared.cause import Cause

T = TypeVar("T")
E = TypeVar("E")

MAX_DATA_BYTES = 256 * 1024

THREAD_KEY = "lead_id"
"""An event with this key is a step on the thread from a lead to a delivery, which has the lead's id: the journey."""


class _Extensible:
    """Closed for whoever writes, open for whoever reads."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_wrap_validator_function(_accept_any_text_when_open, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "x-extensible-enum": True}


def _accept_any_text_when_open(value: Any, handler: core_schema.ValidatorFunctionWrapHandler, info: core_schema.ValidationInfo[Any]) -> Any:
    try:
        return handler(value)
    except ValidationError:
        if isinstance(value, str) and info.context == "open":
            return value
        raise


Open = Annotated[T, _Extensible()]
"""`Open[Literal["a", "b"]]`: an enumeration to which later versions may add values."""


class _Quotation:
    """What another service said is passed on as it came, in whatever view the rest is written."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def quote(value: Any, inner: core_schema.ValidatorFunctionWrapHandler, info: core_schema.ValidationInfo[Any]) -> Any:
            return adapter(source).validate_python(value, context="open") if info.context == "closed" else inner(value)

        return core_schema.with_info_wrap_validator_function(quote, handler(source))


Quoted = Annotated[T, _Quotation()]
"""A part of another producer's event inside one's own: its enumerations stay open, or a later version of it could not be passed on."""

Instant = Annotated[AwareDatetime, AfterValidator(lambda value: value.astimezone(UTC))]
"""An aware time, kept in UTC."""

Code = Annotated[str, Field(min_length=1, max_length=64)]
"""A short word from an administered vocabulary."""

Listed = Annotated[tuple[T, ...], Field(max_length=200)]
"""A list of at most 200."""


@dataclass(frozen=True, slots=True)
class EventType:
    """What is fixed about an event: its name (equal to its topic), data version, owner, and the fields that give subject and key.

    Events of one `aggregate` of one owner share the numbers of their subjects.
    """

    name: str
    version: str
    producer: str
    subject: str
    key: str
    aggregate: str


_BY_NAME: dict[str, type[Any]] = {}
_TYPES: dict[type[Any], EventType] = {}


@dataclass_transform(frozen_default=True, kw_only_default=True)
def event(name: str, version: str, *, subject: str, key: str, aggregate: str = "") -> Callable[[type[E]], type[E]]:
    """Declares a dataclass under shared/events/<producer>/ as the event `name`, data version `major.minor`.

    `aggregate`: named where another subject field holds the id of the same thing; else it follows from the field.
    """

    def declare(cls: type[E]) -> type[E]:
        parts = cls.__module__.split(".")
        if (
            not re.fullmatch(r"[a-z]+(-[a-z]+)+(\.v\d+)?", name)
            or not re.fullmatch(r"\d+\.\d+", version)
            or parts[:2] != ["shared", "events"]
        ):
            raise ValueError(f"{cls.__qualname__} is not a well-formed event declaration")
        if _BY_NAME.setdefault(name, cls) is not cls:
            raise ValueError(f"the event {name} is declared twice")
        _TYPES[cls] = EventType(name, version, parts[2], subject, key, aggregate or subject.removesuffix("_id"))
        return cls

    return declare


def type_of(event_class: type[Any]) -> EventType:
    """The declaration of an event class. KeyError if it is none."""
    return _TYPES[event_class]


def class_of(name: str) -> type[Any] | None:
    """The event class of that name, None if nobody declared it."""
    return _BY_NAME.get(name)


def load() -> None:
    """Imports every event of the published language."""
    package = importlib.import_module("shared.events")
    for module in pkgutil.walk_packages(package.__path__, "shared.events."):
        importlib.import_module(module.name)


def declared() -> list[type[Any]]:
    """All event classes that have been imported, by name."""
    return [_BY_NAME[name] for name in sorted(_BY_NAME)]


@cache
def adapter(event_class: type[E]) -> TypeAdapter[E]:
    """pydantic's view of the class, built once."""
    return TypeAdapter(event_class)


def write(event: Any) -> bytes:
    """The JSON bytes of an event, read back through the closed view first. ValueError names the field that may not be published."""
    data = adapter(type(event)).dump_json(event)
    adapter(type(event)).validate_json(data, context="closed")
    if len(data) >= MAX_DATA_BYTES:
        raise ValueError(f"{type_of(type(event)).name} has {len(data)} bytes of data, more than {MAX_DATA_BYTES}")
    return data


def read(event_class: type[E], data: bytes) -> E:
    """The event of these JSON bytes through the open view. pydantic's ValidationError (a ValueError) names what is wrong."""
    return adapter(event_class).validate_json(data, context="open")


@dataclass(frozen=True, slots=True, kw_only=True)
class Received(Generic[E]):
    """An event as a handler gets it.

    `occurred_at`: when the fact happened. `recorded_at`: when its owner stored it. `sequence`: 1, 2, 3 … per (source, subject), which
    orders an aggregate's facts across its topics. `cause` is the reason to give for what follows from it.
    """

    event: E
    id: UUID
    sequence: int
    occurred_at: datetime
    recorded_at: datetime
    cause: Cause
