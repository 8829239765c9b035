"""The edge: one route class that owns the transaction of every request.

Its order never varies: token and scope → body (limited) → BEGIN → key table → savepoint → route → response bytes → outbox and
idempotency rows → COMMIT → wake-up → send. So a 2xx is never sent before what it says is durable.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy.exc import IntegrityError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from shared.auth.access import AccessTable
from shared.auth.tokens import InvalidToken, Principal, Verifier
from shared.cause import Actor, Cause, Version
from shared.db import failpoints
from shared.db.failures import is_away, is_unstorable
from shared.db.transaction import FIGURE_SECONDS, Database, Transaction
from shared.errors import Invalid, Refusal
from shared.http import idempotency, problems, requests

log = structlog.get_logger()

REQUEST_SECONDS = 5.0
FUTURE_TOLERANCE = timedelta(minutes=5)
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)

_VERSION: ContextVar[Version | None] = ContextVar("version of the route's result", default=None)


@dataclass(frozen=True, slots=True)
class Edge:
    """What every request of a service needs: its database, who may call, and the key that signs page cursors."""

    database: Database
    verifier: Verifier
    access: AccessTable
    cursor_secret: bytes


class Dated(Protocol):
    """A body that may say when its fact happened."""

    @property
    def occurred_at(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class Call:
    """What a route is given: the transaction, who calls and why, and the version that the caller has seen."""

    tx: Transaction
    cause: Cause
    principal: Principal
    scopes: frozenset[str]
    expected: Version | None

    def cause_at(self, body: Dated) -> Cause:
        """The cause of a fact that happened when the body says, else now. Raises Invalid for the future (5 minutes are forgiven)."""
        if body.occurred_at is None:
            return self.cause
        if body.occurred_at > self.tx.now + FUTURE_TOLERANCE:
            raise Invalid.at("/occurred_at", "OCCURRED_IN_FUTURE", "A fact cannot have happened in the future.")
        if body.occurred_at < EARLIEST:
            raise Invalid.at("/occurred_at", "OCCURRED_TOO_EARLY", "A fact cannot have happened before 1900.")
        return replace(self.cause, at=body.occurred_at.astimezone(UTC))


class Requirement:
    """What a route demands. As a dependency it only hands over the call: the edge has checked everything before."""

    def __init__(self, scope: str, *, if_match: bool, bulk: bool, figures: bool) -> None:
        self.scope = scope
        self.if_match = if_match
        self.bulk = bulk
        self.figures = figures

    async def __call__(self, request: Request) -> Call:  # awaited: a plain function would cost a thread and two switches per request
        return request.scope["baton.call"]


def requires(scope: str, *, if_match: bool = False, bulk: bool = False, figures: bool = False) -> Any:
    """Declares the scope of a route.

    `if_match`: the caller must name the version it has seen; `bulk`: bodies up to 2 MiB; `figures`: it only reads, and has a minute for it.
    """
    return Depends(Requirement(scope, if_match=if_match, bulk=bulk, figures=figures))


def router(*, tags: list[str] | None = None) -> APIRouter:
    """A router whose routes are transactions."""
    return APIRouter(route_class=EdgeRoute, tags=list(tags or []))


class EdgeRoute(APIRoute):
    """One request, one transaction."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        options["responses"] = {**problems.ANY_PROBLEM, **(options.get("responses") or {})}
        super().__init__(path, _noting_version(endpoint), **options)
        found = [d.call for d in _walk(self.dependant) if isinstance(d.call, Requirement)]
        if len(found) != 1:
            raise TypeError(f"{path}: a route declares exactly one scope, by `requires`")
        self.requirement: Requirement = found[0]
        self.keyed = "POST" in (self.methods or ())
        self._document()

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        inner = super().get_route_handler()

        return functools.partial(self._answer, inner=inner)

    async def _answer(self, request: Request, *, inner: Callable[[Request], Awaitable[Response]]) -> Response:
        edge: Edge = request.app.state.edge
        try:
            principal = await edge.verifier.verify([v for k, v in request.scope["headers"] if k == b"authorization"])
            scopes = edge.access.scopes_of(principal.roles)
            if self.requirement.scope not in scopes:
                return _problem(request, 403, "SCOPE_MISSING", f"This needs the scope {self.requirement.scope}.")
            asked = await requests.read(request, principal, keyed=self.keyed, bulk=self.requirement.bulk)
            limit = FIGURE_SECONDS + REQUEST_SECONDS if self.requirement.figures else REQUEST_SECONDS
            response = await _in_time(request, self._transact(request, inner, edge, asked, scopes), limit)
            if asked.key is not None:
                failpoints.reached("edge.before_send")
            return response
        except InvalidToken:
            headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            return _problem(request, 401, "INVALID_TOKEN", "A valid access token is needed.", headers=headers)
        except requests.Refused as refused:
            return _problem(request, refused.status, refused.code, refused.detail, headers=refused.headers)
        except RequestValidationError as error:
            return problems.of_validation(error, trace_id=trace_id(request))
        except HTTPException as error:
            return _problem(request, error.status_code, "BAD_REQUEST", "The request cannot be read.")
        except Exception as error:
            return failure(request, error)

    async def _transact(
        self, request: Request, inner: Callable[[Request], Awaitable[Response]], edge: Edge, asked: requests.Asked, scopes: frozenset[str]
    ) -> Response:
        try:
            return await self._attempt(request, inner, edge, asked, scopes)
        except IntegrityError:
            # Somebody created the same thing at the same moment; the second attempt sees it.
            try:
                return await self._attempt(request, inner, edge, asked, scopes)
            except IntegrityError:
                return _problem(
                    request, 409, "CONCURRENT_CHANGE", "Something else changed at the same moment.", headers={"Retry-After": "1"}
                )

    async def _attempt(
        self, request: Request, inner: Callable[[Request], Awaitable[Response]], edge: Edge, asked: requests.Asked, scopes: frozenset[str]
    ) -> Response:
        async with edge.database.figures() if self.requirement.figures else edge.database.transaction() as tx:
            if asked.key is not None:
                if not await idempotency.lock(tx, asked.key):
                    raise requests.Refused(409, "IN_FLIGHT", "A request with this key is under way.", {"Retry-After": "1"})
                stored = await idempotency.find(tx, asked.key)
                if stored is not None:
                    if stored.fingerprint != asked.key.fingerprint:
                        raise requests.Refused(422, "IDEMPOTENCY_KEY_REUSED", "This key was used for another request.")
                    return stored.response
            request.scope["baton.call"] = self._call(request, tx, asked, scopes)
            if request.method == "GET":
                return _conditional(request, await inner(request))
            try:
                async with tx.savepoint():
                    response = await inner(request)
            except Refusal as refusal:
                response = problems.of_refusal(refusal, trace_id=trace_id(request))
                if asked.key is None or not idempotency.is_final(refusal, response.status_code):
                    return response
            _set_etag(response)
            if asked.key is not None:
                await idempotency.keep(tx, asked.key, response)
            failpoints.reached("edge.before_flush")
            await tx.flush()
            failpoints.reached("edge.before_commit")
        failpoints.reached("edge.after_commit")
        return response

    def _call(self, request: Request, tx: Transaction, asked: requests.Asked, scopes: frozenset[str]) -> Call:
        correlation_id: UUID = request.scope["baton.correlation_id"]
        principal = asked.principal
        actor = Actor(principal=f"{principal.issuer}#{principal.subject}", user_id=principal.user_id, roles=principal.roles)
        cause = Cause(
            actor=actor,
            at=tx.now,
            correlation_id=correlation_id,
            causation_id=asked.key.key if asked.key else correlation_id,
            traceparent=request.scope.get("baton.traceparent"),
        )
        expected = requests.if_match(request) if self.requirement.if_match else None
        return Call(tx=tx, cause=cause, principal=principal, scopes=scopes, expected=expected)

    def _document(self) -> None:
        parameters: list[dict[str, Any]] = []
        if self.keyed:
            parameters.append(_header("Idempotency-Key", "uuid", "The same key gives the same answer and one effect."))
        if self.requirement.if_match:
            parameters.append(_header("If-Match", "etag", 'The version that was read, such as "v3".'))
        extra = dict(self.openapi_extra or {})
        extra["parameters"] = [*extra.get("parameters", []), *parameters]
        extra["security"] = [{"bearer": [self.requirement.scope]}]
        self.openapi_extra = extra


