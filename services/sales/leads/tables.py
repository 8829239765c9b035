"""Leads and the decisions about them: two sets of facts that may arrive in any order."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, Text, Uuid

from services.sales.schema import METADATA
from shared.db.types import Instant, Json
from shared.events.marketing.leads import SegmentVersion

leads = Table(
    "leads",
    METADATA,
    Column("lead_id", Uuid, primary_key=True),
    Column("source_code", Text, nullable=False),
    Column("subject_id", Uuid, nullable=False),
    Column("organisation_id", Uuid),
    Column("campaign_id", Uuid),
    Column("channel_id", Uuid),
    Column("segment_versions", Json(tuple[SegmentVersion, ...]), nullable=False),
    Column("need_codes", Json(tuple[str, ...]), nullable=False),
    Column("captured_at", Instant, nullable=False),
    Column("first_response_at", Instant),
    Column("recorded_at", Instant, nullable=False),
)
Index("ix_leads_recorded_at", leads.c.recorded_at, leads.c.lead_id)

# no reference to leads: a decision may be told before its lead is
decisions = Table(
    "decisions",
    METADATA,
    Column("decision_id", Uuid, primary_key=True),
    Column("lead_id", Uuid, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("decided_at", Instant, nullable=False),
    Column("grade", Text),
    Column("customer_type", Text),
    Column("route_path", Text),
    Column("reason_codes", Json(tuple[str, ...]), nullable=False),
    Column("recorded_at", Instant, nullable=False),
)
Index("ix_decisions_lead_id", decisions.c.lead_id)
