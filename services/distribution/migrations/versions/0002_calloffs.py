"""Call-offs, approvals, cancellations with a head of their own, and facts that hold for a whole order."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    orders()
    order_lines()
    approvals()
    cancellations()
    shipments()
    deliveries()


def orders() -> None:
    op.add_column("orders", sa.Column("call_off", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("orders", sa.Column("source", sa.Text))
    op.add_column("orders", sa.Column("external_id", sa.Text))
    op.add_column("orders", sa.Column("customer_id", sa.Uuid))
    op.add_column("orders", sa.Column("time_zone", sa.Text, nullable=False, server_default="UTC"))
    op.add_column("orders", sa.Column("estimated", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("orders", sa.Column("labels", JSONB, nullable=False, server_default="{}"))
    op.add_column("orders", sa.Column("whole_requested_date", sa.Date))
    op.add_column("orders", sa.Column("whole_promise_date", sa.Date))
    op.add_column("orders", sa.Column("wholly_shipped", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("orders", sa.Column("wholly_delivered", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("orders", sa.Column("wholly_cancelled", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("orders", sa.Column("approved_at", INSTANT))
    op.add_column("orders", sa.Column("asked", sa.Text))
    op.create_unique_constraint("uq_orders_source_external_id", "orders", ["source", "external_id"])
    told_by_now("orders", "call_off", "time_zone", "estimated", "labels", "wholly_shipped", "wholly_delivered", "wholly_cancelled")


def order_lines() -> None:
    op.alter_column("order_lines", "net_unit_price", nullable=True)
    op.add_column("order_lines", sa.Column("freight_amount", sa.Numeric))
    op.add_column("order_lines", sa.Column("ship_by", INSTANT))
    op.add_column("order_lines", sa.Column("labels", JSONB, nullable=False, server_default="{}"))
    op.add_column("order_lines", sa.Column("shipped_named", sa.Numeric, nullable=False, server_default="0"))
    op.add_column("order_lines", sa.Column("delivered_named", sa.Numeric, nullable=False, server_default="0"))
    op.add_column("order_lines", sa.Column("cancelled_named", sa.Numeric, nullable=False, server_default="0"))
    op.add_column("order_lines", sa.Column("asked", sa.Text))
    # Whatever was recorded so far named its quantity.
    op.execute(
        "UPDATE order_lines SET shipped_named = shipped_quantity, delivered_named = delivered_quantity, cancelled_named = cancelled_quantity"
    )
    told_by_now("order_lines", "labels", "shipped_named", "delivered_named", "cancelled_named")


def approvals() -> None:
    op.create_table(
        "approvals",
        sa.Column("approval_id", sa.Uuid, nullable=False),
        sa.Column("order_id", sa.Uuid, nullable=False),
        sa.Column("estimated", sa.Boolean, nullable=False),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("asked", sa.Text),
        sa.PrimaryKeyConstraint("approval_id", name="pk_approvals"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.order_id"], name="fk_approvals_order_id_orders"),
    )
    op.create_index("ix_approvals_order_id", "approvals", ["order_id"])


def cancellations() -> None:
    op.create_table(
        "cancellations",
        sa.Column("cancellation_id", sa.Uuid, nullable=False),
        sa.Column("order_id", sa.Uuid, nullable=False),
        sa.Column("whole", sa.Boolean, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("estimated", sa.Boolean, nullable=False),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("asked", sa.Text),
        sa.PrimaryKeyConstraint("cancellation_id", name="pk_cancellations"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.order_id"], name="fk_cancellations_order_id_orders"),
    )
    op.create_index("ix_cancellations_order_id", "cancellations", ["order_id"])
    op.execute(
        "INSERT INTO cancellations (cancellation_id, order_id, whole, cause, estimated, occurred_at, recorded_at)"
        " SELECT DISTINCT ON (cancellation_id) cancellation_id, order_id, false, cause, false, occurred_at, recorded_at"
        " FROM line_cancellations ORDER BY cancellation_id"
    )
    op.add_column("line_cancellations", sa.Column("rest", sa.Boolean, nullable=False, server_default=sa.false()))
    told_by_now("line_cancellations", "rest")
    op.drop_column("line_cancellations", "cause")
    op.drop_column("line_cancellations", "occurred_at")
    # What an order cancels wholly is cancelled of each content that its deal gives a line.
    op.drop_constraint("pk_line_cancellations", "line_cancellations")
    op.create_primary_key("pk_line_cancellations", "line_cancellations", ["cancellation_id", "order_line_id", "deal_version"])
    op.create_foreign_key(
        "fk_line_cancellations_cancellation_id_cancellations",
        "line_cancellations",
        "cancellations",
        ["cancellation_id"],
        ["cancellation_id"],
    )


def shipments() -> None:
    for column in ("whole", "estimated"):
        op.add_column("shipments", sa.Column(column, sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("shipments", sa.Column("asked", sa.Text))
    told_by_now("shipments", "whole", "estimated")
    parts("shipment_lines", "UPDATE shipment_lines p SET recorded_at = s.recorded_at FROM shipments s WHERE s.shipment_id = p.shipment_id")


def deliveries() -> None:
    for column in ("whole", "estimated", "day_only"):
        op.add_column("deliveries", sa.Column(column, sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("deliveries", sa.Column("reported_at", INSTANT))
    op.add_column("deliveries", sa.Column("asked", sa.Text))
    told_by_now("deliveries", "whole", "estimated", "day_only")
    # A delivery may be heard of before the shipment that it came with.
    op.drop_constraint("fk_deliveries_shipment_id_shipments", "deliveries")
    parts("delivery_lines", "UPDATE delivery_lines p SET recorded_at = d.recorded_at FROM deliveries d WHERE d.delivery_id = p.delivery_id")


def parts(lines: str, as_recorded: str) -> None:
    """A part of a fact has its own recorded time: a line may be added after the fact."""
    op.add_column(lines, sa.Column("rest", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column(lines, sa.Column("recorded_at", INSTANT))
    op.execute(as_recorded)
    op.alter_column(lines, "recorded_at", nullable=False)
    told_by_now(lines, "rest")


def told_by_now(table: str, *columns: str) -> None:
    """Takes away the defaults that filled existing rows: whoever writes from now on says everything."""
    for column in columns:
        op.alter_column(table, column, server_default=None)


def downgrade() -> None:
    raise RuntimeError("facts of whole orders cannot be told in the former schema; restore a backup instead")