def trace_id(request: Request) -> str:
    """What a caller quotes to have its request found in the logs."""
    return str(request.scope.get("baton.correlation_id", ""))


def failure(request: Request, error: Exception) -> Response:
    """The answer for what nobody decided: 503 where the database is away or too slow, 500 (logged) for a defect of ours."""
    if isinstance(error, Refusal):
        return problems.of_refusal(error, trace_id=trace_id(request))
    if is_unstorable(error):
        return _problem(request, 422, "INVALID_CONTENT", "A value cannot be stored: a number or time out of range, or a NUL in a text.")
    if is_away(error):
        log.warning("database_unavailable", error=type(error).__name__)
        return _problem(
            request, 503, "DATABASE_UNAVAILABLE", "The service cannot reach its database; nothing was changed or the outcome is unknown."
        )
    log.error("request_failed", exc_info=error)
    return _problem(request, 500, "INTERNAL", "The service failed; the operators have been told.")


async def _in_time(request: Request, work: Coroutine[Any, Any, Response], limit: float) -> Response:
    # From here on the limit is ours; how long a body may take to arrive is limited where it is read.
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=limit)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if done:
        return task.result()
    task.cancel()  # cleaning up goes on after the answer
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    return _problem(request, 503, "DEADLINE_EXCEEDED", "No answer in time: the outcome is unknown. Repeat with the same key.")


def _problem(request: Request, status: int, code: str, detail: str, *, headers: dict[str, str] | None = None) -> Response:
    return problems.problem(status, code, detail, trace_id=trace_id(request), headers=headers)


def _noting_version(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(endpoint)
    async def noting(*args: Any, **kwargs: Any) -> Any:
        result = await endpoint(*args, **kwargs)
        _VERSION.set(getattr(result, "version", None))
        return result

    return noting


def _walk(dependant: Any) -> list[Any]:
    return [inner for child in dependant.dependencies for inner in (child, *_walk(child))]


def _set_etag(response: Response) -> None:
    version = _VERSION.get()
    if response.status_code < 300 and isinstance(version, int):
        response.headers["ETag"] = f'"v{version}"'


def _conditional(request: Request, response: Response) -> Response:
    _set_etag(response)
    etag = response.headers.get("ETag")
    if etag and etag in [seen.strip() for seen in request.headers.get("If-None-Match", "").split(",")]:
        return Response(status_code=304, headers={"ETag": etag})
    return response


def _header(name: str, form: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": True, "description": description, "schema": {"type": "string", "format": form}}
