"""Opportunities over HTTP: opened once, moved along open stages, one or many."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from services.sales.opportunities.tables import stage_changes
from shared.db.transaction import Database
from shared.ids import derived_id, new_id
from tests import kit
from tests.integration.sales import steps


async def test_opening_publishes_the_first_stage(api: kit.Api, database: Database):
    lead_id, joined = await steps.known_lead(database), await steps.known_lead(database)
    body = {"lead_ids": [str(joined)], "amount": {"amount": "100.50", "currency": "EUR"}, "expected_close_date": "2026-06-30"}
    opened = await steps.opened(api, lead_id, sub="anna", **body)
    assert (opened["stage"]["stage_code"], opened["owner_id"], opened["version"]) == ("prospecting", str(steps.user("anna")), 1)
    assert opened["need_codes"] == ["storage"]
    (payload,) = await steps.published(database, "opportunity-stage-changed", UUID(opened["opportunity_id"]))
    event = json.loads(payload)
    assert (event["previous"], event["lead_ids"], event["amount"]) == (
        None,
        [str(lead_id), str(joined)],
        {"amount": "100.50", "currency": "EUR"},
    )


async def test_each_step_is_kept_and_told(api: kit.Api, database: Database):
    opened = await steps.opened(api, await steps.known_lead(database), occurred_at="2026-01-01T00:00:00Z")
    path = f"/v1/opportunities/{opened['opportunity_id']}"
    body = {"stage_code": "proposal", "amount": {"amount": 7, "currency": "EUR"}, "occurred_at": "2026-01-03T00:00:00Z"}
    moved = await api.post(f"{path}/stage", role="sales_rep", if_match=1, json=body)
    assert (moved.status_code, moved.headers["ETag"], moved.json()["stage"]["probability"]) == (200, '"v2"', "0.50")
    assert (await api.get(path, role="sales_rep")).json() == moved.json()
    _, second = await steps.published(database, "opportunity-stage-changed", UUID(opened["opportunity_id"]))
    assert json.loads(second)["previous"]["stage_code"] == "prospecting"
    async with database.transaction() as tx:
        wanted = stage_changes.c.opportunity_id == UUID(opened["opportunity_id"])
        rows = await tx.all(select(stage_changes).where(wanted).order_by(stage_changes.c.opportunity_version))
    found = [(row.opportunity_version, row.stage.stage_code, row.occurred_at.day) for row in rows]
    assert found == [(1, "prospecting", 1), (2, "proposal", 3)]


async def test_an_unknown_lead_is_not_known_yet(api: kit.Api, database: Database):
    known = str(await steps.known_lead(database))
    for body in ({"lead_id": steps.unknown()}, {"lead_id": known, "lead_ids": [steps.unknown()]}):
        answer = await api.post("/v1/opportunities", role="sales_rep", json=body)
        kit.problem(answer, 409, "NOT_KNOWN_YET")
        assert answer.headers["Retry-After"]


async def test_the_same_request_opens_once_and_another_content_is_a_conflict(api: kit.Api, database: Database):
    source = f"crm{new_id()}"[:40]
    body = {"lead_id": str(await steps.known_lead(database)), "source": source, "external_id": "7", "labels": {"b": "1", "a": "2"}}
    first = await api.post("/v1/opportunities", role="importer", json=body)
    assert (first.status_code, first.json()["opportunity_id"]) == (201, str(derived_id(source, "opportunity", "7")))
    assert first.json()["owner_id"] is None
    again = await api.post("/v1/opportunities", role="importer", json=body | {"labels": {"a": "2", "b": "1"}})
    assert (again.status_code, again.json()) == (200, first.json())
    kit.problem(await api.post("/v1/opportunities", role="importer", json=body | {"labels": {}}), 409, "OPPORTUNITY_ALREADY_EXISTS")
    other_id = body | {"opportunity_id": steps.unknown()}
    kit.problem(await api.post("/v1/opportunities", role="importer", json=other_id), 409, "OPPORTUNITY_ALREADY_EXISTS")
    assert len(await steps.published(database, "opportunity-stage-changed", UUID(first.json()["opportunity_id"]))) == 1


async def test_a_key_used_for_another_body_is_refused(api: kit.Api, database: Database):
    key, lead_id = new_id(), str(await steps.known_lead(database))
    await api.post("/v1/opportunities", role="sales_rep", key=key, json={"lead_id": lead_id})
    other = await api.post("/v1/opportunities", role="sales_rep", key=key, json={"lead_id": lead_id, "stage_code": "proposal"})
    kit.problem(other, 422, "IDEMPOTENCY_KEY_REUSED")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"lead_id": "seven"}, "/lead_id"),
    ({"lead_ids": ["seven"]}, "/lead_ids/0"),
    ({"amount": 7}, "/amount"),
    ({"amount": {"amount": "much", "currency": "EUR"}}, "/amount/amount"),
    ({"amount": {"amount": "-1", "currency": "EUR"}}, "/amount/amount"),
    ({"amount": {"amount": "1", "currency": "euro"}}, "/amount/currency"),
    ({"amount": {"amount": "1", "currency": "EUR", "tax": 1}}, "/amount/tax"),
    ({"expected_close_date": "soon"}, "/expected_close_date"),
    ({"labels": {"a": "x" * 121}}, "/labels/a"),
    ({"labels": {str(number): "x" for number in range(21)}}, "/labels"),
    ({"colour": "red"}, "/colour"),
]


@pytest.mark.parametrize(("wrong", "field"), WRONG)
async def test_a_wrong_opportunity_names_the_field(api: kit.Api, wrong: dict[str, Any], field: str):
    body = {"lead_id": steps.unknown()} | wrong
    kit.problem(await api.post("/v1/opportunities", role="sales_rep", json=body), 422, "INVALID_CONTENT", field)


async def test_an_opportunity_begins_in_an_open_stage(api: kit.Api, database: Database):
    lead_id = str(await steps.known_lead(database))
    unknown = await api.post("/v1/opportunities", role="sales_rep", json={"lead_id": lead_id, "stage_code": "dreaming"})
    kit.problem(unknown, 422, "UNKNOWN_STAGE", "/stage_code")
    closing = await api.post("/v1/opportunities", role="sales_rep", json={"lead_id": lead_id, "stage_code": "closed_won"})
    kit.problem(closing, 409, "CLOSING_STAGE")
    lonely = await api.post("/v1/opportunities", role="sales_rep", json={"lead_id": lead_id, "external_id": "7"})
    kit.problem(lonely, 422, "SOURCE_REQUIRED", "/source")


async def test_an_illegal_stage_change_is_refused(api: kit.Api, database: Database):
    opened = await steps.opened(api, await steps.known_lead(database))
    path = f"/v1/opportunities/{opened['opportunity_id']}/stage"

    async def moving(stage_code: Any, if_match: int | None = 1, **more: Any) -> Any:
        return await api.post(path, role="sales_rep", if_match=if_match, json={"stage_code": stage_code} | more)

    kit.problem(await moving("closed_won"), 409, "CLOSING_STAGE")
    kit.problem(await moving("prospecting"), 409, "STAGE_UNCHANGED")
    kit.problem(await moving("dreaming"), 422, "UNKNOWN_STAGE", "/stage_code")
    kit.problem(await moving(5), 422, "INVALID_CONTENT", "/stage_code")
    kit.problem(await moving("proposal", mood="good"), 422, "INVALID_CONTENT", "/mood")
    kit.problem(await moving("proposal", None), 428, "IF_MATCH_REQUIRED")
    kit.problem(await moving("proposal", 4), 412, "STALE")
    lost = await api.post(path.replace("/stage", "/lose"), role="sales_rep", if_match=1, json={"lost_reasons": ["pricing"]})
    assert lost.status_code == 200
    kit.problem(await moving("proposal", 2), 409, "OPPORTUNITY_ALREADY_CLOSED")


async def test_an_unknown_or_another_persons_opportunity_is_not_found(api: kit.Api, database: Database):
    hers = await steps.opened(api, await steps.known_lead(database), sub="anna")
    for opportunity_id in (hers["opportunity_id"], steps.unknown()):
        path = f"/v1/opportunities/{opportunity_id}"
        kit.problem(await api.get(path, role="sales_rep", sub="ben"), 404, "NOT_FOUND")
        body = {"stage_code": "proposal"}
        kit.problem(await api.post(f"{path}/stage", role="sales_rep", sub="ben", if_match=1, json=body), 404, "NOT_FOUND")
    assert (await api.get(f"/v1/opportunities/{hers['opportunity_id']}", role="sales_manager", sub="ben")).status_code == 200


async def test_opportunities_are_listed_by_lead_stage_and_source(api: kit.Api, database: Database):
    lead_id = await steps.known_lead(database)
    one = await steps.opened(api, lead_id)
    two = await steps.opened(api, lead_id)
    await api.post(f"/v1/opportunities/{two['opportunity_id']}/lose", role="sales_rep", if_match=1, json={"lost_reasons": ["budget"]})

    async def listed(**params: str) -> list[str]:
        page = await api.get("/v1/opportunities", role="sales_rep", params={"lead_id": str(lead_id)} | params)
        return [item["opportunity_id"] for item in page.json()["items"]]

    assert await listed() == [one["opportunity_id"], two["opportunity_id"]]
    assert await listed(stage_type="lost") == [two["opportunity_id"]]
    assert await listed(source="elsewhere") == []
    kit.problem(await api.get("/v1/opportunities", role="sales_rep", params={"stage_type": "odd"}), 422, "INVALID_CONTENT", "stage_type")
    kit.problem(await api.get("/v1/opportunities", role="account_manager"), 403, "SCOPE_MISSING")


async def test_a_batch_opens_what_it_can_and_says_why_not(api: kit.Api, database: Database):
    lead_id = str(await steps.known_lead(database))
    source = f"crm{new_id()}"[:40]
    good = {"lead_id": lead_id, "source": source, "external_id": "1"}
    items = [
        good,
        good,
        good | {"stage_code": "proposal"},
        {"lead_id": lead_id, "amount": "much"},
        {"lead_id": steps.unknown()},
        {"lead_id": lead_id, "occurred_at": "2999-01-01T00:00:00Z"},
        7,
        {"lead_id": lead_id, "stage_code": "closed_won"},
        {"lead_id": lead_id},
    ]
    answer = await api.post("/v1/opportunities/batch", role="importer", json={"items": items})
    results = answer.json()["items"]
    assert (answer.status_code, [result["index"] for result in results]) == (200, list(range(len(items))))
    assert [result["status"] for result in results] == [
        "created", "unchanged", "failed", "failed", "failed", "failed", "failed", "failed", "created",
    ]  # fmt: skip
    assert [result["problem"]["code"] for result in results if result["problem"]] == [
        "OPPORTUNITY_ALREADY_EXISTS",
        results[3]["problem"]["code"],
        "NOT_KNOWN_YET",
        "OCCURRED_IN_FUTURE",
        results[6]["problem"]["code"],
        "CLOSING_STAGE",
    ]
    assert results[3]["problem"]["errors"][0]["field"] == "/amount"
    again = await api.post("/v1/opportunities/batch", role="importer", json={"items": items[:1]})
    assert again.json()["items"][0]["status"] == "unchanged"
    for result in (results[0], results[8]):
        assert len(await steps.published(database, "opportunity-stage-changed", UUID(result["id"]))) == 1


@pytest.mark.parametrize("path", ["/v1/opportunities/batch", "/v1/deals/batch"])
async def test_a_batch_has_1_to_500_items(api: kit.Api, path: str):
    kit.problem(await api.post(path, role="importer", json={"items": []}), 422, "INVALID_CONTENT", "/items")
    kit.problem(await api.post(path, role="importer", json={"items": [{}] * 501}), 422, "INVALID_CONTENT", "/items")
    kit.problem(await api.post(path, role="importer", json={}), 422, "INVALID_CONTENT", "/items")
    kit.problem(await api.post(path, role="importer", json={"items": {}}), 422, "INVALID_CONTENT", "/items")
    kit.problem(await api.post(path, role="importer", json={"items": [], "more": 1}), 422, "INVALID_CONTENT", "/more")
    kit.problem(await api.post(path, role="reader", json={"items": [{}]}), 403, "SCOPE_MISSING")


async def test_a_key_of_a_batch_replays_its_results(api: kit.Api, database: Database):
    key, body = new_id(), {"items": [{"lead_id": str(await steps.known_lead(database))}]}
    first = await api.post("/v1/opportunities/batch", role="importer", key=key, json=body)
    again = await api.post("/v1/opportunities/batch", role="importer", key=key, json=body)
    assert (again.content, again.headers["Idempotency-Replayed"]) == (first.content, "true")
    kit.problem(await api.post("/v1/opportunities/batch", role="importer", key=key, json={"items": [{}]}), 422, "IDEMPOTENCY_KEY_REUSED")
