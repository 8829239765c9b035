"""Shipments and what each of them carries of which line: facts that are added and never changed."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Date, ForeignKey, Index, Numeric, Table, Text, Uuid

from services.distribution.schema import METADATA
from shared.db.types import Instant

shipments = Table(
    "shipments",
    METADATA,
    Column("shipment_id", Uuid, primary_key=True),
    Column("order_id", Uuid, ForeignKey("orders.order_id"), nullable=False),
    Column("whole", Boolean, nullable=False),
    Column("carrier_code", Text),
    Column("expected_delivery_date", Date),
    Column("estimated", Boolean, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("asked", Text),
)
Index(None, shipments.c.order_id, shipments.c.recorded_at, shipments.c.shipment_id)

shipment_lines = Table(
    "shipment_lines",
    METADATA,
    Column("shipment_id", Uuid, ForeignKey(shipments.c.shipment_id), primary_key=True),
    Column("order_line_id", Uuid, ForeignKey("order_lines.order_line_id"), primary_key=True),
    Column("quantity", Numeric, nullable=False),
    Column("rest", Boolean, nullable=False),
    Column("recorded_at", Instant, nullable=False),
)
Index(None, shipment_lines.c.order_line_id)
