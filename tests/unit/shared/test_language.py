"""The published language: closed for whoever writes, open for whoever reads."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from shared.events import language
from shared.events.sales.offers import LeadAccepted

LEAD = UUID("01970000-0000-7000-8000-000000000001")
ACCEPTED = LeadAccepted(
    lead_id=LEAD,
    decision_id=LEAD,
    routing_id=LEAD,
    accepted_by_id=None,
    accepted_at=datetime(2026, 3, 2, 12, tzinfo=UTC),
    acceptance_mode="manual",
)


def altered(**changed: Any) -> bytes:
    return json.dumps({**json.loads(language.write(ACCEPTED)), **changed}).encode()


def test_what_is_written_is_read_as_it_was() -> None:
    assert language.read(LeadAccepted, language.write(ACCEPTED)) == ACCEPTED


def test_unknown_fields_are_ignored() -> None:
    assert language.read(LeadAccepted, altered(mood="good", more={"and": ["more"]})) == ACCEPTED


def test_an_unknown_value_of_an_open_enumeration_is_read_but_never_written() -> None:
    newer = language.read(LeadAccepted, altered(acceptance_mode="by_pigeon"))
    assert newer.acceptance_mode == "by_pigeon"
    with pytest.raises(ValueError, match="acceptance_mode"):
        language.write(newer)


@pytest.mark.parametrize("value", [3, None, True, {"by": "pigeon"}, ["manual"]])
def test_an_open_enumeration_is_still_a_text(value: object) -> None:
    with pytest.raises(ValueError, match="acceptance_mode"):
        language.read(LeadAccepted, altered(acceptance_mode=value))


@pytest.mark.parametrize("name", [field.name for field in fields(LeadAccepted)])
def test_every_field_without_a_default_must_be_there(name: str) -> None:
    data = json.loads(language.write(ACCEPTED))
    del data[name]
    with pytest.raises(ValueError, match=name):
        language.read(LeadAccepted, json.dumps(data).encode())


def test_instants_are_kept_in_utc_and_need_a_zone() -> None:
    elsewhere = replace(ACCEPTED, accepted_at=datetime(2026, 3, 2, 9, tzinfo=timezone(timedelta(hours=-3))))
    assert language.read(LeadAccepted, language.write(elsewhere)).accepted_at == ACCEPTED.accepted_at
    assert language.read(LeadAccepted, language.write(elsewhere)).accepted_at.tzinfo is UTC
    with pytest.raises(ValueError, match="timezone"):
        language.read(LeadAccepted, altered(accepted_at="2026-03-02T12:00:00"))


@pytest.mark.parametrize("wrong", [{"lead_id": 7}, {"accepted_at": "noon"}, {"accepted_by_id": "nobody"}])
def test_a_wrong_value_is_not_written(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))), pytest.warns(UserWarning, match="serializer"):
        language.write(replace(ACCEPTED, **wrong))


def test_every_declared_event_has_its_name_version_and_owner() -> None:
    language.load()
    assert len(language.declared()) >= 10
    for event_class in language.declared():
        kind = language.type_of(event_class)
        assert language.class_of(kind.name) is event_class
        assert {kind.subject, kind.key} <= {field.name for field in fields(event_class)}
        assert event_class.__module__.startswith(f"shared.events.{kind.producer}.")
    assert language.class_of("nobody-declared-this") is None


@pytest.mark.parametrize(
    ("name", "version"), [("Lead", "1.0"), ("lead", "1.0"), ("lead-seen", "1"), ("lead_seen", "1.0"), ("lead-seen", "1.0")]
)
def test_a_declaration_that_is_not_well_formed_is_refused(name: str, version: str) -> None:
    """The last one is well-formed, but stands outside the published language."""
    with pytest.raises(ValueError, match="well-formed"):
        language.event(name, version, subject="lead_id", key="lead_id")(type("Seen", (), {"__module__": "services.sales.offers.domain"}))


def test_an_event_is_declared_once() -> None:
    twin = type("Twin", (), {"__module__": "shared.events.sales.twins"})
    with pytest.raises(ValueError, match="declared twice"):
        language.event("lead-accepted", "1.0", subject="lead_id", key="lead_id")(twin)
