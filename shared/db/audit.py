"""What people and systems changed by hand: who, what and why, written with the change or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, bindparam, text

from shared.db.transaction import Transaction

_RECORD = text("""
INSERT INTO audit_log (principal, token_jti, action, object_type, object_id, fields, reason, trace_id, idempotency_key)
VALUES (:principal, :token_jti, :action, :object_type, :object_id, :fields, :reason, :trace_id, :idempotency_key)""").bindparams(
    bindparam("token_jti", type_=Text),
    bindparam("fields", type_=ARRAY(Text)),
    bindparam("reason", type_=Text),
    bindparam("trace_id", type_=Text),
    bindparam("idempotency_key", type_=Uuid),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who changes something. Whoever comes over HTTP has a token and a request; whoever is on the machine has neither."""

    principal: str
    token_jti: str | None = None
    trace_id: str | None = None
    idempotency_key: UUID | None = None


async def record(
    tx: Transaction, author: Author, *, action: str, object_type: str, object_id: str, fields: Sequence[str] = (), reason: str | None = None
) -> None:
    """Writes one row, in the transaction of the change. `action` is `<what>.<verb>`; `fields` are names of what changed, never values."""
    await tx.execute(
        _RECORD,
        {
            "principal": author.principal,
            "token_jti": author.token_jti,
            "action": action,
            "object_type": object_type,
            "object_id": object_id,
            "fields": list(fields),
            "reason": reason,
            "trace_id": author.trace_id,
            "idempotency_key": author.idempotency_key,
        },
    )
