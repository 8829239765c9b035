"""Capturing leads over HTTP, against a real database."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from shared.db.transaction import Database
from shared.ids import derived_id, new_id
from tests import kit
from tests.integration.marketing.capturing import CONSENT, announced, batch, captured
from tests.integration.marketing.counting import statements


async def test_a_captured_lead_is_stored_and_told_once(api: kit.Api, database: Database, source: str) -> None:
    response = await api.post("/v1/leads", role="lead_source", json={"source": source, "external_id": "1", "country": "DE"})
    assert (response.status_code, response.headers["ETag"]) == (201, '"v1"')
    lead_id = response.json()["lead_id"]
    assert lead_id == str(derived_id(source, "lead", "1"))
    again = await api.post("/v1/leads", role="lead_source", json={"source": source, "external_id": "1", "country": "DE"})
    assert (again.status_code, again.json()) == (200, response.json() | {"status": "unchanged"})
    (payload,) = await announced(database, lead_id)
    assert source in payload


async def test_a_lead_is_read_back_as_it_was_said(api: kit.Api, source: str) -> None:
    said = {
        "lead_id": str(new_id()),
        "source": source,
        "external_id": "1",
        "origin": "form",
        "occurred_at": "2026-02-01T10:00:00+01:00",
        "estimated": True,
        "utm_medium": "Paid_Social",
        "customer_initiated": True,
        "first_response_at": "2026-02-01T09:30:00Z",
        "interaction_mode": "two_way",
        "audience": "individual",
        "touch_intent": "informational",
        "journey_stage": "consideration",
        "need_codes": ["growth"],
        "facts": [{"fact_code": "industry", "value": "retail"}, {"fact_code": "staff", "value": 12}, {"fact_code": "b2b", "value": True}],
        "expected_units": "10.50",
        "expected_value": {"amount": "1250.00", "currency": "EUR"},
        "country": "BR",
        "region_code": "BR-SP",
        "language": "pt-BR",
        "time_zone": "America/Sao_Paulo",
        "organisation_id": str(new_id()),
        "labels": {"origin": "organic", "page": "p1"},
    }
    await captured(api, **said)
    shown = (await api.get(f"/v1/leads/{said['lead_id']}", role="importer")).json()
    expected = said | {"captured_at": "2026-02-01T09:00:00Z", "medium": "social", "lifecycle_stage": "lead", "version": 1}
    for name in ("occurred_at", "utm_medium"):
        del expected[name]
    assert {name: shown[name] for name in expected} == expected | {"expected_units": "10.5"}
    assert [step["status"] for step in shown["steps"]] == ["passed", "open", "open", "open", "open", "open"]


async def test_the_event_fits_what_was_said(api: kit.Api, database: Database, source: str) -> None:
    lead = await captured(api, source=source, origin="import", medium="unknown", consents=[CONSENT, CONSENT | {"purpose": "calls"}])
    (payload,) = await announced(database, lead["lead_id"])
    assert '"origin":"import"' in payload
    assert '"medium":"unknown"' in payload
    assert payload.count('"state":"granted"') == 2
    assert "Yes, write to me" not in payload


async def test_other_content_is_refused_unless_it_is_to_replace(api: kit.Api, database: Database, source: str) -> None:
    first = await captured(api, source=source, external_id="1", contact={"email": "old@example.com"})
    changed = {"source": source, "external_id": "1", "contact": {"email": "new@example.com"}, "consents": [CONSENT]}
    kit.problem(await api.post("/v1/leads", role="importer", json=changed), 409, "LEAD_CONTENT_DIFFERS")
    response = await api.post("/v1/leads", role="importer", json=changed | {"on_conflict": "update"})
    assert (response.status_code, response.json()) == (200, first | {"status": "updated", "version": 2})
    assert response.headers["ETag"] == '"v2"'
    contact = (await api.get(f"/v1/subjects/{first['subject_id']}/contact", role="sales_rep")).json()
    assert (contact["email"], contact["version"]) == ("new@example.com", 2)
    assert len((await api.get(f"/v1/subjects/{first['subject_id']}/consents", role="reader")).json()["items"]) == 1
    assert len(await announced(database, first["lead_id"])) == 1
    again = await api.post("/v1/leads", role="importer", json=changed)
    assert again.json()["status"] == "unchanged"


async def test_an_id_never_moves_to_another_lead(api: kit.Api, source: str) -> None:
    lead = await captured(api, source=source, external_id="1")
    for other in ({"external_id": "2", "lead_id": lead["lead_id"]}, {"external_id": "1", "lead_id": str(new_id())}):
        body = {"source": source, "on_conflict": "update"} | other
        kit.problem(await api.post("/v1/leads", role="importer", json=body), 409, "LEAD_ID_TAKEN")


async def test_a_lead_without_any_id_is_always_a_new_one(api: kit.Api, source: str) -> None:
    first, second = await captured(api, source=source), await captured(api, source=source)
    assert first["lead_id"] != second["lead_id"]


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"more": 1}, "/more", "INVALID_CONTENT"),
        ({"lead_id": "x"}, "/lead_id", "INVALID_CONTENT"),
        ({"source": ""}, "/source", "INVALID_CONTENT"),
        ({"source": "nobody"}, "/source", "UNKNOWN_SOURCE"),
        ({"external_id": 7}, "/external_id", "INVALID_CONTENT"),
        ({"external_id": "a\x00b"}, "/external_id", "INVALID_CONTENT"),
        ({"origin": "dream"}, "/origin", "INVALID_CONTENT"),
        ({"occurred_at": "yesterday"}, "/occurred_at", "INVALID_CONTENT"),
        ({"occurred_at": "2026-01-01T00:00:00"}, "/occurred_at", "INVALID_CONTENT"),
        ({"occurred_at": "0001-01-01T00:00:00+14:00"}, "/occurred_at", "INVALID_CONTENT"),
        ({"occurred_at": "8999-01-01T00:00:00Z"}, "/occurred_at", "OCCURRED_IN_FUTURE"),
        ({"campaign_id": str(UUID(int=1))}, "/campaign_id", "UNKNOWN_CAMPAIGN"),
        ({"campaign_code": "none"}, "/campaign_code", "UNKNOWN_CAMPAIGN"),
        ({"channel_id": str(UUID(int=1))}, "/channel_id", "UNKNOWN_CHANNEL"),
        ({"channel_code": "none"}, "/channel_code", "UNKNOWN_CHANNEL"),
        ({"medium": "pigeon"}, "/medium", "INVALID_CONTENT"),
        ({"facts": [{"fact_code": "a", "value": 1.5}]}, "/facts/0/value/bool", "INVALID_CONTENT"),
        ({"facts": [{"fact_code": "a", "value": 1}, {"fact_code": "a", "value": 2}]}, "/facts", "FACT_TWICE"),
        ({"facts": {}}, "/facts", "INVALID_CONTENT"),
        ({"need_codes": ["x"] * 51}, "/need_codes", "INVALID_CONTENT"),
        ({"expected_units": -1}, "/expected_units", "INVALID_CONTENT"),
        ({"expected_units": "NaN"}, "/expected_units", "INVALID_CONTENT"),
        ({"expected_value": {"amount": "1", "currency": "euro"}}, "/expected_value/currency", "INVALID_CONTENT"),
        ({"expected_value": {"amount": "1", "currency": "EUR", "tax": "0"}}, "/expected_value/tax", "INVALID_CONTENT"),
        ({"country": "Germany"}, "/country", "INVALID_CONTENT"),
        ({"region_code": "SP"}, "/region_code", "INVALID_CONTENT"),
        ({"language": "p"}, "/language", "INVALID_CONTENT"),
        ({"time_zone": "Mars/Base"}, "/time_zone", "INVALID_CONTENT"),
        ({"contact": {"email": "nobody"}}, "/contact/email", "INVALID_CONTENT"),
        ({"contact": {"shoe_size": 42}}, "/contact/shoe_size", "INVALID_CONTENT"),
        ({"contact": None}, "/contact", "INVALID_CONTENT"),
        ({"consents": [{"purpose": "news", "state": "granted", "lawful_basis": "consent"}]}, "/consents/0/source_text", "INVALID_CONTENT"),
        ({"consents": [CONSENT | {"state": "maybe"}]}, "/consents/0/state", "INVALID_CONTENT"),
        ({"labels": {"a": "x" * 121}}, "/labels/a", "INVALID_CONTENT"),
        ({"labels": {f"l{n}": "x" for n in range(21)}}, "/labels", "INVALID_CONTENT"),
        ({"on_conflict": "ignore"}, "/on_conflict", "INVALID_CONTENT"),
    ],
)
async def test_bad_content_is_refused_by_its_field_alone_and_in_a_batch(api: kit.Api, body: dict[str, Any], field: str, code: str) -> None:
    kit.problem(await api.post("/v1/leads", role="importer", json=body), 422, code, field)
    bad, good = await batch(api, body, {"external_id": f"good {new_id()}"})
    assert (bad["status"], good["status"]) == ("failed", "created")
    assert field in [error["field"] for error in bad["problem"]["errors"]]


async def test_bad_requests_have_their_codes(api: kit.Api) -> None:
    for path in ("/v1/leads", "/v1/leads/batch"):
        json_type = {"content-type": "application/json"}
        kit.problem(await api.post(path, role="importer", content=b"{", headers=json_type), 400, "MALFORMED_JSON")
        kit.problem(await api.post(path, role="importer", json=[1]), 422, "INVALID_CONTENT")
        kit.problem(await api.post(path, json={}), 401, "INVALID_TOKEN")
        kit.problem(await api.post(path, role="reader", json={}), 403, "SCOPE_MISSING")
        kit.problem(await api.post(path, role="importer", json={}, headers={"Idempotency-Key": "1"}), 400, "MALFORMED_IDEMPOTENCY_KEY")


@pytest.mark.parametrize("items", [[], [{}] * 501, {}, "x", None])
async def test_a_batch_has_1_to_500_items(api: kit.Api, items: Any) -> None:
    kit.problem(await api.post("/v1/leads/batch", role="importer", json={"items": items}), 422, "INVALID_CONTENT", "/items")


async def test_items_that_are_no_objects_fail_alone(api: kit.Api) -> None:
    outcomes = await batch(api, 7, None, [], {"external_id": f"good {new_id()}"})
    assert [outcome["status"] for outcome in outcomes] == ["failed"] * 3 + ["created"]


async def test_a_key_answers_the_same_bytes_and_never_another_request(api: kit.Api, source: str) -> None:
    key = new_id()
    first = await api.post("/v1/leads", role="importer", json={"source": source}, key=key)
    again = await api.post("/v1/leads", role="importer", json={"source": source}, key=key)
    assert (again.status_code, again.content) == (201, first.content)
    refused = await api.post("/v1/leads", role="importer", json={"source": source, "country": "DE"}, key=key)
    kit.problem(refused, 422, "IDEMPOTENCY_KEY_REUSED")
    outcomes = await batch(api, {"source": source, "external_id": "b"}, key=key)
    assert outcomes == await batch(api, {"source": source, "external_id": "b"}, key=key)


async def test_a_batch_tells_what_became_of_each_item(api: kit.Api, database: Database, source: str) -> None:
    known = await captured(api, source=source, external_id="known", country="DE")
    same, other = {"source": source, "external_id": "known", "country": "DE"}, {"source": source, "external_id": "known"}
    new = {"source": source, "external_id": "new"}
    outcomes = await batch(
        api,
        same,
        other,
        other | {"on_conflict": "update"},
        new,
        new,
        new | {"country": "BR"},
        new | {"country": "BR", "on_conflict": "update", "contact": {"email": "a@example.com"}},
        new | {"country": "FR", "on_conflict": "update", "contact": {"email": "b@example.com"}},
        {"source": source, "external_id": "bad", "country": "?"},
    )
    assert [outcome["index"] for outcome in outcomes] == list(range(9))
    assert [outcome["status"] for outcome in outcomes] == [
        "unchanged",
        "failed",
        "updated",
        "created",
        "unchanged",
        "failed",
        "updated",
        "updated",
        "failed",
    ]
    assert [outcomes[n]["problem"]["code"] for n in (1, 5)] == ["LEAD_CONTENT_DIFFERS"] * 2
    lead = (await api.get(f"/v1/leads/{outcomes[3]['id']}", role="importer")).json()
    assert (lead["country"], lead["version"]) == ("FR", 2)
    assert (await api.get(f"/v1/subjects/{lead['subject_id']}/contact", role="sales_rep")).json()["email"] == "b@example.com"
    assert len(await announced(database, known["lead_id"], outcomes[3]["id"])) == 2


async def test_ids_that_meet_in_a_batch_do_not_swallow_each_other(api: kit.Api, source: str) -> None:
    second = str(derived_id(source, "lead", "2"))
    outcomes = await batch(
        api, {"source": source, "external_id": "1", "lead_id": second}, {"source": source, "external_id": "2"}, {"lead_id": second}
    )
    assert [outcome["status"] for outcome in outcomes] == ["created", "failed", "failed"]
    assert {outcome["problem"]["code"] for outcome in outcomes[1:]} == {"LEAD_ID_TAKEN"}


async def test_the_number_of_statements_does_not_grow_with_the_batch(api: kit.Api, database: Database, source: str) -> None:
    counts = []
    for size in (1, 200):
        items = [
            {"source": source, "external_id": f"{size}-{n}", "utm_medium": "cpc", "consents": [CONSENT], "contact": {"phone": f"{n}"}}
            for n in range(size)
        ]
        with statements(database) as seen:
            await batch(api, *items)
        with statements(database) as seen_again:
            await batch(api, *(item | {"country": "DE", "on_conflict": "update"} for item in items))
        counts.append((len(seen), len(seen_again)))
    assert counts[0] == counts[1]
    assert max(counts[0]) <= 20


async def test_two_batches_of_the_same_leads_at_the_same_moment_capture_each_once(api: kit.Api, database: Database, source: str) -> None:
    items = [{"source": source, "external_id": f"{n}"} for n in range(40)]
    first, second = await asyncio.gather(batch(api, *items), batch(api, *reversed(items)))
    statuses = [outcome["status"] for outcome in first + second]
    assert (statuses.count("created"), statuses.count("unchanged")) == (40, 40)
    assert len(await announced(database, *(outcome["id"] for outcome in first))) == 40
