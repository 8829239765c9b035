"""The first schema of handoff."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from shared.db import kernel

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    kernel.create(op)
    op.create_table(
        "leads",
        sa.Column("lead_id", sa.Uuid, nullable=False),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("lead", JSONB, nullable=False),
        sa.Column("source_code", sa.Text, nullable=False),
        sa.Column("captured_at", INSTANT, nullable=False),
        sa.Column("first_response_at", INSTANT),
        sa.Column("customer_initiated", sa.Boolean),
        sa.Column("interaction_mode", sa.Text),
        sa.Column("audience", sa.Text),
        sa.Column("touch_intent", sa.Text),
        sa.Column("verification", sa.Text, nullable=False),
        sa.Column("facts", JSONB, nullable=False),
        sa.Column("consents", JSONB, nullable=False),
        sa.Column("possible_duplicate_of", JSONB, nullable=False),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("lead_id", name="pk_leads"),
    )
    op.create_table(
        "rule_sets",
        sa.Column("rule_set_id", sa.Uuid, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("number", sa.Integer),
        sa.Column("rules", JSONB, nullable=False),
        sa.Column("terms", JSONB, nullable=False),
        sa.Column("author_ids", JSONB, nullable=False),
        sa.Column("published_by_id", sa.Uuid),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("published_at", INSTANT),
        sa.Column("archived_at", INSTANT),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("rule_set_id", name="pk_rule_sets"),
        sa.UniqueConstraint("number", name="uq_rule_sets_number"),
    )
    op.create_index("ix_rule_sets_recorded_at_rule_set_id", "rule_sets", ["recorded_at", "rule_set_id"])
    op.create_index("uq_rule_sets_in_force", "rule_sets", ["status"], unique=True, postgresql_where=sa.text("status = 'published'"))
    op.create_table(
        "decisions",
        sa.Column("decision_id", sa.Uuid, nullable=False),
        sa.Column("lead_id", sa.Uuid, nullable=False),
        sa.Column("supersedes_decision_id", sa.Uuid),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("reason_codes", JSONB, nullable=False),
        sa.Column("rule_codes", JSONB, nullable=False),
        sa.Column("decided_by", sa.Text, nullable=False),
        sa.Column("rule_set_id", sa.Uuid, nullable=False),
        sa.Column("rule_set_version", sa.Integer, nullable=False),
        sa.Column("as_of", INSTANT, nullable=False),
        sa.Column("decided_at", INSTANT, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("input_hash", sa.Text, nullable=False),
        sa.Column("inputs", JSONB, nullable=False),
        sa.Column("fit_score", sa.Numeric, nullable=False),
        sa.Column("engagement_score", sa.Numeric, nullable=False),
        sa.Column("grade", sa.Text, nullable=False),
        sa.Column("readiness", sa.Text, nullable=False),
        sa.Column("customer_type", sa.Text),
        sa.Column("route_path", sa.Text, nullable=False),
        sa.Column("contributions", JSONB, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("decision_id", name="pk_decisions"),
        sa.UniqueConstraint("supersedes_decision_id", name="uq_decisions_supersedes_decision_id"),
    )
    op.create_index("ix_decisions_lead_id_recorded_at", "decisions", ["lead_id", "recorded_at"])
    op.create_index("ix_decisions_recorded_at_decision_id", "decisions", ["recorded_at", "decision_id"])
    op.create_index("uq_decisions_first", "decisions", ["lead_id"], unique=True, postgresql_where=sa.text("supersedes_decision_id IS NULL"))
    op.create_table(
        "routings",
        sa.Column("routing_id", sa.Uuid, nullable=False),
        sa.Column("lead_id", sa.Uuid, nullable=False),
        sa.Column("decision_id", sa.Uuid, nullable=False),
        sa.Column("route_path", sa.Text, nullable=False),
        sa.Column("assignee_id", sa.Uuid),
        sa.Column("assignee_role", sa.Text),
        sa.Column("assignee_org", sa.Text, nullable=False),
        sa.Column("queue_code", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("previous_assignee_id", sa.Uuid),
        sa.Column("candidates", JSONB, nullable=False),
        sa.Column("suggested_queue_code", sa.Text),
        sa.Column("suggestion_followed", sa.Boolean),
        sa.Column("reason_codes", JSONB, nullable=False),
        sa.Column("policy_code", sa.Text, nullable=False),
        sa.Column("clock", sa.Text, nullable=False),
        sa.Column("acceptance_due_at", INSTANT),
        sa.Column("response_due_at", INSTANT),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("routing_id", name="pk_routings"),
    )
    op.create_index("uq_routings_decision_id_attempt", "routings", ["decision_id", "attempt"], unique=True)
    op.create_index("ix_routings_lead_id", "routings", ["lead_id"])
    op.create_table(
        "journey_facts",
        sa.Column("lead_id", sa.Uuid, nullable=False),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("subject", sa.Uuid, nullable=False),
        sa.Column("deal_id", sa.Uuid),
        sa.Column("stage", sa.Text),
        sa.Column("sequence", sa.BigInteger),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("details", JSONB, nullable=False),
        sa.PrimaryKeyConstraint("lead_id", "event_id", name="pk_journey_facts"),
    )
    op.create_index("ix_journey_facts_deal_id", "journey_facts", ["deal_id"])
    op.create_index("ix_journey_facts_lead_id_stage", "journey_facts", ["lead_id", "stage"])
    op.create_index(
        "ix_journey_facts_captured",
        "journey_facts",
        ["recorded_at", "lead_id"],
        postgresql_where=sa.text("event = 'lead-generated'"),
    )


def downgrade() -> None:
    raise RuntimeError("the first schema has nothing before it; restore a backup instead")
