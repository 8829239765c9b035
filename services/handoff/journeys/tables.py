"""Where the ledger of all journeys is kept."""

from typing import Any

from sqlalchemy import BigInteger, Column, Index, Table, Text, Uuid

from services.handoff.schema import METADATA
from shared.db.types import Instant, Json

journey_facts = Table(
    "journey_facts",
    METADATA,
    Column("lead_id", Uuid, primary_key=True),
    Column("event_id", Uuid, primary_key=True),
    Column("event", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("subject", Uuid, nullable=False),
    Column("deal_id", Uuid),
    Column("stage", Text),
    Column("sequence", BigInteger),
    Column("occurred_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("details", Json(dict[str, Any]), nullable=False),
)
Index("ix_journey_facts_deal_id", journey_facts.c.deal_id)
Index("ix_journey_facts_lead_id_stage", journey_facts.c.lead_id, journey_facts.c.stage)
Index(
    "ix_journey_facts_captured",
    journey_facts.c.recorded_at,
    journey_facts.c.lead_id,
    postgresql_where=journey_facts.c.event == "lead-generated",
)
