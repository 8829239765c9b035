"""Where the facts about leads are kept."""

from uuid import UUID

from sqlalchemy import Boolean, Column, Table, Text, Uuid

from services.handoff.schema import METADATA
from shared.db.types import Instant, Json
from shared.events.marketing.leads import Consent, Fact, LeadSnapshot

leads = Table(
    "leads",
    METADATA,
    Column("lead_id", Uuid, primary_key=True),
    Column("event_id", Uuid, nullable=False),
    Column("lead", Json(LeadSnapshot), nullable=False),
    Column("source_code", Text, nullable=False),
    Column("captured_at", Instant, nullable=False),
    Column("first_response_at", Instant),
    Column("customer_initiated", Boolean),
    Column("interaction_mode", Text),
    Column("audience", Text),
    Column("touch_intent", Text),
    Column("verification", Text, nullable=False),
    Column("facts", Json(tuple[Fact, ...]), nullable=False),
    Column("consents", Json(tuple[Consent, ...]), nullable=False),
    Column("possible_duplicate_of", Json(tuple[UUID, ...]), nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
)
