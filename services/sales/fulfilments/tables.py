"""What distribution told about orders, one row per event."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Date, Index, Table, Text, Uuid

from services.sales.fulfilments import domain
from services.sales.schema import METADATA
from shared.db.types import Instant, Json

order_facts = Table(
    "order_facts",
    METADATA,
    Column("event_id", Uuid, primary_key=True),
    Column("order_id", Uuid, nullable=False),
    Column("deal_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("whole", Boolean, nullable=False),
    Column("promise_date", Date),
    Column("lines", Json(tuple[domain.LineFact, ...]), nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
)
Index("ix_order_facts_deal_id", order_facts.c.deal_id)
