"""What is read of a request before its transaction begins: body, key and version seen."""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import dataclass
from uuid import UUID

from pydantic_core import from_json
from starlette.requests import ClientDisconnect, Request

from shared.auth.tokens import Principal
from shared.cause import Version
from shared.http import idempotency

BODY_LIMIT = 256 * 1024
BULK_LIMIT = 2 * 1024 * 1024
JSON_DEPTH = 32
READ_SECONDS = 10.0

_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))
_ETAG = re.compile(r'"v(\d{1,18})"')


class Refused(Exception):  # noqa: N818  an answer, not a defect
    """The request cannot be taken as it stands."""

    def __init__(self, status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, and the idempotency key where the method needs one."""

    principal: Principal
    key: idempotency.Key | None


async def read(request: Request, principal: Principal, *, keyed: bool, bulk: bool) -> Asked:
    """Reads body and key. Raises Refused: 400 for a missing or malformed key, 413, 415, 400 for nesting that is too deep."""
    body = await _body(request, BULK_LIMIT if bulk else BODY_LIMIT) if request.method in {"POST", "PUT", "PATCH"} else b""
    request._body = body  # Starlette keeps a body that was read; nobody reads it twice
    if body:
        with contextlib.suppress(ValueError):  # what this parser refuses, the framework's own reads and refuses in its words
            request._json = from_json(body, cache_strings="keys")
    if not keyed:
        return Asked(principal, None)
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return Asked(
        principal,
        idempotency.Key(
            principal=f"{principal.issuer}#{principal.subject}",
            route=request.scope["route"].path,
            key=_idempotency_key(request),
            fingerprint=idempotency.fingerprint(request.method, path, body),
        ),
    )


def if_match(request: Request) -> Version:
    """The version that the caller names. Raises Refused: 428 if it names none, 400 if it is no version."""
    header = _joined(request, "If-Match")
    if header is None:
        raise Refused(428, "IF_MATCH_REQUIRED", "Name the version that you have seen in If-Match.")
    found = _ETAG.fullmatch(header.strip())
    if found is None:
        raise Refused(400, "MALFORMED_IF_MATCH", 'If-Match is one strong tag such as "v3".')
    return int(found[1])


def _joined(request: Request, name: str) -> str | None:
    # A header that is sent twice reads as a list, which neither of ours is.
    return ", ".join(request.headers.getlist(name)) if name in request.headers else None


def _idempotency_key(request: Request) -> UUID:
    header = _joined(request, "Idempotency-Key")
    if header is None:
        raise Refused(400, "IDEMPOTENCY_KEY_REQUIRED", "Send a UUID of your own in Idempotency-Key.")
    try:
        return UUID(header.strip())
    except ValueError:
        raise Refused(400, "MALFORMED_IDEMPOTENCY_KEY", "Idempotency-Key is a UUID.") from None


async def _body(request: Request, limit: int) -> bytes:
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > limit:
        raise Refused(413, "BODY_TOO_LARGE", f"The body may have {limit} bytes.")
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(READ_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise Refused(413, "BODY_TOO_LARGE", f"The body may have {limit} bytes.")
                chunks.append(chunk)
    except TimeoutError:
        raise Refused(408, "BODY_TOO_SLOW", "The body did not arrive in time.") from None
    except ClientDisconnect:
        raise Refused(400, "BODY_INCOMPLETE", "The body ended early.") from None
    body = b"".join(chunks)
    if body and request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "UNSUPPORTED_MEDIA_TYPE", "Send application/json.")
    if is_too_deep(body):
        raise Refused(400, "JSON_TOO_DEEP", f"JSON may be nested {JSON_DEPTH} deep.")
    return body


def is_too_deep(body: bytes) -> bool:
    """Whether JSON is nested deeper than JSON_DEPTH. Of bytes that are no JSON it only promises not to take long."""
    if body.count(b"[") + body.count(b"{") <= JSON_DEPTH:
        return False
    # Every step takes time in proportion to the body, also where a string has no end: without pairs of backslashes and without
    # escaped quotes, every second part between quotes is outside of strings.
    parts = body.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
    depth = 0
    for sign in b"".join(parts[::2]).translate(None, delete=_NO_BRACKET):
        depth += 1 if sign in b"[{" else -1
        if depth > JSON_DEPTH:
            return True
    return False
