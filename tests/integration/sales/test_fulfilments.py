"""How far the orders of a deal are, over HTTP."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from shared.db.transaction import Database
from shared.ids import new_id
from tests import kit
from tests.integration.sales import steps
from tests.unit.sales import examples


async def test_a_deal_shows_what_is_promised_shipped_delivered_and_cancelled(api: kit.Api, database: Database):
    lead_id = await steps.known_lead(database)
    deal = (await api.post("/v1/deals", role="importer", json=steps.deal(lead_id))).json()
    path, deal_id, order_id, line_id = f"/v1/deals/{deal['deal_id']}/fulfilment", UUID(deal["deal_id"]), new_id(), new_id()
    nothing = await api.get(path, role="reader")
    assert (nothing.json()["status"], nothing.json()["orders"], nothing.headers["ETag"]) == (None, [], '"v1"')
    await steps.tell(
        database,
        examples.delivered(deal_id, order_id, {line_id: 1}),
        examples.shipped(deal_id, order_id, {line_id: 1}),
        examples.cancelled(deal_id, order_id, {line_id: 1}),
        examples.promised(deal_id, order_id, {line_id: 2}, date(2026, 3, 6)),
    )
    known = await api.get(path, role="reader")
    body = known.json()
    assert (body["status"], body["promise_date"], known.headers["ETag"]) == ("delivered", "2026-03-06", '"v5"')
    (line,) = body["orders"][0]["lines"]
    assert (line["line_no"], line["ordered"], line["shipped"], line["delivered"], line["cancelled"]) == (1, "2", "1", "1", "1")


async def test_the_fulfilment_of_an_unknown_or_another_persons_deal_is_not_found(api: kit.Api, database: Database):
    kit.problem(await api.get(f"/v1/deals/{steps.unknown()}/fulfilment", role="reader"), 404, "NOT_FOUND")
    kit.problem(await api.get("/v1/deals/seven/fulfilment", role="reader"), 422, "INVALID_CONTENT", "deal_id")
    body = steps.deal(await steps.known_lead(database), owner_id=str(steps.user("anna")))
    deal_id = (await api.post("/v1/deals", role="importer", json=body)).json()["deal_id"]
    kit.problem(await api.get(f"/v1/deals/{deal_id}/fulfilment", role="sales_rep", sub="ben"), 404, "NOT_FOUND")
    kit.problem(await api.get(f"/v1/deals/{deal_id}/fulfilment", role="account_manager"), 403, "SCOPE_MISSING")


async def test_what_is_told_before_the_deal_is_closed_is_kept(api: kit.Api, database: Database):
    deal_id = new_id()
    await steps.tell(database, examples.promised(deal_id, new_id(), {new_id(): 1}))
    await api.post("/v1/deals", role="importer", json=steps.deal(await steps.known_lead(database), deal_id=str(deal_id)))
    assert (await api.get(f"/v1/deals/{deal_id}/fulfilment", role="reader")).json()["status"] == "received"
