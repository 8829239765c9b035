"""The kernel's tables and the sample's."""

import sqlalchemy as sa
from alembic import op

from shared.db import kernel

revision = "0001"
down_revision = None


def upgrade() -> None:
    kernel.create(op)
    op.create_table(
        "notes",
        sa.Column("note_id", sa.Uuid, primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_table(
        "seen",
        sa.Column("place", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("subject", sa.Uuid, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
    )
