"""What an operator does with parked events: look at them, have them tried again, mend a value, or let one go.

Whatever changes something locks the key first and the event after it, as the drain does, and leaves a row in the audit log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from pydantic_core import from_json
from sqlalchemy import ARRAY, BigInteger, DateTime, Integer, Interval, LargeBinary, Text, bindparam, text

from shared.db import audit
from shared.db.audit import Author
from shared.db.transaction import Transaction
from shared.errors import Conflict, Invalid, NotFound

BEHIND: Final = "BEHIND"
"""Stands for the error of an event that has none and only waits behind another of its key."""

MAX_VALUE_BYTES: Final = 1024 * 1024
"""What a record of a topic may hold."""

_FILTER = """
  (:topic IS NULL OR p.topic = :topic) AND (:key IS NULL OR p.key = :key)
  AND (:error_code IS NULL OR coalesce(p.error_code, 'BEHIND') = :error_code)
  AND (:state IS NULL OR p.state = :state) AND (:older_than IS NULL OR p.parked_at <= now() - :older_than)"""
_FILTERING = (
    *(bindparam(name, type_=Text) for name in ("topic", "key", "error_code", "state")),
    bindparam("older_than", type_=Interval),
)
_ROWS = """
SELECT p.*, octet_length(p.raw_value) AS size, p.edited_value IS NOT NULL AS edited, k.attempts, k.next_attempt_at
FROM parked_event p LEFT JOIN parked_key k ON k.key = p.key AND p.state = 'open' WHERE """
_COLUMNS = ("id", "key", "event_id", "topic", "part", "offset", "kafka_ts", "state", "error_class", "error_code", "error_text")
_WITHOUT_BYTES = ", ".join(f'p."{name}"' for name in (*_COLUMNS, "parked_at", "resolved_at"))
_LIST = text("".join((_ROWS.replace("p.*", _WITHOUT_BYTES), _FILTER, " AND p.id > :after ORDER BY p.id LIMIT :limit"))).bindparams(
    *_FILTERING, bindparam("after", type_=BigInteger), bindparam("limit", type_=Integer)
)
_GET = text(_ROWS + "p.id = :id").bindparams(bindparam("id", type_=BigInteger))
_KEY_OF = text("SELECT key FROM parked_event WHERE id = :id").bindparams(bindparam("id", type_=BigInteger))
_LOCK_KEY = text("SELECT FROM parked_key WHERE key = :key FOR UPDATE")
_LOCK = text("SELECT state FROM parked_event WHERE id = :id FOR UPDATE")
_NOW_DUE = text("UPDATE parked_key SET next_attempt_at = now() WHERE key = :key")
_EDIT = text("UPDATE parked_event SET edited_value = :value WHERE id = :id").bindparams(bindparam("value", type_=LargeBinary))
_DISCARD = text("UPDATE parked_event SET state = 'discarded', resolved_at = now() WHERE id = :id")
_FIRST = text("SELECT min(id) FROM parked_event WHERE key = :key AND state = 'open'")
_GO_ON = text("UPDATE parked_key SET attempts = 0, next_attempt_at = now() WHERE key = :key")
_RELEASE = text("DELETE FROM parked_key WHERE key = :key AND NOT EXISTS (SELECT FROM parked_event WHERE key = :key AND state = 'open')")
_COUNT = "SELECT count(*) AS events, count(DISTINCT key) AS keys FROM parked_event p WHERE p.key IS NOT NULL AND "
_MATCHING = text("".join((_COUNT, _FILTER))).bindparams(*_FILTERING)
_HELD = """
SELECT k.key, (SELECT min(o.id) FROM parked_event o WHERE o.key = k.key AND o.state = 'open') AS first FROM parked_key k
WHERE EXISTS (SELECT FROM parked_event p WHERE p.key = k.key AND """
# In order of the key, like everybody who locks several.
_LOCK_MATCHING = text("".join((_HELD, _FILTER, ") ORDER BY k.key FOR UPDATE OF k"))).bindparams(*_FILTERING)
_DUE = text("UPDATE parked_key k SET next_attempt_at = w.at FROM unnest(:keys, :at) AS w (key, at) WHERE k.key = w.key").bindparams(
    bindparam("keys", type_=ARRAY(Text)), bindparam("at", type_=ARRAY(DateTime(timezone=True)))
)


class AlreadyResolved(Conflict):
    """The event was applied or discarded before."""


class NotRetryable(Conflict):
    """The record has no readable key, so it can never be applied: discard it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Parked events that agree with all that is given. `error_code` BEHIND: those that only wait; `older_than`: since they were parked."""

    topic: str | None = None
    error_code: str | None = None
    key: str | None = None
    state: str | None = None
    older_than: timedelta | None = None

    def parameters(self, **changed: Any) -> dict[str, Any]:
        """For a statement."""
        given = {name: getattr(self, name) for name in ("topic", "error_code", "key", "state", "older_than")}
        return given | changed

    def __str__(self) -> str:
        given = self.parameters()
        return " ".join(f"{name}={value}" for name, value in given.items() if value is not None) or "everything"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """A parked event without its bytes. `attempts`, `next_attempt_at`: of its key; no next one: it waits for a person."""

    id: int
    state: str
    key: str | None
    topic: str
    part: int
    offset: int
    kafka_ts: datetime
    event_id: UUID | None
    error_class: str | None
    error_code: str | None
    error_text: str | None
    parked_at: datetime
    resolved_at: datetime | None
    size: int | None
    edited: bool
    attempts: int | None
    next_attempt_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A parked event with its bytes as they came. `raw_headers`: [name, value], where a part that is no clean text is {"b64": …}."""

    event: Parked
    raw_key: bytes | None
    raw_headers: list[Any]
    raw_value: bytes | None
    edited_value: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """How many events were meant, of how many keys, and when the last of them is tried."""

    events: int
    keys: int
    last_at: datetime | None


async def list_parked(tx: Transaction, chosen: Filter, *, after: int = 0, limit: int) -> list[Parked]:
    """At most so many that agree with the filter, in the order in which they were parked, from behind the id `after`."""
    return [_parked(row) for row in await tx.all(_LIST, chosen.parameters(after=after, limit=limit))]


async def get_parked(tx: Transaction, parked_id: int) -> Whole:
    """The event with its bytes. Raises NotFound."""
    row = await tx.first(_GET, {"id": parked_id})
    if row is None:
        raise NotFound(parked_id=parked_id)
    return Whole(
        event=_parked(row), raw_key=row.raw_key, raw_headers=row.raw_headers, raw_value=row.raw_value, edited_value=row.edited_value
    )


async def retry(tx: Transaction, parked_id: int, *, author: Author, reason: str) -> Parked:
    """Has the events of its key tried now, in their order. Raises NotFound, AlreadyResolved, NotRetryable."""
    key = _readable(await _lock(tx, parked_id), parked_id)
    await tx.execute(_NOW_DUE, {"key": key})
    await _record(tx, author, "retry", str(parked_id), fields=["next_attempt_at"], reason=reason)
    return await _again(tx, parked_id)


async def edit(tx: Transaction, parked_id: int, value: bytes, *, author: Author, reason: str) -> Parked:
    """Puts another value beside the one that came, to be applied in its place; it is tried when somebody asks for it.

    Raises Invalid for what could never be applied (no JSON object, or too large), NotFound, AlreadyResolved, NotRetryable.
    """
    _require_object(value)
    _readable(await _lock(tx, parked_id), parked_id)
    await tx.execute(_EDIT, {"id": parked_id, "value": value})
    await _record(tx, author, "edit", str(parked_id), fields=["edited_value"], reason=reason)
    return await _again(tx, parked_id)


async def discard(tx: Transaction, parked_id: int, *, author: Author, reason: str) -> Parked:
    """Lets the event go without an effect; its bytes stay. What waits behind it is tried now. Raises NotFound, AlreadyResolved."""
    key = await _lock(tx, parked_id)
    was_first = key is not None and (await tx.execute(_FIRST, {"key": key})).scalar_one() == parked_id
    await tx.execute(_DISCARD, {"id": parked_id})
    if key is not None and not (await tx.execute(_RELEASE, {"key": key})).rowcount and was_first:
        await tx.execute(_GO_ON, {"key": key})
    await _record(tx, author, "discard", str(parked_id), fields=["state", "resolved_at"], reason=reason)
    return await _again(tx, parked_id)


async def retry_many(tx: Transaction, chosen: Filter, *, rate: float, dry_run: bool, author: Author, reason: str) -> Retried:
    """Has the keys of open events that agree with the filter tried, at most `rate` keys a second, from now on; a dry run only counts.

    A key is tried from its first event on, whichever of them agrees. What has no readable key is left out.
    """
    counted = await tx.first(_MATCHING, chosen.parameters(state="open"))
    assert counted is not None  # noqa: S101  a count is one row
    if dry_run or not counted.keys:
        return Retried(events=counted.events, keys=counted.keys, last_at=None)
    held = sorted(await tx.all(_LOCK_MATCHING, chosen.parameters(state="open")), key=lambda row: row.first)
    due = [tx.now + timedelta(seconds=place / rate) for place in range(len(held))]
    await tx.execute(_DUE, {"keys": [row.key for row in held], "at": due})
    await _record(tx, author, "retry_many", str(chosen), fields=["next_attempt_at"], reason=reason)
    return Retried(events=counted.events, keys=len(held), last_at=due[-1] if due else None)


async def _lock(tx: Transaction, parked_id: int) -> str | None:
    found = await tx.first(_KEY_OF, {"id": parked_id})
    if found is None:
        raise NotFound(parked_id=parked_id)
    if found.key is not None:
        await tx.execute(_LOCK_KEY, {"key": found.key})
    state = (await tx.execute(_LOCK, {"id": parked_id})).scalar_one()
    if state != "open":
        raise AlreadyResolved(parked_id=parked_id, state=state)
    return found.key


def _readable(key: str | None, parked_id: int) -> str:
    if key is None:
        raise NotRetryable(parked_id=parked_id)
    return key


def _require_object(value: bytes) -> None:
    if len(value) > MAX_VALUE_BYTES:
        raise Invalid.at("/value", "TOO_LARGE", f"A record holds at most {MAX_VALUE_BYTES} bytes.")
    try:
        parsed = from_json(value, allow_inf_nan=False)
    except ValueError:
        raise Invalid.at("/value", "NOT_JSON", "The value is the text of a JSON object.") from None
    if not isinstance(parsed, dict):
        raise Invalid.at("/value", "NOT_AN_OBJECT", "An event is a JSON object.")


async def _again(tx: Transaction, parked_id: int) -> Parked:
    row = await tx.first(_GET, {"id": parked_id})
    return _parked(row)


async def _record(tx: Transaction, author: Author, verb: str, what: str, *, fields: Sequence[str], reason: str) -> None:
    await audit.record(tx, author, action=f"parked.{verb}", object_type="parked_event", object_id=what, fields=fields, reason=reason)


def _parked(row: Any) -> Parked:
    return Parked(**{name: getattr(row, name) for name in Parked.__slots__})
