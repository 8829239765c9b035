"""A Kafka record becomes an event, or is refused with a reason that names no value."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from pydantic import ValidationError

from shared.cause import Actor, Cause
from shared.events import language

T = TypeVar("T")


class Undecodable(Exception):  # noqa: N818  a fact about a record
    """The record is no event that its topic promises. `code` says which rule it breaks, `detail` where."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code} {detail}".strip())
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it was read: its place in the log, the time in it (milliseconds since 1970), and its bytes."""

    topic: str
    part: int
    offset: int
    key: bytes | None
    headers: Sequence[tuple[str, bytes]]
    value: bytes | None
    timestamp: int = 0


@dataclass(frozen=True, slots=True)
class Numbered:
    """What a record says of itself in its headers, as far as it can be read: its id, and its number among the facts of its subject."""

    event_id: UUID | None
    subject: UUID | None
    sequence: int | None


def numbered(record: Record) -> Numbered:
    """The identity of a record, whatever else is wrong with it."""
    try:
        headers = _headers(record)
    except Undecodable:
        return Numbered(None, None, None)
    return Numbered(_known(_uuid, headers, "ce_id"), _known(_uuid, headers, "ce_subject"), _known(_number, headers, "ce_aggregatesequence"))


def decode(record: Record, listens_to: Mapping[str, type[Any]]) -> language.Received[Any]:
    """The event of a record. `listens_to`: topic to event class. Raises Undecodable; the producer is trusted in nothing."""
    event_class = listens_to[record.topic]
    kind = language.type_of(event_class)
    headers = _headers(record)
    _require(headers.get("ce_specversion") == "1.0", "NOT_A_CLOUD_EVENT")
    _require(headers.get("ce_type") == kind.name, "UNKNOWN_TYPE")
    _require(headers.get("ce_source") == f"/services/{kind.producer}", "WRONG_SOURCE")
    schema, _, version = headers.get("ce_dataschema", "").rpartition(":")
    _require(schema == f"urn:baton:schema:{kind.name}", "WRONG_SCHEMA")
    _require(version.partition(".")[0] == kind.version.partition(".")[0], "UNKNOWN_VERSION")
    event_id = _uuid(headers, "ce_id")
    _require(event_id.version == 7, "ID_NOT_TIME_ORDERED")
    try:
        event = language.read(event_class, record.value or b"")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise Undecodable("SCHEMA", f"{'/'.join(str(part) for part in first['loc'])}: {first['type']}") from None
    _require(record.key == str(getattr(event, kind.key)).encode(), "WRONG_KEY")
    _require(headers.get("ce_subject") == str(getattr(event, kind.subject)), "WRONG_SUBJECT")
    occurred_at = _instant(headers, "ce_time")
    cause = Cause(
        actor=Actor(principal=f"/services/{kind.producer}"),
        at=occurred_at,
        correlation_id=_uuid(headers, "ce_correlationid"),
        causation_id=event_id,
        traceparent=headers.get("traceparent"),
    )
    return language.Received(
        event=event,
        id=event_id,
        sequence=_number(headers, "ce_aggregatesequence"),
        occurred_at=occurred_at,
        recorded_at=_instant(headers, "ce_recordedtime"),
        cause=cause,
    )


def _headers(record: Record) -> dict[str, str]:
    try:
        return {name: value.decode() for name, value in record.headers}
    except (UnicodeDecodeError, AttributeError):
        raise Undecodable("BAD_HEADERS") from None


def _known(read: Callable[[Mapping[str, str], str], T], headers: Mapping[str, str], name: str) -> T | None:
    try:
        return read(headers, name)
    except Undecodable:
        return None


def _require(holds: bool, code: str) -> None:
    if not holds:
        raise Undecodable(code)


def _uuid(headers: Mapping[str, str], name: str) -> UUID:
    try:
        return UUID(headers[name])
    except (KeyError, ValueError):
        raise Undecodable("BAD_HEADER", name) from None


def _number(headers: Mapping[str, str], name: str) -> int:
    text = headers.get(name, "")
    if not re.fullmatch(r"[1-9][0-9]{0,17}", text):
        raise Undecodable("BAD_HEADER", name)
    return int(text)


def _instant(headers: Mapping[str, str], name: str) -> datetime:
    try:
        instant = datetime.fromisoformat(headers[name])
        if instant.tzinfo is None:
            raise ValueError
        return instant.astimezone(UTC)
    except (KeyError, ValueError, OverflowError):
        raise Undecodable("BAD_HEADER", name) from None
