"""The operators' routes on the internal port: parked events, and how far the service has read.

They are transactions like every other route, so a POST needs an Idempotency-Key. None needs If-Match: what is changed is locked,
and a step that an event's state forbids is refused.
"""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import FastAPI, Path, Query
from pydantic import Field

from shared.auth.failures import Misconfigured
from shared.db.audit import Author
from shared.errors import Conflict, Invalid, NotFound
from shared.http import app as public
from shared.http import edge
from shared.http.bodies import STORABLE, Answer, Body
from shared.http.edge import Call, Edge, requires
from shared.http.pages import Page, PageRequest, page_request
from shared.http.problems import problems
from shared.inbox import offsets, parked
from shared.inbox.parked import AlreadyResolved, Filter, NotRetryable, Parked, Retried, Whole

PREFIX = "/ops"
MAX_RATE = 1000.0
LONGEST_AGE = 10 * 365 * 24 * 3600

Text = Annotated[str, Field(min_length=1, max_length=500, pattern=STORABLE)]
Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")]
Seconds = Annotated[int, Field(ge=0, le=LONGEST_AGE)]
ParkedId = Annotated[int, Path(ge=1, lt=2**63)]

router = edge.router(tags=["operations"])


class Because(Body):
    """Why something is done: it stays in the audit log."""

    reason: Reason


class Edit(Because):
    """Another value: the text of a JSON object."""

    value: Annotated[str, Field(max_length=parked.MAX_VALUE_BYTES)]


class RetryMany(Body):
    """Which open events: those that agree with all that is given. `older_than`: seconds since they were parked; `rate`: keys a second."""

    topic: Text | None = None
    error_code: Text | None = None
    key: Text | None = None
    older_than: Seconds | None = None
    rate: Annotated[float, Field(gt=0, le=MAX_RATE)] = MAX_RATE
    dry_run: bool = False
    reason: Reason | None = None


class ParkedOut(Answer):
    """A parked event without its bytes. `attempts` and `next_attempt_at` are those of its key; `size` is that of the value in bytes."""

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


class WholeOut(ParkedOut):
    """A parked event with its bytes, in base64, as they came. A header is [name, value]; a part that is no clean text is {"b64": …}."""

    raw_key: str | None
    raw_headers: list[Any]
    raw_value: str | None
    edited_value: str | None

    @classmethod
    def of(cls, whole: Whole) -> WholeOut:
        found: dict[str, Any] = {name: getattr(whole.event, name) for name in ParkedOut.model_fields}
        found |= {name: _base64(getattr(whole, name)) for name in ("raw_key", "raw_value", "edited_value")}
        return cls(**found, raw_headers=whole.raw_headers)


class RetriedOut(Answer):
    """How many events are meant, of how many keys, and when the last of these is tried: null if none is."""

    events: int
    keys: int
    last_at: datetime | None


class OffsetOut(Answer):
    """What is read next of a partition, as the database has it."""

    topic: str
    part: int
    next_offset: int


class Offsets(Answer):
    """All partitions that were ever read."""

    items: list[OffsetOut]


@router.get("/parked")
async def list_parked(
    *,
    page: Annotated[PageRequest, page_request()],
    call: Annotated[Call, requires("parked:read")],
    topic: Annotated[Text | None, Query()] = None,
    error_code: Annotated[Text | None, Query()] = None,
    key: Annotated[Text | None, Query()] = None,
    state: Annotated[Literal["open", "applied", "discarded"] | None, Query()] = None,
    older_than: Annotated[Seconds | None, Query()] = None,
) -> Page[ParkedOut]:
    """Parked events, oldest first. `error_code` BEHIND: those that only wait behind another of their key."""
    chosen = Filter(topic=topic, error_code=error_code, key=key, state=state, older_than=_age(older_than))
    found = await parked.list_parked(call.tx, chosen, after=page.after[1].int if page.after else 0, limit=page.limit + 1)
    return page.answer(found, key=_place, out=ParkedOut.model_validate)


