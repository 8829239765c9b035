"""The first schema of marketing, with the media that a utm_medium counts as."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from shared.db import kernel

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)

# Where the table of utm_medium texts starts; every installation changes it as it likes.
MEDIUMS = {
    "affiliate": "partner",
    "affiliates": "partner",
    "audio": "radio",
    "banner": "advertising",
    "blog": "content",
    "content": "content",
    "cpc": "advertising",
    "cpm": "advertising",
    "cpv": "advertising",
    "direct_mail": "direct_mail",
    "display": "advertising",
    "e-mail": "email",
    "email": "email",
    "event": "event",
    "mail": "direct_mail",
    "newsletter": "email",
    "organic": "search",
    "organic_search": "search",
    "organic_social": "social",
    "paid": "advertising",
    "paid_search": "search",
    "paid_social": "social",
    "paidsearch": "search",
    "paidsocial": "social",
    "partner": "partner",
    "podcast": "radio",
    "postcard": "direct_mail",
    "ppc": "advertising",
    "radio": "radio",
    "referral": "referral",
    "retargeting": "advertising",
    "search": "search",
    "sem": "search",
    "seo": "search",
    "social": "social",
    "social-media": "social",
    "social_media": "social",
    "television": "tv",
    "trade_show": "event",
    "tv": "tv",
    "video": "content",
    "web": "web",
    "webinar": "event",
    "website": "web",
}


def upgrade() -> None:
    kernel.create(op)
    op.create_table(
        "campaigns",
        sa.Column("campaign_id", sa.Uuid, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("medium", sa.Text, nullable=True),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("campaign_id", name="pk_campaigns"),
        sa.UniqueConstraint("code", name="uq_campaigns_code"),
    )
    op.create_index("ix_campaigns_recorded_at_campaign_id", "campaigns", ["recorded_at", "campaign_id"], unique=False)
    op.create_table(
        "channels",
        sa.Column("channel_id", sa.Uuid, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("medium", sa.Text, nullable=True),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("channel_id", name="pk_channels"),
        sa.UniqueConstraint("code", name="uq_channels_code"),
    )
    op.create_index("ix_channels_recorded_at_channel_id", "channels", ["recorded_at", "channel_id"], unique=False)
    op.create_table(
        "consents",
        sa.Column("consent_id", sa.Uuid, nullable=False),
        sa.Column("subject_id", sa.Uuid, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("lawful_basis", sa.Text, nullable=False),
        sa.Column("source_text", sa.Text, nullable=False),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("consent_id", name="pk_consents"),
    )
    op.create_index("ix_consents_subject_id", "consents", ["subject_id"], unique=False)
    op.create_table(
        "deal_outcomes",
        sa.Column("deal_id", sa.Uuid, nullable=False),
        sa.Column("deal_version", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("lead_id", sa.Uuid, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("closed_at", INSTANT, nullable=False),
        sa.Column("primary", sa.Boolean, nullable=False),
        sa.Column("cause_event_id", sa.Uuid, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("deal_id", "deal_version", "lead_id", name="pk_deal_outcomes"),
    )
    op.create_index("ix_deal_outcomes_lead_id", "deal_outcomes", ["lead_id"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("delivery_id", sa.Uuid, nullable=False),
        sa.Column("order_id", sa.Uuid, nullable=False),
        sa.Column("deal_id", sa.Uuid, nullable=False),
        sa.Column("lead_id", sa.Uuid, nullable=False),
        sa.Column("delivered_at", INSTANT, nullable=False),
        sa.Column("complete", sa.Boolean, nullable=False),
        sa.Column("cause_event_id", sa.Uuid, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_deal_id", "deliveries", ["deal_id"], unique=False)
    op.create_index("ix_deliveries_lead_id", "deliveries", ["lead_id"], unique=False)
    op.create_table(
        "leads",
        sa.Column("lead_id", sa.Uuid, nullable=False),
        sa.Column("subject_id", sa.Uuid, nullable=False),
        sa.Column("touch_id", sa.Uuid, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("external_id", sa.Text, nullable=True),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("captured_at", INSTANT, nullable=False),
        sa.Column("estimated", sa.Boolean, nullable=False),
        sa.Column("campaign_id", sa.Uuid, nullable=True),
        sa.Column("channel_id", sa.Uuid, nullable=True),
        sa.Column("medium", sa.Text, nullable=True),
        sa.Column("customer_initiated", sa.Boolean, nullable=True),
        sa.Column("first_response_at", INSTANT, nullable=True),
        sa.Column("interaction_mode", sa.Text, nullable=True),
        sa.Column("audience", sa.Text, nullable=True),
        sa.Column("touch_intent", sa.Text, nullable=True),
        sa.Column("journey_stage", sa.Text, nullable=True),
        sa.Column("need_codes", JSONB, nullable=False),
        sa.Column("facts", JSONB, nullable=False),
        sa.Column("expected_units", sa.Numeric, nullable=True),
        sa.Column("expected_value", JSONB, nullable=True),
        sa.Column("country", sa.Text, nullable=True),
        sa.Column("region_code", sa.Text, nullable=True),
        sa.Column("language", sa.Text, nullable=True),
        sa.Column("time_zone", sa.Text, nullable=True),
        sa.Column("organisation_id", sa.Uuid, nullable=True),
        sa.Column("labels", JSONB, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("captured_by", sa.Uuid, nullable=True),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("lead_id", name="pk_leads"),
        sa.UniqueConstraint("source", "external_id", name="uq_leads_source_external_id"),
    )
    op.create_index(
        "ix_leads_campaign_id",
        "leads",
        ["campaign_id", "recorded_at", "lead_id"],
        unique=False,
        postgresql_where=sa.text("campaign_id IS NOT NULL"),
    )
    op.create_index(
        "ix_leads_channel_id",
        "leads",
        ["channel_id", "recorded_at", "lead_id"],
        unique=False,
        postgresql_where=sa.text("channel_id IS NOT NULL"),
    )
    op.create_index("ix_leads_recorded_at_lead_id", "leads", ["recorded_at", "lead_id"], unique=False)
    op.create_index("ix_leads_source_recorded_at", "leads", ["source", "recorded_at", "lead_id"], unique=False)
    op.create_table(
        "lifecycles",
        sa.Column("lead_id", sa.Uuid, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("entered_at", INSTANT, nullable=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("lead_id", name="pk_lifecycles"),
    )
    op.create_table(
        "sources",
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("time_zone", sa.Text, nullable=False),
        sa.Column("in_use", sa.Boolean, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("code", name="pk_sources"),
    )
    op.create_table(
        "stage_entries",
        sa.Column("cause_event_id", sa.Uuid, nullable=False),
        sa.Column("lead_id", sa.Uuid, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("entered_at", INSTANT, nullable=False),
        sa.Column("evidence_ref", sa.Text, nullable=False),
        sa.Column("reason_codes", JSONB, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("cause_event_id", "lead_id", "stage", name="pk_stage_entries"),
    )
    op.create_index("ix_stage_entries_lead_id", "stage_entries", ["lead_id"], unique=False)
    op.create_table(
        "subjects",
        sa.Column("subject_id", sa.Uuid, nullable=False),
        sa.Column("contact", JSONB, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("subject_id", name="pk_subjects"),
    )
    op.create_table(
        "utm_mediums",
        sa.Column("utm_medium", sa.Text, nullable=False),
        sa.Column("medium", sa.Text, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("utm_medium", name="pk_utm_mediums"),
    )
    op.execute(
        "INSERT INTO sources (code, name, time_zone, in_use, recorded_at, version)"
        " VALUES ('api', 'Systems that name no source', 'UTC', false, now(), 1)"
    )
    for utm_medium, medium in MEDIUMS.items():
        op.execute(
            sa.text("INSERT INTO utm_mediums (utm_medium, medium, recorded_at) VALUES (:utm_medium, :medium, now())").bindparams(
                utm_medium=utm_medium, medium=medium
            )
        )


def downgrade() -> None:
    raise RuntimeError("the first schema has nothing before it")
