"""Deals over HTTP: won or lost, from an opportunity or without one, one or many."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID

import pytest

from services.sales.deals import usecases
from shared.db.bulk import RefusedByDatabase
from shared.db.transaction import Database
from shared.ids import derived_id, new_id
from tests import kit
from tests.integration.sales import steps
from tests.unit.sales import examples


async def events(database: Database, topic: str, subject: str) -> list[Any]:
    return [json.loads(payload) for payload in await steps.published(database, topic, UUID(subject))]


async def test_winning_an_opportunity_closes_it_and_tells_both(api: kit.Api, database: Database):
    opened = await steps.opened(api, await steps.known_lead(database), sub="anna", labels={"region": "north"})
    path = f"/v1/opportunities/{opened['opportunity_id']}"
    lines = [
        steps.line(1, list_unit_price={"amount": "12.50", "currency": "EUR"}),
        steps.line(2, quantity="0.333", list_unit_price=steps.line()["net_unit_price"]),
    ]
    won = await api.post(f"{path}/win", role="sales_rep", sub="anna", if_match=1, json={"lines": lines})
    assert won.status_code == 200, won.text
    deal = won.json()
    assert (deal["deal_id"], deal["opportunity_id"], deal["labels"]) == (opened["opportunity_id"],) * 2 + ({"region": "north"},)
    assert (deal["net_total"]["amount"], deal["list_total"]["amount"], deal["discount_total"]["amount"]) == ("23.33", "28.33", "5.00")
    assert (won.headers["ETag"], deal["deal_version"]) == ('"v1"', 1)
    assert (await api.get(path, role="sales_rep", sub="anna")).json()["stage"]["stage_type"] == "won"
    (event,) = await events(database, "deal-closed", deal["deal_id"])
    assert (event["lost"], event["won"]["blanket_order"], event["net_total"]["amount"]) == (None, False, "23.33")
    assert (event["owner_id"], event["rep_credits"][0]["share"]) == (str(steps.user("anna")), "1")
    assert event["lines"][0]["product_id"] == str(derived_id("sales", "product", "A-1"))
    assert "north" not in json.dumps(event)
    _, closing = await events(database, "opportunity-stage-changed", deal["deal_id"])
    assert (closing["current"]["stage_type"], closing["amount"]["amount"]) == ("won", "23.33")


async def test_losing_an_opportunity_says_why(api: kit.Api, database: Database):
    opened = await steps.opened(api, await steps.known_lead(database))
    body = {"lost_reasons": ["pricing", "other"], "note": "They laughed.", "occurred_at": "2026-02-01T00:00:00Z"}
    lost = await api.post(f"/v1/opportunities/{opened['opportunity_id']}/lose", role="sales_rep", if_match=1, json=body)
    assert (lost.json()["outcome"], lost.json()["net_total"], lost.json()["closed_at"]) == ("lost", None, "2026-02-01T00:00:00Z")
    assert "laughed" not in lost.text
    (event,) = await events(database, "deal-closed", opened["opportunity_id"])
    assert (event["won"], event["lost"]["lost_reasons"], event["lines"]) == (None, ["pricing", "other"], [])
    assert "laughed" not in json.dumps(event)
    _, closing = await events(database, "opportunity-stage-changed", opened["opportunity_id"])
    assert closing["lost_reasons"] == ["pricing", "other"]


@pytest.mark.parametrize(
    ("verb", "body", "fault"),
    [
        ("win", {}, ("LINES_REQUIRED", "/lines")),
        ("win", {"lines": [steps.line(), steps.line()]}, ("DUPLICATE_LINE", "/lines/1/line_no")),
        ("win", {"lines": [steps.line(sku=None)]}, ("PRODUCT_REQUIRED", "/lines/0/sku")),
        ("win", {"lines": [steps.line()], "currency": "USD"}, ("CURRENCY_DIFFERS", "/lines/0/net_unit_price")),
        ("win", {"lines": [steps.line(quantity=0)]}, ("INVALID_CONTENT", "/lines/0/quantity")),
        ("win", {"lines": [steps.line(quantity="many")]}, ("INVALID_CONTENT", "/lines/0/quantity")),
        ("win", {"lines": [steps.line(net_unit_price=5)]}, ("INVALID_CONTENT", "/lines/0/net_unit_price")),
        ("win", {"lines": [steps.line(tax=1)]}, ("INVALID_CONTENT", "/lines/0/tax")),
        ("win", {"lines": [{"line_no": 1}]}, ("INVALID_CONTENT", "/lines/0/quantity")),
        ("win", {"lines": [steps.line(number) for number in range(1, 202)]}, ("INVALID_CONTENT", "/lines")),
        ("win", {"lines": [steps.line(sku="\u0000")]}, ("INVALID_CONTENT", "/lines/0/sku")),
        ("win", {"lines": [steps.line()], "labels": {"a": "\u0000"}}, ("INVALID_CONTENT", "/labels/a")),
        ("win", {"blanket_order": "perhaps"}, ("INVALID_CONTENT", "/blanket_order")),
        ("win", {"lines": [steps.line()], "lost_reasons": ["pricing"]}, ("INVALID_CONTENT", "/lost_reasons")),
        ("lose", {}, ("INVALID_CONTENT", "/lost_reasons")),
        ("lose", {"lost_reasons": []}, ("INVALID_CONTENT", "/lost_reasons")),
        ("lose", {"lost_reasons": ["bad luck"]}, ("INVALID_CONTENT", "/lost_reasons/0")),
        ("lose", {"lost_reasons": ["other"]}, ("NOTE_REQUIRED", "/note")),
        ("lose", {"lost_reasons": ["other"], "note": "\u0000"}, ("INVALID_CONTENT", "/note")),
        ("lose", {"lost_reasons": ["not_recorded"]}, ("IMPORTS_ONLY", "/lost_reasons")),
        ("lose", {"lost_reasons": ["pricing"], "occurred_at": "2999-01-01T00:00:00Z"}, ("OCCURRED_IN_FUTURE", "/occurred_at")),
    ],
)
async def test_a_wrong_end_names_the_field_and_changes_nothing(
    api: kit.Api, database: Database, verb: str, body: steps.Json, fault: tuple[str, str]
):
    opened = await steps.opened(api, await steps.known_lead(database))
    path = f"/v1/opportunities/{opened['opportunity_id']}"
    kit.problem(await api.post(f"{path}/{verb}", role="sales_rep", if_match=1, json=body), 422, *fault)
    assert (await api.get(path, role="sales_rep")).json() == opened


@pytest.mark.parametrize(("verb", "body"), [("win", {"blanket_order": True}), ("lose", {"lost_reasons": ["budget"]})])
async def test_an_opportunity_ends_once_by_its_owner_who_has_seen_it(api: kit.Api, database: Database, verb: str, body: steps.Json):
    opened = await steps.opened(api, await steps.known_lead(database), sub="anna")
    path = f"/v1/opportunities/{opened['opportunity_id']}/{verb}"
    kit.problem(await api.post(path, role="sales_rep", sub="ben", if_match=1, json=body), 404, "NOT_FOUND")
    kit.problem(await api.post(path, role="sales_manager", sub="ben", if_match=1, json=body), 403, "SCOPE_MISSING")
    kit.problem(await api.post(path, role="sales_rep", sub="anna", json=body), 428, "IF_MATCH_REQUIRED")
    kit.problem(await api.post(path, role="sales_rep", sub="anna", if_match=2, json=body), 412, "STALE")
    missing = f"/v1/opportunities/{steps.unknown()}/{verb}"
    kit.problem(await api.post(missing, role="sales_rep", if_match=1, json=body), 404, "NOT_FOUND")
    key = new_id()
    first = await api.post(path, role="sales_rep", sub="anna", if_match=1, key=key, json=body)
    again = await api.post(path, role="sales_rep", sub="anna", if_match=1, key=key, json=body)
    assert (first.status_code, again.content) == (200, first.content)
    other = body | {"estimated": True}
    kit.problem(await api.post(path, role="sales_rep", sub="anna", if_match=1, key=key, json=other), 422, "IDEMPOTENCY_KEY_REUSED")
    kit.problem(await api.post(path, role="sales_rep", sub="anna", if_match=2, json=body), 409, "OPPORTUNITY_ALREADY_CLOSED")
    assert len(await events(database, "deal-closed", opened["opportunity_id"])) == 1


async def test_a_deal_needs_a_lead_and_no_opportunity(api: kit.Api, database: Database):
    lead_id = await steps.known_lead(database)
    body = steps.deal(
        lead_id, lines=[], blanket_order=True, close_mode="direct_response", occurred_at="2018-01-01T00:00:00Z", estimated=True
    )
    closed = await api.post("/v1/deals", role="importer", json=body)
    assert closed.status_code == 201, closed.text
    assert (closed.json()["opportunity_id"], closed.json()["net_total"], closed.json()["estimated"]) == (None, None, True)
    (event,) = await events(database, "deal-closed", closed.json()["deal_id"])
    assert (event["opportunity_id"], event["rep_credits"], event["lead_ids"]) == (None, [], [str(lead_id)])
    assert event["closed_at"] == "2018-01-01T00:00:00Z"
    assert "estimated" not in event
    unknown = await api.post("/v1/deals", role="importer", json=body | {"lead_id": steps.unknown()})
    kit.problem(unknown, 409, "NOT_KNOWN_YET")
    assert unknown.headers["Retry-After"]
    joined = await api.post("/v1/deals", role="importer", json=body | {"lead_ids": [steps.unknown()]})
    kit.problem(joined, 409, "NOT_KNOWN_YET")


async def test_a_lead_may_lead_to_two_won_deals(api: kit.Api, database: Database):
    lead_id = await steps.known_lead(database)
    ids = {(await api.post("/v1/deals", role="importer", json=steps.deal(lead_id))).json()["deal_id"] for _ in range(2)}
    assert len(ids) == 2


async def test_the_same_request_closes_once_and_another_content_is_a_conflict(api: kit.Api, database: Database):
    source = f"crm{new_id()}"[:40]
    body = steps.deal(await steps.known_lead(database), source=source, external_id="7", labels={"b": "1", "a": "2"})
    first = await api.post("/v1/deals", role="importer", json=body)
    assert (first.status_code, first.json()["deal_id"]) == (201, str(derived_id(source, "deal", "7")))
    spelled = body | {"labels": {"a": "2", "b": "1"}, "lines": [steps.line(quantity="2.0")]}
    again = await api.post("/v1/deals", role="importer", json=spelled)
    assert (again.status_code, again.json()) == (200, first.json())
    kit.problem(await api.post("/v1/deals", role="importer", json=body | {"estimated": True}), 409, "DEAL_ALREADY_CLOSED")
    kit.problem(await api.post("/v1/deals", role="importer", json=body | {"deal_id": steps.unknown()}), 409, "DEAL_ALREADY_CLOSED")
    assert len(await events(database, "deal-closed", first.json()["deal_id"])) == 1


async def test_a_deal_with_the_id_of_an_open_opportunity_ends_it(api: kit.Api, database: Database):
    lead_id = await steps.known_lead(database)
    opened = await steps.opened(api, lead_id, sub="anna")
    body = steps.deal(lead_id, deal_id=opened["opportunity_id"])
    kit.problem(await api.post("/v1/deals", role="sales_rep", sub="ben", json=body), 404, "NOT_FOUND")
    other = body | {"lead_id": str(await steps.known_lead(database))}
    kit.problem(await api.post("/v1/deals", role="sales_rep", sub="anna", json=other), 409, "PRIMARY_LEAD_DIFFERS")
    closed = await api.post("/v1/deals", role="sales_rep", sub="anna", json=body)
    assert (closed.json()["opportunity_id"], closed.json()["owner_id"]) == (opened["opportunity_id"], str(steps.user("anna")))
    assert (await api.post("/v1/deals", role="sales_rep", sub="anna", json=body)).status_code == 200
    now = (await api.get(f"/v1/opportunities/{opened['opportunity_id']}", role="reader")).json()
    assert (now["stage"]["stage_code"], now["version"]) == ("closed_won", 2)


@pytest.mark.parametrize(
    ("wrong", "code", "field"),
    [
        ({"lead_id": 7}, "INVALID_CONTENT", "/lead_id"),
        ({"outcome": "drawn"}, "INVALID_CONTENT", "/outcome"),
        ({"close_mode": "loud"}, "INVALID_CONTENT", "/close_mode"),
        ({"customer_type": "rich"}, "INVALID_CONTENT", "/customer_type"),
        ({"colour": "red"}, "INVALID_CONTENT", "/colour"),
        ({"external_id": "7"}, "SOURCE_REQUIRED", "/source"),
        ({"lines": []}, "LINES_REQUIRED", "/lines"),
        ({"outcome": "lost"}, "REASON_REQUIRED", "/lost_reasons"),
        ({"lost_reasons": ["pricing"]}, "NOT_LOST", "/lost_reasons"),
    ],
)
async def test_a_wrong_deal_names_the_field(api: kit.Api, database: Database, wrong: steps.Json, code: str, field: str):
    body = steps.deal(await steps.known_lead(database)) | wrong
    kit.problem(await api.post("/v1/deals", role="importer", json=body), 422, code, field)


async def test_a_deal_is_read_by_its_owner_and_by_those_who_see_all(api: kit.Api, database: Database):
    lead_id = await steps.known_lead(database)
    body = steps.deal(lead_id, owner_id=str(steps.user("anna")))
    deal = (await api.post("/v1/deals", role="importer", json=body)).json()
    path = f"/v1/deals/{deal['deal_id']}"
    read = await api.get(path, role="sales_rep", sub="anna")
    assert (read.json(), read.headers["ETag"]) == (deal, '"v1"')
    assert (await api.get(path, role="sales_rep", sub="anna", headers={"If-None-Match": '"v1"'})).status_code == 304
    kit.problem(await api.get(path, role="sales_rep", sub="ben"), 404, "NOT_FOUND")
    kit.problem(await api.get(f"/v1/deals/{steps.unknown()}", role="reader"), 404, "NOT_FOUND")

    async def listed(sub: str, **params: str) -> int:
        page = await api.get("/v1/deals", role="sales_rep", sub=sub, params={"lead_id": str(lead_id)} | params)
        return len(page.json()["items"])

    assert (await listed("anna"), await listed("ben"), await listed("anna", outcome="lost")) == (1, 0, 0)
    kit.problem(await api.get("/v1/deals", role="reader", params={"outcome": "drawn"}), 422, "INVALID_CONTENT", "outcome")


async def test_a_batch_closes_what_it_can_and_says_why_not(api: kit.Api, database: Database):
    lead_id = await steps.known_lead(database)
    opened = await steps.opened(api, lead_id)
    source = f"crm{new_id()}"[:40]
    good = steps.deal(lead_id, source=source, external_id="1")
    items = [
        good,
        good,
        good | {"blanket_order": True},
        steps.deal(lead_id, deal_id=opened["opportunity_id"]),
        steps.deal(lead_id, lines=[]),
        steps.deal(new_id()),
        steps.deal(lead_id, lines=[steps.line(quantity=-1)]),
        None,
        steps.deal(lead_id, outcome="lost", lost_reasons=["not_recorded"], lines=[], source=source, external_id="2"),
    ]
    answer = await api.post("/v1/deals/batch", role="importer", json={"items": items})
    assert answer.status_code == 200, answer.text
    results = answer.json()["items"]
    assert [(result["index"], result["status"]) for result in results] == list(
        enumerate(["created", "unchanged", "failed", "created", "failed", "failed", "failed", "failed", "created"])
    )
    codes = [results[index]["problem"]["code"] for index in (2, 4, 5)]
    assert codes == ["DEAL_ALREADY_CLOSED", "LINES_REQUIRED", "NOT_KNOWN_YET"]
    assert results[6]["problem"]["errors"][0]["field"] == "/lines/0/quantity"
    again = await api.post("/v1/deals/batch", role="importer", json={"items": [items[0], items[3], items[8]]})
    assert [result["status"] for result in again.json()["items"]] == ["unchanged"] * 3
    for index in (0, 3, 8):
        assert len(await events(database, "deal-closed", results[index]["id"])) == 1


async def test_a_database_error_fails_only_the_item_at_fault(database: Database):
    lead_id = await steps.known_lead(database)
    commands = [examples.asked_deal(lead_id=lead_id, labels=labels) for labels in ({}, {"bad": "\u0000"}, {})]
    async with database.transaction() as tx:
        outcomes = await usecases.close_deals(tx, [usecases.Asked(command=command, cause=kit.cause()) for command in commands])
    assert [type(outcome) for outcome in outcomes] == [usecases.Closed, RefusedByDatabase, usecases.Closed]
    for command, count in zip(commands, (1, 0, 1), strict=True):
        assert len(await events(database, "deal-closed", str(command.deal_id))) == count


async def test_a_deal_too_large_to_be_announced_fails_alone(api: kit.Api, database: Database):
    lead_id = await steps.known_lead(database)
    word = "\N{CHEQUERED FLAG}" * 64
    lines = [
        steps.line(number, sku=word, unit=word, ship_to_country=word, list_unit_price=steps.line()["net_unit_price"])
        for number in range(1, 201)
    ]
    large = steps.deal(lead_id, lines=lines)
    answer = await api.post("/v1/deals/batch", role="importer", json={"items": [steps.deal(lead_id), large]})
    created, failed = answer.json()["items"]
    assert (created["status"], failed["status"], failed["problem"]["code"]) == ("created", "failed", "DEAL_TOO_LARGE"), answer.text


async def test_the_number_of_statements_does_not_grow_with_a_batch(api: kit.Api, database: Database):
    lead_id = await steps.known_lead(database)

    async def cost(size: int) -> tuple[int, int]:
        opening = [{"lead_id": str(lead_id), "opportunity_id": str(new_id())} for _ in range(size)]
        with steps.statements(database) as sent:
            answer = await api.post("/v1/opportunities/batch", role="importer", json={"items": opening})
            opened = len(sent)
            assert {result["status"] for result in answer.json()["items"]} == {"created"}
            closing = [steps.deal(lead_id, deal_id=item["opportunity_id"]) for item in opening]
            answer = await api.post("/v1/deals/batch", role="importer", json={"items": closing})
            assert {result["status"] for result in answer.json()["items"]} == {"created"}
        return opened, len(sent) - opened

    assert await cost(1) == await cost(100)


async def test_two_at_the_same_moment_close_one_deal(api: kit.Api, database: Database):
    source = f"crm{new_id()}"[:40]
    body = steps.deal(await steps.known_lead(database), source=source, external_id="1")
    answers = await asyncio.gather(*(api.post("/v1/deals", role="importer", json=body) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert len(await events(database, "deal-closed", answers[0].json()["deal_id"])) == 1


@pytest.mark.parametrize("wrong", [{"labels": {"a": "\u0000"}}, {"source": "\u0000", "external_id": "1"}, {"note": "\u0000"}])
async def test_text_that_no_database_can_hold_is_the_callers_mistake(api: kit.Api, database: Database, wrong: steps.Json):
    answer = await api.post("/v1/deals", role="importer", json=steps.deal(await steps.known_lead(database)) | wrong)
    kit.problem(answer, 422, "INVALID_CONTENT", f"/{next(iter(wrong))}" + ("/a" if "labels" in wrong else ""))
