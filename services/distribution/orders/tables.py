"""Orders and their lines. What is recorded about them stands beside them, each kind of fact in tables of its own."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Date, ForeignKey, Index, Integer, Numeric, Table, Text, UniqueConstraint, Uuid

from services.distribution.schema import METADATA
from shared.db.types import Instant, Json

orders = Table(
    "orders",
    METADATA,
    Column("order_id", Uuid, primary_key=True),
    Column("deal_id", Uuid, nullable=False),
    Column("lead_id", Uuid, nullable=False),
    Column("deal_version", Integer, nullable=False),
    Column("call_off", Boolean, nullable=False),
    Column("standing", Boolean, nullable=False),
    Column("source", Text),
    Column("external_id", Text),
    Column("customer_id", Uuid),
    Column("time_zone", Text, nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("labels", Json(dict[str, str]), nullable=False),
    Column("whole_requested_date", Date),
    Column("whole_promise_date", Date),
    Column("wholly_shipped", Boolean, nullable=False),
    Column("wholly_delivered", Boolean, nullable=False),
    Column("wholly_cancelled", Boolean, nullable=False),
    Column("approved_at", Instant),
    Column("status", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("order_value", Numeric, nullable=False),
    Column("promise_date", Date),
    Column("received_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("asked", Text),
    Column("version", Integer, nullable=False),
    UniqueConstraint("source", "external_id"),
)
Index(None, orders.c.deal_id)
Index(None, orders.c.recorded_at, orders.c.order_id)
Index(None, orders.c.status, orders.c.recorded_at, orders.c.order_id)

order_lines = Table(
    "order_lines",
    METADATA,
    Column("order_line_id", Uuid, primary_key=True),
    Column("order_id", Uuid, ForeignKey(orders.c.order_id), nullable=False),
    Column("line_no", Integer, nullable=False),
    Column("deal_version", Integer, nullable=False),
    Column("product_id", Uuid, nullable=False),
    Column("sku", Text, nullable=False),
    Column("fulfilment_type", Text, nullable=False),
    Column("quantity", Numeric, nullable=False),
    Column("unit", Text, nullable=False),
    Column("net_unit_price", Numeric),
    Column("net_amount", Numeric, nullable=False),
    Column("freight_amount", Numeric),
    Column("ship_by", Instant),
    Column("labels", Json(dict[str, str]), nullable=False),
    Column("outlet_id", Uuid),
    Column("ship_to_time_zone", Text),
    Column("requested_date", Date),
    Column("confirmed_date", Date),
    Column("previous_promise_date", Date),
    Column("promise_date", Date),
    Column("shipped_quantity", Numeric, nullable=False),
    Column("shipped_named", Numeric, nullable=False),
    Column("delivered_quantity", Numeric, nullable=False),
    Column("delivered_named", Numeric, nullable=False),
    Column("cancelled_quantity", Numeric, nullable=False),
    Column("cancelled_named", Numeric, nullable=False),
    Column("withdrawn_quantity", Numeric, nullable=False),
    Column("delivered_on", Date),
    Column("occurred_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("asked", Text),
    Column("version", Integer, nullable=False),
)
Index(None, order_lines.c.order_id, order_lines.c.line_no, unique=True)
