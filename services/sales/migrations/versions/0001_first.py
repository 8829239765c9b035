"""The first schema of sales."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from shared.db import kernel

revision = "0001"
down_revision = None


def upgrade() -> None:
    kernel.create(op)
    op.create_table(
        "answers",
        sa.Column("answer_id", sa.Uuid, nullable=False),
        sa.Column("lead_id", sa.Uuid, nullable=False),
        sa.Column("routing_id", sa.Uuid, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("answered_by_id", sa.Uuid),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason_code", sa.Text),
        sa.Column("suggested_disposition", sa.Text),
        sa.Column("note_id", sa.Uuid),
        sa.Column("note", sa.Text),
        sa.PrimaryKeyConstraint("answer_id", name=op.f("pk_answers")),
    )
    op.create_index("ix_answers_lead_id", "answers", ["lead_id"])
    op.create_table(
        "decisions",
        sa.Column("decision_id", sa.Uuid, nullable=False),
        sa.Column("lead_id", sa.Uuid, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("grade", sa.Text),
        sa.Column("customer_type", sa.Text),
        sa.Column("route_path", sa.Text),
        sa.Column("reason_codes", JSONB, nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("decision_id", name=op.f("pk_decisions")),
    )
    op.create_index("ix_decisions_lead_id", "decisions", ["lead_id"])
    op.create_table(
        "leads",
        sa.Column("lead_id", sa.Uuid, nullable=False),
        sa.Column("source_code", sa.Text, nullable=False),
        sa.Column("subject_id", sa.Uuid, nullable=False),
        sa.Column("organisation_id", sa.Uuid),
        sa.Column("campaign_id", sa.Uuid),
        sa.Column("channel_id", sa.Uuid),
        sa.Column("segment_versions", JSONB, nullable=False),
        sa.Column("need_codes", JSONB, nullable=False),
        sa.Column("captured_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_response_at", sa.DateTime(timezone=True)),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("lead_id", name=op.f("pk_leads")),
    )
    op.create_index("ix_leads_recorded_at", "leads", ["recorded_at", "lead_id"])
    op.create_table(
        "offers",
        sa.Column("lead_id", sa.Uuid, nullable=False),
        sa.Column("decision_id", sa.Uuid, nullable=False),
        sa.Column("routing_id", sa.Uuid, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("route_path", sa.Text, nullable=False),
        sa.Column("queue_code", sa.Text, nullable=False),
        sa.Column("assignee_id", sa.Uuid),
        sa.Column("assignee_role", sa.Text),
        sa.Column("routed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acceptance_due_at", sa.DateTime(timezone=True)),
        sa.Column("response_due_at", sa.DateTime(timezone=True)),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True)),
        sa.Column("answered_by_id", sa.Uuid),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("lead_id", name=op.f("pk_offers")),
    )
    op.create_index("ix_offers_status", "offers", ["status", "recorded_at", "lead_id"])
    op.create_table(
        "order_facts",
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("order_id", sa.Uuid, nullable=False),
        sa.Column("deal_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("whole", sa.Boolean, nullable=False),
        sa.Column("promise_date", sa.Date),
        sa.Column("lines", JSONB, nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_order_facts")),
    )
    op.create_index("ix_order_facts_deal_id", "order_facts", ["deal_id"])
    op.create_table(
        "opportunities",
        sa.Column("opportunity_id", sa.Uuid, nullable=False),
        sa.Column("lead_id", sa.Uuid, nullable=False),
        sa.Column("lead_ids", JSONB, nullable=False),
        sa.Column("source", sa.Text),
        sa.Column("external_id", sa.Text),
        sa.Column("stage", JSONB, nullable=False),
        sa.Column("stage_type", sa.Text, nullable=False),
        sa.Column("amount", JSONB),
        sa.Column("expected_close_date", sa.Date),
        sa.Column("owner_id", sa.Uuid),
        sa.Column("owner_role", sa.Text),
        sa.Column("customer_id", sa.Uuid),
        sa.Column("organisation_id", sa.Uuid),
        sa.Column("need_codes", JSONB, nullable=False),
        sa.Column("labels", JSONB, nullable=False),
        sa.Column("estimated", sa.Boolean, nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stage_entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked", JSONB, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("opportunity_id", name=op.f("pk_opportunities")),
        sa.ForeignKeyConstraint(["lead_id"], ["leads.lead_id"], name=op.f("fk_opportunities_lead_id_leads")),
        sa.UniqueConstraint("source", "external_id", name=op.f("uq_opportunities_source_external_id")),
    )
    op.create_index("ix_opportunities_lead_id", "opportunities", ["lead_id"])
    op.create_index("ix_opportunities_recorded_at", "opportunities", ["recorded_at", "opportunity_id"])
    op.create_table(
        "deals",
        sa.Column("deal_id", sa.Uuid, nullable=False),
        sa.Column("deal_version", sa.Integer, nullable=False),
        sa.Column("lead_id", sa.Uuid, nullable=False),
        sa.Column("lead_ids", JSONB, nullable=False),
        sa.Column("opportunity_id", sa.Uuid),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("source", sa.Text),
        sa.Column("external_id", sa.Text),
        sa.Column("close_mode", sa.Text, nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("customer_id", sa.Uuid),
        sa.Column("customer_type", sa.Text),
        sa.Column("owner_id", sa.Uuid),
        sa.Column("owner_role", sa.Text),
        sa.Column("blanket_order", sa.Boolean, nullable=False),
        sa.Column("lines", JSONB, nullable=False),
        sa.Column("lost_reasons", JSONB, nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("list_total", JSONB),
        sa.Column("discount_total", JSONB),
        sa.Column("net_total", JSONB),
        sa.Column("labels", JSONB, nullable=False),
        sa.Column("estimated", sa.Boolean, nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked", JSONB, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("deal_id", name=op.f("pk_deals")),
        sa.ForeignKeyConstraint(["lead_id"], ["leads.lead_id"], name=op.f("fk_deals_lead_id_leads")),
        sa.ForeignKeyConstraint(["opportunity_id"], ["opportunities.opportunity_id"], name=op.f("fk_deals_opportunity_id_opportunities")),
        sa.UniqueConstraint("source", "external_id", name=op.f("uq_deals_source_external_id")),
    )
    op.create_index("ix_deals_lead_id", "deals", ["lead_id"])
    op.create_index("ix_deals_recorded_at", "deals", ["recorded_at", "deal_id"])
    op.create_table(
        "stage_changes",
        sa.Column("opportunity_id", sa.Uuid, nullable=False),
        sa.Column("opportunity_version", sa.Integer, nullable=False),
        sa.Column("previous_stage_code", sa.Text),
        sa.Column("stage", JSONB, nullable=False),
        sa.Column("stage_type", sa.Text, nullable=False),
        sa.Column("amount", JSONB),
        sa.Column("expected_close_date", sa.Date),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("opportunity_id", "opportunity_version", name=op.f("pk_stage_changes")),
        sa.ForeignKeyConstraint(
            ["opportunity_id"], ["opportunities.opportunity_id"], name=op.f("fk_stage_changes_opportunity_id_opportunities")
        ),
    )


def downgrade() -> None:
    raise RuntimeError("there is nothing before the first schema")
