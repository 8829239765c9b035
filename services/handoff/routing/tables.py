"""Where routings are kept."""

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text, Uuid

from services.handoff.routing.domain import Candidate
from services.handoff.schema import METADATA
from shared.db.types import Instant, Json

routings = Table(
    "routings",
    METADATA,
    Column("routing_id", Uuid, primary_key=True),
    Column("lead_id", Uuid, nullable=False),
    Column("decision_id", Uuid, nullable=False),
    Column("route_path", Text, nullable=False),
    Column("assignee_id", Uuid),
    Column("assignee_role", Text),
    Column("assignee_org", Text, nullable=False),
    Column("queue_code", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("cause", Text, nullable=False),
    Column("previous_assignee_id", Uuid),
    Column("candidates", Json(tuple[Candidate, ...]), nullable=False),
    Column("suggested_queue_code", Text),
    Column("suggestion_followed", Boolean),
    Column("reason_codes", Json(tuple[str, ...]), nullable=False),
    Column("policy_code", Text, nullable=False),
    Column("clock", Text, nullable=False),
    Column("acceptance_due_at", Instant),
    Column("response_due_at", Instant),
    Column("occurred_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("version", Integer, nullable=False),
)
Index("uq_routings_decision_id_attempt", routings.c.decision_id, routings.c.attempt, unique=True)
Index("ix_routings_lead_id", routings.c.lead_id)
