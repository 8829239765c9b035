"""Days that were promised for lines after they were ordered: facts that are added and never changed."""

from __future__ import annotations

from sqlalchemy import Column, Date, ForeignKey, Index, Integer, Table, Text, Uuid

from services.distribution.schema import METADATA
from shared.db.types import Instant

line_promises = Table(
    "line_promises",
    METADATA,
    Column("promise_id", Uuid, primary_key=True),
    Column("order_line_id", Uuid, primary_key=True),
    Column("order_id", Uuid, ForeignKey("orders.order_id"), nullable=False),
    Column("deal_version", Integer, nullable=False),
    Column("promise_date", Date, nullable=False),
    Column("cause", Text, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
)
Index(None, line_promises.c.order_id)
