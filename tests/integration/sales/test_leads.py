"""Leads over HTTP."""

from __future__ import annotations

from datetime import timedelta

from shared.db.transaction import Database
from shared.ids import new_id
from tests import kit
from tests.integration.sales import steps
from tests.unit.sales import examples
from tests.unit.sales.examples import NOON


async def test_a_lead_shows_the_decision_that_counts(api: kit.Api, database: Database):
    lead_id = await steps.known_lead(database)
    fresh = await api.get(f"/v1/leads/{lead_id}", role="sales_rep")
    assert (fresh.json()["decision"], fresh.headers["ETag"]) == (None, '"v1"')
    later = examples.disqualified(lead_id, decided_at=NOON + timedelta(days=1))
    await steps.tell(database, later, examples.qualified(lead_id))
    decided = await api.get(f"/v1/leads/{lead_id}", role="sales_rep")
    assert decided.json()["decision"]["outcome"] == "disqualified"
    assert decided.json()["decision"]["reason_codes"] == ["no_need"]
    assert decided.headers["ETag"] == '"v3"'


async def test_an_unknown_lead_is_not_found(api: kit.Api):
    kit.problem(await api.get(f"/v1/leads/{steps.unknown()}", role="sales_rep"), 404, "NOT_FOUND")
    kit.problem(await api.get("/v1/leads/seven", role="sales_rep"), 422, "INVALID_CONTENT", "lead_id")


async def test_leads_are_listed_by_source_page_by_page(api: kit.Api, database: Database):
    source = f"s{new_id()}"
    ids = [str(await steps.known_lead(database, source_code=source)) for _ in range(3)]
    first = (await api.get("/v1/leads", role="reader", params={"source": source, "page_size": 2})).json()
    rest = (await api.get("/v1/leads", role="reader", params={"source": source, "page_size": 2, "cursor": first["next"]})).json()
    assert [item["lead_id"] for item in first["items"] + rest["items"]] == ids
    assert rest["next"] is None
    kit.problem(await api.get("/v1/leads", role="reader", params={"page_size": 0}), 422, "INVALID_CONTENT", "page_size")
    kit.problem(await api.get("/v1/leads", role="reader", params={"cursor": first["next"]}), 400, "INVALID_CURSOR")


async def test_leads_need_a_token_and_the_scope(api: kit.Api):
    kit.problem(await api.get("/v1/leads"), 401, "INVALID_TOKEN")
    kit.problem(await api.get("/v1/leads", role="key_account_manager"), 403, "SCOPE_MISSING")
