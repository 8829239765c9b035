"""Parked events and held keys, the numbers seen of each subject, and what operators did."""

from alembic import op

from shared.db import kernel

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    kernel.create_keeping(op)
