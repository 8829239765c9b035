"""Opportunities, and every step that one took."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Boolean, Column, Date, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, Uuid

from services.sales.opportunities import domain
from services.sales.schema import METADATA
from shared.db.types import Instant, Json
from shared.events.sales.opportunities import Stage
from shared.money import Money

opportunities = Table(
    "opportunities",
    METADATA,
    Column("opportunity_id", Uuid, primary_key=True),
    Column("lead_id", Uuid, ForeignKey("leads.lead_id"), nullable=False),
    Column("lead_ids", Json(tuple[UUID, ...]), nullable=False),
    Column("source", Text),
    Column("external_id", Text),
    Column("stage", Json(Stage), nullable=False),
    Column("stage_type", Text, nullable=False),
    Column("amount", Json(Money)),
    Column("expected_close_date", Date),
    Column("owner_id", Uuid),
    Column("owner_role", Text),
    Column("customer_id", Uuid),
    Column("organisation_id", Uuid),
    Column("need_codes", Json(tuple[str, ...]), nullable=False),
    Column("labels", Json(dict[str, str]), nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("stage_entered_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("asked", Json(domain.OpenOpportunity), nullable=False),
    Column("version", Integer, nullable=False),
    UniqueConstraint("source", "external_id"),
)
Index("ix_opportunities_recorded_at", opportunities.c.recorded_at, opportunities.c.opportunity_id)
Index("ix_opportunities_lead_id", opportunities.c.lead_id)

stage_changes = Table(
    "stage_changes",
    METADATA,
    Column("opportunity_id", Uuid, ForeignKey("opportunities.opportunity_id"), primary_key=True),
    Column("opportunity_version", Integer, primary_key=True),
    Column("previous_stage_code", Text),
    Column("stage", Json(Stage), nullable=False),
    Column("stage_type", Text, nullable=False),
    Column("amount", Json(Money)),
    Column("expected_close_date", Date),
    Column("occurred_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
)
