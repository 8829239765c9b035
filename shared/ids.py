"""Identifiers: time-ordered for what happens now, derived for what has a name elsewhere."""

from __future__ import annotations

from uuid import UUID, uuid5

from uuid_utils.compat import uuid7

_NAMESPACE = UUID("6f1d8c1e-53a2-5d0b-9c3e-b4a70ba70ba7")


def new_id() -> UUID:
    """A UUIDv7: unique, and later ids sort after earlier ones."""
    return uuid7()


def derived_id(source: str, kind: str, external_id: str) -> UUID:
    """A UUIDv5 of (source, kind, external id): whoever derives it again, anywhere, gets the same id."""
    return uuid5(_NAMESPACE, "\x1f".join((source, kind, external_id)))
