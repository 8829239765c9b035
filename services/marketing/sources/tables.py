"""The table of sources."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Integer, Table, Text

from services.marketing.schema import METADATA
from shared.db.types import Instant

sources = Table(
    "sources",
    METADATA,
    Column("code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("in_use", Boolean, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("version", Integer, nullable=False),
)
