"""Errors as problem documents (RFC 9457): every kind of refusal has one status, and nothing of the inside is told."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.responses import Response

from shared.errors import Conflict, FieldError, Forbidden, Invalid, NotFound, NotKnownYet, Refusal, Stale, Unavailable

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 1
MOST_ERRORS = 100
"""So many fields at fault are named; an answer is no larger because a body was wronger."""

_STATUS: dict[type[Refusal], int] = {
    NotFound: 404,
    NotKnownYet: 409,
    Conflict: 409,
    Stale: 412,
    Invalid: 422,
    Forbidden: 403,
    Unavailable: 503,
}

_TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "Request too slow",
    409: "Conflict",
    412: "Precondition failed",
    413: "Body too large",
    415: "Unsupported media type",
    422: "Invalid content",
    428: "Precondition required",
    500: "Internal error",
    503: "Unavailable",
}


def status_of(kind: type[Refusal]) -> int:
    """The HTTP status of a kind of refusal."""
    return next(_STATUS[ancestor] for ancestor in kind.__mro__ if ancestor in _STATUS)


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    trace_id: str,
    errors: Sequence[FieldError] = (),
    headers: dict[str, str] | None = None,
    **data: Any,
) -> Response:
    """The answer for an error. `code` is stable and in capitals; `data` are ids and states."""
    body: dict[str, Any] = {
        "type": "/problems/" + code.lower().replace("_", "-"),
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "code": code,
        "detail": detail,
        "trace_id": trace_id,
        "errors": [asdict(error) for error in errors],
        **data,
    }
    sent = dict(headers or {})
    if status in {429, 503}:
        sent.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    return Response(json.dumps(body).encode(), status, sent, MEDIA_TYPE)


def of_refusal(refusal: Refusal, *, trace_id: str) -> Response:
    """The answer for a refusal."""
    headers: dict[str, str] = {}
    if isinstance(refusal, NotKnownYet):
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if isinstance(refusal, Stale) and isinstance(version := refusal.data.get("version"), int):
        headers["ETag"] = f'"v{version}"'
    data = {"context": refusal.data} if refusal.data else {}
    status, code = status_of(type(refusal)), code_of(refusal)
    return problem(status, code, refusal.detail, trace_id=trace_id, errors=refusal.errors, headers=headers, **data)


def code_of(refusal: Refusal) -> str:
    """The code a caller sees: the one of the single field at fault, else the refusal's own (NOT_KNOWN_YET for all of that kind)."""
    if isinstance(refusal, NotKnownYet):
        return NotKnownYet.code
    if type(refusal) is Invalid and len(refusal.errors) == 1:
        return refusal.errors[0].code
    return type(refusal).code


def of_validation(error: RequestValidationError, *, trace_id: str) -> Response:
    """The answer for content that does not have the declared form: 400 when it is no JSON at all, else 422 with the fields."""
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        return problem(400, "MALFORMED_JSON", "The body is not valid JSON.", trace_id=trace_id)
    detail = "The content is not valid."
    if len(found) > MOST_ERRORS:
        detail = f"The content is not valid: {MOST_ERRORS} of {len(found)} faults are named."
    return problem(422, "INVALID_CONTENT", detail, trace_id=trace_id, errors=field_errors(found[:MOST_ERRORS]))


def field_errors(found: Iterable[Any], *, skip: int = 1) -> list[FieldError]:
    """pydantic's findings as field errors; `skip` leading parts of the location (such as "body") are left out of the pointer."""
    fields: list[FieldError] = []
    for item in found:
        location = item["loc"]
        inside = location[skip:] if skip and location and location[0] in {"body", "query", "path", "header"} else location
        pointer = "".join(f"/{part}" for part in inside) or "/"
        where = pointer if not location or location[0] not in {"query", "path", "header"} else pointer[1:]
        fields.append(FieldError(code=str(item["type"]).upper()[:63], field=where, message=_message(item)))
    return fields


def _message(item: Any) -> str:
    # pydantic's own sentences name limits and types; what a validator of ours raised may repeat the value.
    return "The value is not valid." if item["type"] in {"value_error", "assertion_error"} else str(item["msg"])


def problems(*kinds: type[Refusal]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's `responses` of a route that may answer with these refusals."""
    described: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        status = status_of(kind)
        sentence = f"`{kind.code}`: {(kind.__doc__ or '').strip().splitlines()[0]}"
        known = described.setdefault(status, {"description": "", "content": PROBLEM_CONTENT})
        known["description"] = f"{known['description']} {sentence}".strip()
    return described


PROBLEM_CONTENT: dict[str, Any] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
ANY_PROBLEM: dict[int | str, dict[str, Any]] = {"default": {"description": "Any other error.", "content": PROBLEM_CONTENT}}
"""OpenAPI's answer for every status that a route does not list; it also keeps FastAPI from listing its own form of 422."""

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail", "trace_id", "errors"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "trace_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["code", "field", "message"],
                "properties": {
                    "code": {"type": "string"},
                    "field": {"type": "string"},
                    "message": {"type": "string"},
                    "details": {"type": ["object", "null"]},
                },
            },
        },
        "context": {"type": "object"},
    },
}
