"""Where decisions are kept."""

from typing import Any

from sqlalchemy import Column, Index, Integer, Numeric, Table, Text, Uuid

from services.handoff.rulesets.domain import Contribution
from services.handoff.schema import METADATA
from shared.db.types import Instant, Json

decisions = Table(
    "decisions",
    METADATA,
    Column("decision_id", Uuid, primary_key=True),
    Column("lead_id", Uuid, nullable=False),
    Column("supersedes_decision_id", Uuid, unique=True),
    Column("outcome", Text, nullable=False),
    Column("reason_codes", Json(tuple[str, ...]), nullable=False),
    Column("rule_codes", Json(tuple[str, ...]), nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("rule_set_id", Uuid, nullable=False),
    Column("rule_set_version", Integer, nullable=False),
    Column("as_of", Instant, nullable=False),
    Column("decided_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("input_hash", Text, nullable=False),
    Column("inputs", Json(dict[str, Any]), nullable=False),
    Column("fit_score", Numeric, nullable=False),
    Column("engagement_score", Numeric, nullable=False),
    Column("grade", Text, nullable=False),
    Column("readiness", Text, nullable=False),
    Column("customer_type", Text),
    Column("route_path", Text, nullable=False),
    Column("contributions", Json(tuple[Contribution, ...]), nullable=False),
    Column("version", Integer, nullable=False),
)
Index("ix_decisions_lead_id_recorded_at", decisions.c.lead_id, decisions.c.recorded_at)
Index("ix_decisions_recorded_at_decision_id", decisions.c.recorded_at, decisions.c.decision_id)
# A lead has one first decision, and each decision is superseded at most once: its decisions are a chain.
Index("uq_decisions_first", decisions.c.lead_id, unique=True, postgresql_where=decisions.c.supersedes_decision_id.is_(None))
