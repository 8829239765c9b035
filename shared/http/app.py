"""A service's public application: its routers under /v1, and one form for everything that goes wrong before a route is reached."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.http import problems
from shared.http.edge import Edge, EdgeRoute, failure, trace_id
from shared.ids import new_id
from shared.telemetry import metrics

PREFIX = "/v1"

_CODES = {404: ("NO_SUCH_ROUTE", "There is nothing at this address."), 405: ("METHOD_NOT_ALLOWED", "This address has no such method.")}
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

log = structlog.get_logger()


def build(name: str, routers: Sequence[APIRouter], edge: Edge | None, *, prefix: str = PREFIX) -> FastAPI:
    """The application of a service. Without an edge it only documents itself."""
    app = _Documented(
        title=f"Baton {name}",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        exception_handlers={HTTPException: _http, RequestValidationError: _validation, Exception: _other},
        redirect_slashes=False,
    )
    for router in routers:
        app.include_router(router, prefix=prefix)
    app.state.edge = edge
    app.state.methods = _methods(routers, prefix)
    app.add_middleware(_Around)
    return app


class _Documented(FastAPI):
    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        components = document.setdefault("components", {})
        components.setdefault("schemas", {})["Problem"] = problems.PROBLEM_SCHEMA
        components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
        return document


def routes(routers: Sequence[APIRouter], prefix: str = PREFIX) -> list[tuple[str, str, EdgeRoute]]:
    """(method, path, route) of every route. TypeError for one that is no transaction."""
    found: list[tuple[str, str, EdgeRoute]] = []
    for router in routers:
        for route in router.routes:
            if not isinstance(route, EdgeRoute):
                raise TypeError(f"{route} has no scope")
            found += [(method, prefix + route.path, route) for method in sorted(route.methods or ())]
    return found


def _methods(routers: Sequence[APIRouter], prefix: str) -> list[tuple[Any, str]]:
    return [(compile_path(path)[0], method) for method, path, _ in routes(routers, prefix)]


async def _http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    code, detail = _CODES.get(status, ("BAD_REQUEST", "The request cannot be read."))
    headers = {}
    if status == 405:
        headers["Allow"] = ", ".join(sorted({m for pattern, m in request.app.state.methods if pattern.match(request.url.path)}))
    return problems.problem(status, code, detail, trace_id=trace_id(request), headers=headers)


async def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  registered for it
    return problems.of_validation(error, trace_id=trace_id(request))


async def _other(request: Request, error: Exception) -> Response:
    return failure(request, error)


class _Around:
    """Gives every request its correlation id (taken from the caller if it is a UUID), one log line, and its time in the metrics."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = {name: value.decode("latin-1") for name, value in scope["headers"] if name in {b"correlation-id", b"traceparent"}}
        correlation_id = _uuid_or_new(headers.get(b"correlation-id"))
        scope["baton.correlation_id"] = correlation_id
        traceparent = headers.get(b"traceparent", "")
        scope["baton.traceparent"] = traceparent if _TRACEPARENT.fullmatch(traceparent) else None
        status = 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["Correlation-Id"] = str(correlation_id)
            await send(message)

        structlog.contextvars.bind_contextvars(correlation_id=str(correlation_id))
        try:
            await self.app(scope, receive, noting)
        finally:
            seconds = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", "unknown")
            method = scope["method"] if scope["method"] in _METHODS else "other"  # a label is never what a caller makes up
            metrics.HTTP_SECONDS.labels(method, route, status).observe(seconds)
            log.info("request", method=scope["method"], route=route, status=status, ms=round(seconds * 1000, 1))
            structlog.contextvars.unbind_contextvars("correlation_id")


def _uuid_or_new(text: str | None) -> UUID:
    try:
        return UUID(text or "")
    except ValueError:
        return new_id()
