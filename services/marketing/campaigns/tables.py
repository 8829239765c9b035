"""The table of campaigns."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, Text, UniqueConstraint, Uuid

from services.marketing.schema import METADATA
from shared.db.types import Instant

campaigns = Table(
    "campaigns",
    METADATA,
    Column("campaign_id", Uuid, primary_key=True),
    Column("code", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("medium", Text),
    Column("recorded_at", Instant, nullable=False),
    Column("version", Integer, nullable=False),
    UniqueConstraint("code"),
    Index(None, "recorded_at", "campaign_id"),
)
