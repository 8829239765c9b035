"""Closed deals."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, Uuid

from services.sales.deals import domain
from services.sales.schema import METADATA
from shared.db.types import Instant, Json
from shared.events.sales.deals import DealLine
from shared.money import Money

deals = Table(
    "deals",
    METADATA,
    Column("deal_id", Uuid, primary_key=True),
    Column("deal_version", Integer, nullable=False),
    Column("lead_id", Uuid, ForeignKey("leads.lead_id"), nullable=False),
    Column("lead_ids", Json(tuple[UUID, ...]), nullable=False),
    Column("opportunity_id", Uuid, ForeignKey("opportunities.opportunity_id")),
    Column("outcome", Text, nullable=False),
    Column("source", Text),
    Column("external_id", Text),
    Column("close_mode", Text, nullable=False),
    Column("closed_at", Instant, nullable=False),
    Column("customer_id", Uuid),
    Column("customer_type", Text),
    Column("owner_id", Uuid),
    Column("owner_role", Text),
    Column("blanket_order", Boolean, nullable=False),
    Column("lines", Json(tuple[DealLine, ...]), nullable=False),
    Column("lost_reasons", Json(tuple[str, ...]), nullable=False),
    Column("note", Text),
    Column("list_total", Json(Money)),
    Column("discount_total", Json(Money)),
    Column("net_total", Json(Money)),
    Column("labels", Json(dict[str, str]), nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("asked", Json(domain.CloseDeal), nullable=False),
    Column("version", Integer, nullable=False),
    UniqueConstraint("source", "external_id"),
)
Index("ix_deals_recorded_at", deals.c.recorded_at, deals.c.deal_id)
Index("ix_deals_lead_id", deals.c.lead_id)
