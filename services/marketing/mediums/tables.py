"""The table of utm_medium texts."""

from __future__ import annotations

from sqlalchemy import Column, Table, Text

from services.marketing.schema import METADATA
from shared.db.types import Instant

utm_mediums = Table(
    "utm_mediums",
    METADATA,
    Column("utm_medium", Text, primary_key=True),
    Column("medium", Text, nullable=False),
    Column("recorded_at", Instant, nullable=False),
)
