"""The table of leads. Lists are read in the order of its indexes."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, Numeric, Table, Text, UniqueConstraint, Uuid, text

from services.marketing.leads.domain import StatedFact
from services.marketing.schema import METADATA
from shared.db.types import Instant, Json
from shared.money import Money

leads = Table(
    "leads",
    METADATA,
    Column("lead_id", Uuid, primary_key=True),
    Column("subject_id", Uuid, nullable=False),
    Column("touch_id", Uuid, nullable=False),
    Column("source", Text, nullable=False),
    Column("external_id", Text),
    Column("origin", Text, nullable=False),
    Column("captured_at", Instant, nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("campaign_id", Uuid),
    Column("channel_id", Uuid),
    Column("medium", Text),
    Column("customer_initiated", Boolean),
    Column("first_response_at", Instant),
    Column("interaction_mode", Text),
    Column("audience", Text),
    Column("touch_intent", Text),
    Column("journey_stage", Text),
    Column("need_codes", Json(tuple[str, ...]), nullable=False),
    Column("facts", Json(tuple[StatedFact, ...]), nullable=False),
    Column("expected_units", Numeric),
    Column("expected_value", Json(Money)),
    Column("country", Text),
    Column("region_code", Text),
    Column("language", Text),
    Column("time_zone", Text),
    Column("organisation_id", Uuid),
    Column("labels", Json(dict[str, str]), nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("captured_by", Uuid),
    Column("recorded_at", Instant, nullable=False),
    Column("version", Integer, nullable=False),
    UniqueConstraint("source", "external_id"),
    Index(None, "recorded_at", "lead_id"),
    Index("ix_leads_source_recorded_at", "source", "recorded_at", "lead_id"),
    Index("ix_leads_campaign_id", "campaign_id", "recorded_at", "lead_id", postgresql_where=text("campaign_id IS NOT NULL")),
    Index("ix_leads_channel_id", "channel_id", "recorded_at", "lead_id", postgresql_where=text("channel_id IS NOT NULL")),
)
