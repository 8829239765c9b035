"""The table of channels."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, Text, UniqueConstraint, Uuid

from services.marketing.schema import METADATA
from shared.db.types import Instant

channels = Table(
    "channels",
    METADATA,
    Column("channel_id", Uuid, primary_key=True),
    Column("code", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("medium", Text),
    Column("recorded_at", Instant, nullable=False),
    Column("version", Integer, nullable=False),
    UniqueConstraint("code"),
    Index(None, "recorded_at", "channel_id"),
)
