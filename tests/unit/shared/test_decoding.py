"""A record is believed in nothing: each breach of its contract has a code, and no code tells a value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from shared.events import language
from shared.events.sales.offers import LeadAccepted
from shared.inbox.decoding import Record, Undecodable, decode

LEAD = UUID("0197abcd-0000-7000-8000-000000000001")
EVENT = UUID("01970000-0000-7000-8000-000000000002")
CORRELATION = UUID("01970000-0000-7000-8000-000000000003")
LISTENS_TO = {"w0.lead-accepted": LeadAccepted}
ACCEPTED = LeadAccepted(
    lead_id=LEAD,
    decision_id=LEAD,
    routing_id=LEAD,
    accepted_by_id=None,
    accepted_at=datetime(2026, 3, 2, 12, tzinfo=UTC),
    acceptance_mode="manual",
)
HEADERS = {
    "ce_specversion": "1.0",
    "ce_id": str(EVENT),
    "ce_source": "/services/sales",
    "ce_subject": str(LEAD),
    "ce_type": "lead-accepted",
    "ce_time": "2026-03-02T12:00:00Z",
    "ce_recordedtime": "2026-03-02T12:00:01.5Z",
    "ce_dataschema": "urn:baton:schema:lead-accepted:1.7",
    "ce_correlationid": str(CORRELATION),
    "ce_causationid": str(CORRELATION),
    "ce_aggregatesequence": "12",
    "content-type": "application/json",
}
Change = Callable[[Record], Record]


def record(**changed: str | None) -> Record:
    headers = [(name, value.encode()) for name, value in (HEADERS | changed).items() if value is not None]
    return Record("w0.lead-accepted", 3, 17, str(LEAD).encode(), headers, language.write(ACCEPTED))


def with_header(name: str, value: str | None) -> tuple[str, Record]:
    return f"{name}={value}", record(**{name: value})


def test_a_good_record_is_an_event_with_its_cause() -> None:
    received = decode(record(traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01", later="ignored"), LISTENS_TO)
    assert (received.event, received.id, received.sequence) == (ACCEPTED, EVENT, 12)
    assert received.occurred_at == received.cause.at == datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert received.recorded_at == datetime(2026, 3, 2, 12, 0, 1, 500_000, tzinfo=UTC)
    assert (received.cause.causation_id, received.cause.correlation_id) == (EVENT, CORRELATION)
    assert received.cause.actor.principal == "/services/sales"
    assert (received.cause.traceparent or "").startswith("00-a")


def test_a_fact_is_dated_in_utc_wherever_it_was_dated() -> None:
    assert decode(record(ce_time="2026-03-02T09:00:00-03:00"), LISTENS_TO).occurred_at == datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("code", "name", "value"),
    [
        ("NOT_A_CLOUD_EVENT", "ce_specversion", None),
        ("NOT_A_CLOUD_EVENT", "ce_specversion", "0.3"),
        ("UNKNOWN_TYPE", "ce_type", "lead-rejected"),
        ("UNKNOWN_TYPE", "ce_type", "lead-accepted.v2"),
        ("UNKNOWN_TYPE", "ce_type", None),
        ("WRONG_SOURCE", "ce_source", "/services/marketing"),
        ("WRONG_SCHEMA", "ce_dataschema", "urn:baton:schema:lead-rejected:1.0"),
        ("WRONG_SCHEMA", "ce_dataschema", None),
        ("UNKNOWN_VERSION", "ce_dataschema", "urn:baton:schema:lead-accepted:2.0"),
        ("UNKNOWN_VERSION", "ce_dataschema", "urn:baton:schema:lead-accepted:"),
        ("BAD_HEADER", "ce_id", "17"),
        ("BAD_HEADER", "ce_id", None),
        ("ID_NOT_TIME_ORDERED", "ce_id", "6f1d8c1e-53a2-4d0b-9c3e-b4a70ba70ba7"),
        ("WRONG_SUBJECT", "ce_subject", str(EVENT)),
        ("BAD_HEADER", "ce_time", "yesterday"),
        ("BAD_HEADER", "ce_time", "2026-03-02T12:00:00"),
        ("BAD_HEADER", "ce_time", "0001-01-01T00:00:00+14:00"),
        ("BAD_HEADER", "ce_recordedtime", None),
        ("BAD_HEADER", "ce_correlationid", "none"),
        ("BAD_HEADER", "ce_aggregatesequence", "0"),
        ("BAD_HEADER", "ce_aggregatesequence", "-3"),
        ("BAD_HEADER", "ce_aggregatesequence", "1_000"),
        ("BAD_HEADER", "ce_aggregatesequence", None),
    ],
)
def test_a_header_that_breaks_the_contract_has_its_code(code: str, name: str, value: str | None) -> None:
    with pytest.raises(Undecodable) as refused:
        decode(record(**{name: value}), LISTENS_TO)
    assert refused.value.code == code
    assert value is None or len(value) < 3 or value not in str(refused.value)


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("SCHEMA", lambda good: replace(good, value=None)),
        ("SCHEMA", lambda good: replace(good, value=b"")),
        ("SCHEMA", lambda good: replace(good, value=b"\xff\xfe")),
        ("SCHEMA", lambda good: replace(good, value=b"[]")),
        ("SCHEMA", lambda good: replace(good, value=good.value.replace(b'"manual"', b"7"))),
        ("SCHEMA", lambda good: replace(good, value=good.value.replace(b'"accepted_at"', b'"accepted_when"'))),
        ("WRONG_KEY", lambda good: replace(good, key=None)),
        ("WRONG_KEY", lambda good: replace(good, key=str(EVENT).encode())),
        ("WRONG_KEY", lambda good: replace(good, key=str(LEAD).upper().encode())),
        ("BAD_HEADERS", lambda good: replace(good, headers=[*good.headers, ("x", b"\xff")])),
        ("BAD_HEADERS", lambda good: replace(good, headers=[*good.headers, ("x", None)])),
    ],
)
def test_bytes_that_break_the_contract_have_their_code(code: str, change: Change) -> None:
    with pytest.raises(Undecodable) as refused:
        decode(change(record()), LISTENS_TO)
    assert refused.value.code == code
