"""Approvals of orders: facts that are added and never changed."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Table, Text, Uuid

from services.distribution.schema import METADATA
from shared.db.types import Instant

approvals = Table(
    "approvals",
    METADATA,
    Column("approval_id", Uuid, primary_key=True),
    Column("order_id", Uuid, ForeignKey("orders.order_id"), nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("asked", Text),
)
Index(None, approvals.c.order_id)
