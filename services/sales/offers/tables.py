"""Offers, one per lead, and every answer that was given to one."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, Text, Uuid

from services.sales.schema import METADATA
from shared.db.types import Instant

offers = Table(
    "offers",
    METADATA,
    Column("lead_id", Uuid, primary_key=True),
    Column("decision_id", Uuid, nullable=False),
    Column("routing_id", Uuid, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("route_path", Text, nullable=False),
    Column("queue_code", Text, nullable=False),
    Column("assignee_id", Uuid),
    Column("assignee_role", Text),
    Column("routed_at", Instant, nullable=False),
    Column("acceptance_due_at", Instant),
    Column("response_due_at", Instant),
    Column("recorded_at", Instant, nullable=False),
    Column("status", Text, nullable=False),
    Column("answered_at", Instant),
    Column("answered_by_id", Uuid),
    Column("version", Integer, nullable=False),
)
Index("ix_offers_status", offers.c.status, offers.c.recorded_at, offers.c.lead_id)

answers = Table(
    "answers",
    METADATA,
    Column("answer_id", Uuid, primary_key=True),
    Column("lead_id", Uuid, nullable=False),
    Column("routing_id", Uuid, nullable=False),
    Column("answer", Text, nullable=False),
    Column("answered_by_id", Uuid),
    Column("occurred_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("reason_code", Text),
    Column("suggested_disposition", Text),
    Column("note_id", Uuid),
    Column("note", Text),
)
Index("ix_answers_lead_id", answers.c.lead_id)
