"""The first schema of distribution."""

import sqlalchemy as sa
from alembic import op

from shared.db import kernel

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    kernel.create(op)
    op.create_table(
        "deals",
        sa.Column("deal_id", sa.Uuid, nullable=False),
        sa.Column("lead_id", sa.Uuid, nullable=False),
        sa.Column("deal_version", sa.Integer, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("blanket_order", sa.Boolean, nullable=False),
        sa.Column("closed_at", INSTANT, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("deal_id", name="pk_deals"),
    )
    op.create_table(
        "orders",
        sa.Column("order_id", sa.Uuid, nullable=False),
        sa.Column("deal_id", sa.Uuid, nullable=False),
        sa.Column("lead_id", sa.Uuid, nullable=False),
        sa.Column("deal_version", sa.Integer, nullable=False),
        sa.Column("standing", sa.Boolean, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("order_value", sa.Numeric, nullable=False),
        sa.Column("promise_date", sa.Date),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("order_id", name="pk_orders"),
    )
    op.create_index("ix_orders_deal_id", "orders", ["deal_id"])
    op.create_index("ix_orders_recorded_at_order_id", "orders", ["recorded_at", "order_id"])
    op.create_index("ix_orders_status_recorded_at_order_id", "orders", ["status", "recorded_at", "order_id"])
    op.create_table(
        "order_lines",
        sa.Column("order_line_id", sa.Uuid, nullable=False),
        sa.Column("order_id", sa.Uuid, nullable=False),
        sa.Column("line_no", sa.Integer, nullable=False),
        sa.Column("deal_version", sa.Integer, nullable=False),
        sa.Column("product_id", sa.Uuid, nullable=False),
        sa.Column("sku", sa.Text, nullable=False),
        sa.Column("fulfilment_type", sa.Text, nullable=False),
        sa.Column("quantity", sa.Numeric, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("net_unit_price", sa.Numeric, nullable=False),
        sa.Column("net_amount", sa.Numeric, nullable=False),
        sa.Column("outlet_id", sa.Uuid),
        sa.Column("ship_to_time_zone", sa.Text),
        sa.Column("requested_date", sa.Date),
        sa.Column("confirmed_date", sa.Date),
        sa.Column("previous_promise_date", sa.Date),
        sa.Column("promise_date", sa.Date),
        sa.Column("shipped_quantity", sa.Numeric, nullable=False),
        sa.Column("delivered_quantity", sa.Numeric, nullable=False),
        sa.Column("cancelled_quantity", sa.Numeric, nullable=False),
        sa.Column("withdrawn_quantity", sa.Numeric, nullable=False),
        sa.Column("delivered_on", sa.Date),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("order_line_id", name="pk_order_lines"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.order_id"], name="fk_order_lines_order_id_orders"),
    )
    op.create_index("ix_order_lines_order_id_line_no", "order_lines", ["order_id", "line_no"], unique=True)
    op.create_table(
        "line_promises",
        sa.Column("promise_id", sa.Uuid, nullable=False),
        sa.Column("order_line_id", sa.Uuid, nullable=False),
        sa.Column("order_id", sa.Uuid, nullable=False),
        sa.Column("deal_version", sa.Integer, nullable=False),
        sa.Column("promise_date", sa.Date, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("promise_id", "order_line_id", name="pk_line_promises"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.order_id"], name="fk_line_promises_order_id_orders"),
    )
    op.create_index("ix_line_promises_order_id", "line_promises", ["order_id"])
    op.create_table(
        "line_cancellations",
        sa.Column("cancellation_id", sa.Uuid, nullable=False),
        sa.Column("order_line_id", sa.Uuid, nullable=False),
        sa.Column("order_id", sa.Uuid, nullable=False),
        sa.Column("deal_version", sa.Integer, nullable=False),
        sa.Column("quantity", sa.Numeric, nullable=False),
        sa.Column("value", sa.Numeric, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("cancellation_id", "order_line_id", name="pk_line_cancellations"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.order_id"], name="fk_line_cancellations_order_id_orders"),
    )
    op.create_index("ix_line_cancellations_order_id", "line_cancellations", ["order_id"])
    op.create_table(
        "shipments",
        sa.Column("shipment_id", sa.Uuid, nullable=False),
        sa.Column("order_id", sa.Uuid, nullable=False),
        sa.Column("carrier_code", sa.Text),
        sa.Column("expected_delivery_date", sa.Date),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("shipment_id", name="pk_shipments"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.order_id"], name="fk_shipments_order_id_orders"),
    )
    op.create_index("ix_shipments_order_id_recorded_at_shipment_id", "shipments", ["order_id", "recorded_at", "shipment_id"])
    op.create_table(
        "shipment_lines",
        sa.Column("shipment_id", sa.Uuid, nullable=False),
        sa.Column("order_line_id", sa.Uuid, nullable=False),
        sa.Column("quantity", sa.Numeric, nullable=False),
        sa.PrimaryKeyConstraint("shipment_id", "order_line_id", name="pk_shipment_lines"),
        sa.ForeignKeyConstraint(["order_line_id"], ["order_lines.order_line_id"], name="fk_shipment_lines_order_line_id_order_lines"),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipments.shipment_id"], name="fk_shipment_lines_shipment_id_shipments"),
    )
    op.create_index("ix_shipment_lines_order_line_id", "shipment_lines", ["order_line_id"])
    op.create_table(
        "deliveries",
        sa.Column("delivery_id", sa.Uuid, nullable=False),
        sa.Column("order_id", sa.Uuid, nullable=False),
        sa.Column("shipment_id", sa.Uuid),
        sa.Column("receipt_confirmed", sa.Boolean),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_deliveries"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.order_id"], name="fk_deliveries_order_id_orders"),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipments.shipment_id"], name="fk_deliveries_shipment_id_shipments"),
    )
    op.create_index("ix_deliveries_order_id_recorded_at_delivery_id", "deliveries", ["order_id", "recorded_at", "delivery_id"])
    op.create_index("ix_deliveries_shipment_id", "deliveries", ["shipment_id"])
    op.create_table(
        "delivery_lines",
        sa.Column("delivery_id", sa.Uuid, nullable=False),
        sa.Column("order_line_id", sa.Uuid, nullable=False),
        sa.Column("quantity", sa.Numeric, nullable=False),
        sa.Column("accepted_quantity", sa.Numeric, nullable=False),
        sa.Column("damaged_quantity", sa.Numeric, nullable=False),
        sa.Column("delivered_on", sa.Date, nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", "order_line_id", name="pk_delivery_lines"),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.delivery_id"], name="fk_delivery_lines_delivery_id_deliveries"),
        sa.ForeignKeyConstraint(["order_line_id"], ["order_lines.order_line_id"], name="fk_delivery_lines_order_line_id_order_lines"),
    )
    op.create_index("ix_delivery_lines_order_line_id", "delivery_lines", ["order_line_id"])


def downgrade() -> None:
    raise RuntimeError("nothing comes before the first schema; restore a backup instead")
