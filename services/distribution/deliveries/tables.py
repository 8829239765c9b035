"""Deliveries and what each of them brought of which line: facts that are added and never changed."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Date, ForeignKey, Index, Numeric, Table, Text, Uuid

from services.distribution.schema import METADATA
from shared.db.types import Instant

deliveries = Table(
    "deliveries",
    METADATA,
    Column("delivery_id", Uuid, primary_key=True),
    Column("order_id", Uuid, ForeignKey("orders.order_id"), nullable=False),
    Column("shipment_id", Uuid),
    Column("whole", Boolean, nullable=False),
    Column("receipt_confirmed", Boolean),
    Column("day_only", Boolean, nullable=False),
    Column("reported_at", Instant),
    Column("estimated", Boolean, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("asked", Text),
)
Index(None, deliveries.c.order_id, deliveries.c.recorded_at, deliveries.c.delivery_id)
Index(None, deliveries.c.shipment_id)

delivery_lines = Table(
    "delivery_lines",
    METADATA,
    Column("delivery_id", Uuid, ForeignKey(deliveries.c.delivery_id), primary_key=True),
    Column("order_line_id", Uuid, ForeignKey("order_lines.order_line_id"), primary_key=True),
    Column("quantity", Numeric, nullable=False),
    Column("rest", Boolean, nullable=False),
    Column("accepted_quantity", Numeric, nullable=False),
    Column("damaged_quantity", Numeric, nullable=False),
    Column("delivered_on", Date, nullable=False),
    Column("recorded_at", Instant, nullable=False),
)
Index(None, delivery_lines.c.order_line_id)
