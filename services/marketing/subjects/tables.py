"""The subject register's table: contact data stand here and nowhere else."""

from __future__ import annotations

from sqlalchemy import Column, Integer, Table, Uuid

from services.marketing.schema import METADATA
from services.marketing.subjects.domain import Contact
from shared.db.types import Instant, Json

subjects = Table(
    "subjects",
    METADATA,
    Column("subject_id", Uuid, primary_key=True),
    Column("contact", Json(Contact), nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("version", Integer, nullable=False),
)
