"""The facts that a lifecycle is folded from, and where each lead stands after them."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text, Uuid

from services.marketing.schema import METADATA
from shared.db.types import Instant, Json

stage_entries = Table(
    "stage_entries",
    METADATA,
    Column("cause_event_id", Uuid, primary_key=True),
    Column("lead_id", Uuid, primary_key=True),
    Column("stage", Text, primary_key=True),
    Column("entered_at", Instant, nullable=False),
    Column("evidence_ref", Text, nullable=False),
    Column("reason_codes", Json(tuple[str, ...]), nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Index(None, "lead_id"),
)

deal_outcomes = Table(
    "deal_outcomes",
    METADATA,
    Column("deal_id", Uuid, primary_key=True),
    Column("deal_version", Integer, primary_key=True, autoincrement=False),
    Column("lead_id", Uuid, primary_key=True),
    Column("outcome", Text, nullable=False),
    Column("closed_at", Instant, nullable=False),
    Column("primary", Boolean, nullable=False),
    Column("cause_event_id", Uuid, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Index(None, "lead_id"),
)

deliveries = Table(
    "deliveries",
    METADATA,
    Column("delivery_id", Uuid, primary_key=True),
    Column("order_id", Uuid, nullable=False),
    Column("deal_id", Uuid, nullable=False),
    Column("lead_id", Uuid, nullable=False),
    Column("delivered_at", Instant, nullable=False),
    Column("complete", Boolean, nullable=False),
    Column("cause_event_id", Uuid, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Index(None, "lead_id"),
    Index(None, "deal_id"),
)

lifecycles = Table(
    "lifecycles",
    METADATA,
    Column("lead_id", Uuid, primary_key=True),
    Column("stage", Text, nullable=False),
    Column("entered_at", Instant),
    Column("version", Integer, nullable=False),
)
