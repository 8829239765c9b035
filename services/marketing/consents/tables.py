"""The consent ledger's table: rows are added, never changed."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, Text, Uuid

from services.marketing.schema import METADATA
from shared.db.types import Instant

consents = Table(
    "consents",
    METADATA,
    Column("consent_id", Uuid, primary_key=True),
    Column("subject_id", Uuid, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("lawful_basis", Text, nullable=False),
    Column("source_text", Text, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Index(None, "subject_id"),
)
