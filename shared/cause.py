"""Who did something, when it happened, and in answer to what: the same for a request and for a received event."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

Version = int
"""Number of the state of one object; the first stored state is 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A person or a system that acts. `user_id` is derived from issuer and subject of the token; None for a service itself."""

    principal: str
    user_id: UUID | None = None
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why a change happens. `at`: when the fact happened (aware, UTC), which may be long before it is recorded."""

    actor: Actor
    at: datetime
    correlation_id: UUID
    causation_id: UUID
    traceparent: str | None = field(default=None)