@router.get("/parked/{parked_id}", responses=problems(NotFound))
async def get_parked(parked_id: ParkedId, call: Annotated[Call, requires("parked:read")]) -> WholeOut:
    """One parked event with its bytes."""
    return WholeOut.of(await parked.get_parked(call.tx, parked_id))


@router.post("/parked/retry", responses=problems(Invalid))
async def retry_many(body: RetryMany, call: Annotated[Call, requires("parked:replay")]) -> RetriedOut:
    """Have many keys tried again, one after the other, or only count them."""
    return RetriedOut.model_validate(await _retry_many(body, call))


@router.post("/parked/{parked_id}/retry", responses=problems(NotFound, AlreadyResolved, NotRetryable))
async def retry(parked_id: ParkedId, body: Because, call: Annotated[Call, requires("parked:replay")]) -> ParkedOut:
    """Have the events of its key tried now, in their order."""
    return ParkedOut.model_validate(await parked.retry(call.tx, parked_id, author=_author(call), reason=body.reason))


@router.post("/parked/{parked_id}/edit", responses=problems(NotFound, AlreadyResolved, NotRetryable, Invalid))
async def edit(parked_id: ParkedId, body: Edit, call: Annotated[Call, requires("parked:replay", bulk=True)]) -> ParkedOut:
    """Put another value in place of the one that came, whose bytes stay. It is applied when a retry asks for it."""
    return ParkedOut.model_validate(await parked.edit(call.tx, parked_id, _bytes(body.value), author=_author(call), reason=body.reason))


@router.post("/parked/{parked_id}/discard", responses=problems(NotFound, AlreadyResolved, Conflict))
async def discard(parked_id: ParkedId, body: Because, call: Annotated[Call, requires("parked:replay")]) -> ParkedOut:
    """Let the event go without an effect; what waits behind it goes on."""
    return ParkedOut.model_validate(await parked.discard(call.tx, parked_id, author=_author(call), reason=body.reason))


@router.get("/offsets")
async def list_offsets(call: Annotated[Call, requires("parked:replay")]) -> Offsets:
    """How far the service has read each partition."""
    return Offsets(items=[OffsetOut.model_validate(position) for position in await offsets.list_positions(call.tx)])


def application(operators: Edge) -> FastAPI:
    """The routes for the internal port. Raises Misconfigured where the access table says otherwise than they do."""
    served = {f"{method} {path}": route.requirement.scope for method, path, route in public.routes([router], PREFIX)}
    if differing := sorted(served.items() ^ operators.access.internal.items()):
        raise Misconfigured(f"{operators.access.source}: internal: {differing[0][0]} must be as it is served, with the scope of its route")
    return public.build(f"{operators.database.service}, operations", [router], operators, prefix=PREFIX)


async def _retry_many(body: RetryMany, call: Call) -> Retried:
    if body.reason is None and not body.dry_run:
        raise Invalid.at("/reason", "REASON_REQUIRED", "Say why: it stays in the audit log.")
    chosen = Filter(topic=body.topic, error_code=body.error_code, key=body.key, older_than=_age(body.older_than))
    author = _author(call)
    return await parked.retry_many(call.tx, chosen, rate=body.rate, dry_run=body.dry_run, author=author, reason=body.reason or "")


def _author(call: Call) -> Author:
    # What a POST causes is caused by its Idempotency-Key.
    return Author(
        principal=call.cause.actor.principal,
        token_jti=call.principal.token_id,
        trace_id=str(call.cause.correlation_id),
        idempotency_key=call.cause.causation_id,
    )


def _bytes(value: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise Invalid.at("/value", "NOT_JSON", "Half a character is no text.") from None


def _age(seconds: int | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def _place(event: Parked) -> tuple[datetime, UUID]:
    # A page's place ends in a UUID, and these ids are numbers.
    return event.parked_at, UUID(int=event.id)


def _base64(part: bytes | None) -> str | None:
    return None if part is None else base64.b64encode(part).decode()
