"""One row per deal that closed."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Integer, Table, Text, Uuid

from services.distribution.schema import METADATA
from shared.db.types import Instant

deals = Table(
    "deals",
    METADATA,
    Column("deal_id", Uuid, primary_key=True),
    Column("lead_id", Uuid, nullable=False),
    Column("deal_version", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("blanket_order", Boolean, nullable=False),
    Column("closed_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("version", Integer, nullable=False),
)
