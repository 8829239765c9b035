"""A bad event is kept with all its bytes and holds its key: whatever comes later with that key waits behind it, and nothing else does."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import ARRAY, BigInteger, Boolean, DateTime, Integer, LargeBinary, Text, Uuid, bindparam, text

from shared.db.transaction import Transaction
from shared.errors import Refusal
from shared.inbox.decoding import Record, Undecodable

MAX_HELD_KEYS: Final = 50
"""With more, something is wrong with the service or its neighbours, and not with an event: it stops reading."""

RETRY_AFTER: Final = (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10), timedelta(hours=1))
"""How long a key waits before each attempt. After the last it waits for a person."""

KEY_CHARACTERS: Final = 500
_TEXT_CHARACTERS: Final = 500
_LAST_MILLISECOND: Final = 253_402_300_799_000

_HELD = text("SELECT key FROM parked_key WHERE key = ANY(:keys) ORDER BY key FOR UPDATE").bindparams(bindparam("keys", type_=ARRAY(Text)))
_HOLD = text(
    "INSERT INTO parked_key (key, next_attempt_at)"
    " SELECT * FROM unnest(:keys, :attempts) AS k (key, attempt) ORDER BY key ON CONFLICT DO NOTHING"
).bindparams(bindparam("keys", type_=ARRAY(Text)), bindparam("attempts", type_=ARRAY(DateTime(timezone=True))))
_COUNT = text("SELECT count(*) FROM parked_key")
# A place in the log is named with its time, since a topic that is made anew counts from 0 again.
_PLACES = (
    bindparam("topics", type_=ARRAY(Text)),
    bindparam("parts", type_=ARRAY(Integer)),
    bindparam("offsets", type_=ARRAY(BigInteger)),
    bindparam("times", type_=ARRAY(DateTime(timezone=True))),
    bindparam("ids", type_=ARRAY(Uuid)),
    bindparam("values", type_=ARRAY(LargeBinary)),
)
_KNOWN = text("""
SELECT w.topic, w.part, w."offset"
FROM unnest(:topics, :parts, :offsets, :times, :ids, :values) AS w (topic, part, "offset", kafka_ts, event_id, value)
WHERE EXISTS (SELECT FROM parked_event p WHERE (p.topic, p.part, p."offset", p.kafka_ts) = (w.topic, w.part, w."offset", w.kafka_ts))
   OR EXISTS (SELECT FROM parked_event p WHERE p.event_id = w.event_id AND p.raw_value IS NOT DISTINCT FROM w.value AND NOT p.in_inbox)
""").bindparams(*_PLACES)
_KEEP = text("""
INSERT INTO parked_event
  (topic, part, "offset", kafka_ts, event_id, raw_value, key, raw_key, raw_headers, in_inbox, error_class, error_code, error_text)
SELECT topic, part, "offset", kafka_ts, event_id, value, key, raw_key, headers::jsonb, in_inbox, class, code, detail
FROM unnest(:topics, :parts, :offsets, :times, :ids, :values, :keys, :raw_keys, :headers, :in_inbox, :classes, :codes, :texts)
     WITH ORDINALITY AS w (topic, part, "offset", kafka_ts, event_id, value, key, raw_key, headers, in_inbox, class, code, detail, place)
ORDER BY place ON CONFLICT DO NOTHING""").bindparams(
    *_PLACES,
    bindparam("keys", type_=ARRAY(Text)),
    bindparam("raw_keys", type_=ARRAY(LargeBinary)),
    bindparam("headers", type_=ARRAY(Text)),
    bindparam("in_inbox", type_=ARRAY(Boolean)),
    bindparam("classes", type_=ARRAY(Text)),
    bindparam("codes", type_=ARRAY(Text)),
    bindparam("texts", type_=ARRAY(Text)),
)


class TooManyHeld(Exception):  # noqa: N818  a fact about the service
    """One more key would be held than `max_held_keys` allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why an event could not be applied. `kind`: decode (only a person can mend it), handler or database (it is tried again)."""

    kind: str
    code: str
    text: str = ""

    @property
    def first_attempt(self) -> timedelta | None:
        """After how long it is tried again; None: not before somebody asks for it."""
        return None if self.kind == "decode" else RETRY_AFTER[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A record to be kept. Without a fault it only waits behind an earlier one. `in_inbox`: its id is in the inbox from now on."""

    record: Record
    event_id: UUID | None
    in_inbox: bool
    fault: Fault | None


