"""Orders and their lines, and the facts that are recorded about them."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Date, ForeignKey, Index, Integer, Numeric, Table, Text, Uuid

from services.distribution.schema import METADATA
from shared.db.types import Instant

orders = Table(
    "orders",
    METADATA,
    Column("order_id", Uuid, primary_key=True),
    Column("deal_id", Uuid, nullable=False),
    Column("lead_id", Uuid, nullable=False),
    Column("deal_version", Integer, nullable=False),
    Column("standing", Boolean, nullable=False),
    Column("status", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("order_value", Numeric, nullable=False),
    Column("promise_date", Date),
    Column("received_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("version", Integer, nullable=False),
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
    Column("net_unit_price", Numeric, nullable=False),
    Column("net_amount", Numeric, nullable=False),
    Column("outlet_id", Uuid),
    Column("ship_to_time_zone", Text),
    Column("requested_date", Date),
    Column("confirmed_date", Date),
    Column("previous_promise_date", Date),
    Column("promise_date", Date),
    Column("shipped_quantity", Numeric, nullable=False),
    Column("delivered_quantity", Numeric, nullable=False),
    Column("cancelled_quantity", Numeric, nullable=False),
    Column("withdrawn_quantity", Numeric, nullable=False),
    Column("delivered_on", Date),
    Column("occurred_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("version", Integer, nullable=False),
)
Index(None, order_lines.c.order_id, order_lines.c.line_no, unique=True)

line_promises = Table(
    "line_promises",
    METADATA,
    Column("promise_id", Uuid, primary_key=True),
    Column("order_line_id", Uuid, primary_key=True),
    Column("order_id", Uuid, ForeignKey(orders.c.order_id), nullable=False),
    Column("deal_version", Integer, nullable=False),
    Column("promise_date", Date, nullable=False),
    Column("cause", Text, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
)
Index(None, line_promises.c.order_id)

line_cancellations = Table(
    "line_cancellations",
    METADATA,
    Column("cancellation_id", Uuid, primary_key=True),
    Column("order_line_id", Uuid, primary_key=True),
    Column("order_id", Uuid, ForeignKey(orders.c.order_id), nullable=False),
    Column("deal_version", Integer, nullable=False),
    Column("quantity", Numeric, nullable=False),
    Column("value", Numeric, nullable=False),
    Column("cause", Text, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
)
Index(None, line_cancellations.c.order_id)
