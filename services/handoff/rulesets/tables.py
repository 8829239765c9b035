"""Where rule sets are kept."""

from uuid import UUID

from sqlalchemy import Column, Index, Integer, Table, Text, Uuid

from services.handoff.rulesets.domain import Rule, Terms
from services.handoff.schema import METADATA
from shared.db.types import Instant, Json

rule_sets = Table(
    "rule_sets",
    METADATA,
    Column("rule_set_id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("number", Integer, unique=True),
    Column("rules", Json(tuple[Rule, ...]), nullable=False),
    Column("terms", Json(Terms), nullable=False),
    Column("author_ids", Json(tuple[UUID, ...]), nullable=False),
    Column("published_by_id", Uuid),
    Column("occurred_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("published_at", Instant),
    Column("archived_at", Instant),
    Column("version", Integer, nullable=False),
)
Index("ix_rule_sets_recorded_at_rule_set_id", rule_sets.c.recorded_at, rule_sets.c.rule_set_id)
Index("uq_rule_sets_in_force", rule_sets.c.status, unique=True, postgresql_where=rule_sets.c.status == "published")