def fault_of(error: Exception) -> Fault:
    """What is noted of an error: names and codes, never values."""
    if isinstance(error, Undecodable):
        return Fault(kind="decode", code=error.code, text=_clean(error.detail))
    if isinstance(error, Refusal):
        fields = ", ".join(f"{each.field}: {each.code}" for each in error.errors)
        return Fault(kind="handler", code=error.code, text=_clean(fields or error.detail))
    origin = getattr(error, "orig", None)
    if origin is not None:
        cause = origin.__cause__ or origin
        names = [str(name) for part in ("table_name", "column_name", "constraint_name") if (name := getattr(cause, part, None))]
        return Fault(kind="database", code=type(cause).__name__, text=_clean(" ".join(names)))
    return Fault(kind="handler", code=type(error).__name__)


def key_of(record: Record) -> str | None:
    """The key as text; None for one that cannot be read, and so holds nothing."""
    try:
        key = (record.key or b"").decode()
    except UnicodeDecodeError:
        return None
    return key if 0 < len(key) <= KEY_CHARACTERS and "\0" not in key else None


async def held(tx: Transaction, keys: Iterable[str]) -> set[str]:
    """Those of the keys that are held. Their rows stay locked, so that nobody releases one while an event is put behind it."""
    return set((await tx.execute(_HELD, {"keys": sorted(set(keys))})).scalars())


async def known(tx: Transaction, bad: Sequence[Kept]) -> set[tuple[str, int, int]]:
    """Topic, partition and offset of those that are kept already, as after a replay or in a copy."""
    return {(row.topic, row.part, row.offset) for row in await tx.all(_KNOWN, _places(bad))}


async def park(tx: Transaction, events: Sequence[Kept], *, max_held_keys: int) -> None:
    """Keeps the events, in order, and holds the keys of those at fault. Raises TooManyHeld."""
    rows = _places(events) | {
        "keys": [key_of(each.record) for each in events],
        "raw_keys": [each.record.key for each in events],
        "headers": [_headers(each.record) for each in events],
        "in_inbox": [each.in_inbox for each in events],
        "classes": [each.fault and each.fault.kind for each in events],
        "codes": [each.fault and each.fault.code for each in events],
        "texts": [each.fault and each.fault.text for each in events],
    }
    await tx.execute(_KEEP, rows)
    holding: dict[str, datetime | None] = {}
    for each in events:
        if each.fault is not None and (key := key_of(each.record)) is not None:
            wait = each.fault.first_attempt
            holding.setdefault(key, None if wait is None else tx.now + wait)
    if holding:
        taken = await tx.execute(_HOLD, {"keys": list(holding), "attempts": list(holding.values())})
        if taken.rowcount and (await tx.execute(_COUNT)).scalar_one() > max_held_keys:
            raise TooManyHeld


async def count_held(tx: Transaction) -> int:
    """How many keys are held."""
    return (await tx.execute(_COUNT)).scalar_one()


def from_header(part: Any) -> bytes | None:
    """The bytes of a header's name or value as it is stored."""
    if isinstance(part, dict):
        return base64.b64decode(part["b64"])
    return None if part is None else str(part).encode()


def _headers(record: Record) -> str:
    return to_json([[_storable(name.encode(errors="surrogatepass")), _storable(value)] for name, value in record.headers]).decode()


def _storable(part: bytes | None) -> Any:
    if part is None:
        return None
    try:
        readable = part.decode()
    except UnicodeDecodeError:
        readable = "\0"
    return readable if "\0" not in readable else {"b64": base64.b64encode(part).decode()}


def _places(events: Sequence[Kept]) -> dict[str, list[Any]]:
    records = [each.record for each in events]
    return {
        "topics": [record.topic for record in records],
        "parts": [record.part for record in records],
        "offsets": [record.offset for record in records],
        "times": [_instant(record.timestamp) for record in records],
        "ids": [each.event_id for each in events],
        "values": [record.value for record in records],
    }


def _instant(milliseconds: int) -> datetime:
    # Who wrote the record chose its time.
    return datetime.fromtimestamp(min(max(milliseconds, 0), _LAST_MILLISECOND) / 1000, UTC)


def _clean(detail: str) -> str:
    return detail.replace("\0", "")[:_TEXT_CHARACTERS]
