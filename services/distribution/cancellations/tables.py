"""Cancellations and what each of them takes of which line: facts that are added and never changed."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Numeric, Table, Text, Uuid

from services.distribution.schema import METADATA
from shared.db.types import Instant

cancellations = Table(
    "cancellations",
    METADATA,
    Column("cancellation_id", Uuid, primary_key=True),
    Column("order_id", Uuid, ForeignKey("orders.order_id"), nullable=False),
    Column("whole", Boolean, nullable=False),
    Column("cause", Text, nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("asked", Text),
)
Index(None, cancellations.c.order_id)

line_cancellations = Table(
    "line_cancellations",
    METADATA,
    Column("cancellation_id", Uuid, ForeignKey(cancellations.c.cancellation_id), primary_key=True),
    Column("order_line_id", Uuid, primary_key=True),
    Column("order_id", Uuid, ForeignKey("orders.order_id"), nullable=False),
    Column("deal_version", Integer, primary_key=True),
    Column("quantity", Numeric, nullable=False),
    Column("rest", Boolean, nullable=False),
    Column("value", Numeric, nullable=False),
    Column("recorded_at", Instant, nullable=False),
)
Index(None, line_cancellations.c.order_id)
