"""The kernel's tables, which every service database has beside its own."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE, JSONB

from shared.db.types import Instant, Snapshot, Xid8

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def kernel_tables(metadata: MetaData) -> None:
    """Adds the kernel's tables to a service's metadata; shared/db/kernel.py creates them."""
    outbox = Table(
        "outbox",
        metadata,
        Column("id", BigInteger, primary_key=True, server_default=func.nextval("outbox_id_seq"), autoincrement=False),
        Column("xid", Xid8, nullable=False, server_default=func.pg_current_xact_id()),
        Column("created_at", Instant, primary_key=True, server_default=func.now()),
        Column("event_id", Uuid, nullable=False),
        Column("topic", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("headers", JSONB, nullable=False),
        Column("payload", LargeBinary, nullable=False),
        postgresql_partition_by="RANGE (created_at)",
    )
    Index("ix_outbox_xid", outbox.c.xid)
    Table(
        "outbox_cursor",
        metadata,
        Column("name", Text, primary_key=True),
        Column("base", Snapshot, nullable=False),
        Column("target", Snapshot),
        Column("last_id", BigInteger, nullable=False, server_default="0"),
        Column("system_identifier", BigInteger, nullable=False),
        Column("updated_at", Instant, nullable=False, server_default=func.now()),
    )
    Table(
        "outbox_position",
        metadata,
        Column("topic", Text, primary_key=True),
        Column("part", Integer, primary_key=True),
        Column("last_offset", BigInteger, nullable=False),
    )
    Table("aggregate_sequence", metadata, Column("subject", Uuid, primary_key=True), Column("last", BigInteger, nullable=False))
    Table(
        "consumer_offset",
        metadata,
        Column("topic", Text, primary_key=True),
        Column("part", Integer, primary_key=True),
        Column("next_offset", BigInteger, nullable=False),
    )
    Table("inbox", metadata, Column("event_id", Uuid, primary_key=True), postgresql_partition_by="RANGE (event_id)")
    Table(
        "idempotency_key",
        metadata,
        Column("principal", Text, primary_key=True),
        Column("route", Text, primary_key=True),
        Column("key", Uuid, primary_key=True),
        Column("fingerprint", LargeBinary, nullable=False),
        Column("status", SmallInteger, nullable=False),
        Column("headers", JSONB, nullable=False),
        Column("body", LargeBinary, nullable=False),
        Column("recorded_at", Instant, nullable=False, server_default=func.now()),
    )
    _keeping(metadata)


def _keeping(metadata: MetaData) -> None:
    Table(
        "parked_key",
        metadata,
        Column("key", Text, primary_key=True),
        Column("attempts", Integer, nullable=False, server_default="0"),
        Column("next_attempt_at", Instant),
    )
    parked = Table(
        "parked_event",
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("key", Text),
        Column("event_id", Uuid, index=True),
        Column("in_inbox", Boolean, nullable=False),
        Column("topic", Text, nullable=False),
        Column("part", Integer, nullable=False),
        Column("offset", BigInteger, nullable=False),
        Column("kafka_ts", Instant, nullable=False),
        Column("raw_key", LargeBinary),
        Column("raw_headers", JSONB, nullable=False),
        Column("raw_value", LargeBinary),
        Column("edited_value", LargeBinary),
        Column("state", Text, nullable=False, server_default="open"),
        Column("error_class", Text),
        Column("error_code", Text),
        Column("error_text", Text),
        Column("parked_at", Instant, nullable=False, server_default=func.now()),
        Column("resolved_at", Instant),
        CheckConstraint("state IN ('open', 'applied', 'discarded')", name="state"),
        UniqueConstraint("topic", "part", "offset", "kafka_ts"),
    )
    Index("ix_parked_event_key_id", parked.c.key, parked.c.id, postgresql_where=parked.c.state == "open")
    seen = Table(
        "aggregate_seen",
        metadata,
        Column("source", Text, primary_key=True),
        Column("subject", Uuid, primary_key=True),
        Column("numbers", INT8MULTIRANGE, nullable=False),
    )
    gaps = seen.c.numbers != func.int8multirange(func.range_merge(seen.c.numbers))
    Index("ix_aggregate_seen_gaps", seen.c.source, seen.c.subject, postgresql_where=gaps)
    Table(
        "audit_log",
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("xid", Xid8, nullable=False, server_default=func.pg_current_xact_id()),
        Column("at", Instant, nullable=False, server_default=func.now()),
        Column("principal", Text, nullable=False),
        Column("token_jti", Text),
        Column("action", Text, nullable=False),
        Column("object_type", Text, nullable=False),
        Column("object_id", Text, nullable=False),
        Column("fields", ARRAY(Text), nullable=False),
        Column("reason", Text),
        Column("trace_id", Text),
        Column("idempotency_key", Uuid),
    )
