"""The same command sent again gives the stored answer and has no second effect.

A key belongs to (principal, route template). Its answer is stored in the transaction of the effect.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from starlette.responses import Response

from shared.db.transaction import Transaction
from shared.errors import Invalid, NotKnownYet, Refusal

_LOCK = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:scope, 0))")
_FIND = text(
    "SELECT fingerprint, status, CAST(headers AS text) AS headers, body FROM idempotency_key"
    " WHERE principal = :principal AND route = :route AND key = :key"
)
_KEEP = text(
    "INSERT INTO idempotency_key (principal, route, key, fingerprint, status, headers, body)"
    " VALUES (:principal, :route, :key, :fingerprint, :status, CAST(:headers AS jsonb), :body)"
)
_KEPT_HEADERS = ("etag", "location", "content-type")


@dataclass(frozen=True, slots=True)
class Key:
    """Whose key it is, for which route, and what was asked (SHA-256 of method, path with query, and body)."""

    principal: str
    route: str
    key: UUID
    fingerprint: bytes


def fingerprint(method: str, path_with_query: str, body: bytes) -> bytes:
    """What tells a repetition from another request."""
    return hashlib.sha256(b"\n".join((method.encode(), path_with_query.encode(), body))).digest()


async def lock(tx: Transaction, key: Key) -> bool:
    """Takes the key for this transaction; False if another request with it is under way."""
    return bool((await tx.execute(_LOCK, {"scope": f"{key.principal}\n{key.route}\n{key.key}"})).scalar_one())


@dataclass(frozen=True, slots=True)
class Stored:
    """An answer that was given before."""

    fingerprint: bytes
    response: Response


async def find(tx: Transaction, key: Key) -> Stored | None:
    """The stored answer of this key. A statement after `lock`, so that it sees what the former holder committed."""
    row = await tx.first(_FIND, {"principal": key.principal, "route": key.route, "key": key.key})
    if row is None:
        return None
    return Stored(row.fingerprint, Response(row.body, row.status, {**json.loads(row.headers), "idempotency-replayed": "true"}))


async def keep(tx: Transaction, key: Key, response: Response) -> None:
    """Stores an answer. It holds ids, states and versions, never contact data."""
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    await tx.execute(
        _KEEP,
        {
            "principal": key.principal,
            "route": key.route,
            "key": key.key,
            "fingerprint": key.fingerprint,
            "status": response.status_code,
            "headers": json.dumps(headers),
            "body": bytes(response.body),
        },
    )


def is_final(refusal: Refusal, status: int) -> bool:
    """Whether a refusal is the business's answer (stored), rather than one that may differ when asked again."""
    return status == 409 and not isinstance(refusal, NotKnownYet | Invalid)
