"""Won deals as a figure to be joined by id."""

from __future__ import annotations

from typing import Any

from shared.db.transaction import Database
from shared.ids import new_id
from tests import kit
from tests.integration.sales import steps

WON = "/v1/metrics/won-deals"


async def won(api: kit.Api, **params: Any) -> Any:
    response = await api.get(WON, role="reader", params=params)
    assert response.status_code == 200, response.text
    return response.json()


async def test_won_deals_are_found_by_source_of_lead_or_deal_and_by_day(api: kit.Api, database: Database):
    lead_source, source = f"l{new_id()}", f"d{new_id()}"
    lead_id = await steps.known_lead(database, source_code=lead_source)
    days = ["2018-01-01T23:59:59Z", "2018-01-02T00:00:00Z", "2018-01-02T23:59:59Z", "2018-01-03T00:00:00Z"]
    items = [
        steps.deal(lead_id, source=source, external_id=day, occurred_at=day, labels={"segment": "pet"}, estimated=day == days[0])
        for day in days
    ]
    lost = steps.deal(lead_id, source=source, external_id="lost", outcome="lost", lost_reasons=["budget"], lines=[])
    results = (await api.post("/v1/deals/batch", role="importer", json={"items": [*items, lost]})).json()["items"]
    ids = [result["id"] for result in results[:4]]

    by_lead = await won(api, lead_source=lead_source)
    assert {item["deal_id"] for item in by_lead["items"]} == set(ids)
    assert by_lead["metrics"] == {"won_deals": "sales.won_deals.1"}
    first = next(item for item in by_lead["items"] if item["deal_id"] == ids[0])
    assert first == {"deal_id": ids[0], "lead_id": str(lead_id), "closed_at": days[0], "estimated": True, "labels": {"segment": "pet"}}
    assert {item["deal_id"] for item in (await won(api, source=source))["items"]} == set(ids)
    assert (await won(api, source="elsewhere"))["items"] == []
    one_day = await won(api, source=source, **{"from": "2018-01-02", "to": "2018-01-02"})
    assert {item["deal_id"] for item in one_day["items"]} == set(ids[1:3])


async def test_won_deals_are_read_page_by_page_as_of_a_moment(api: kit.Api, database: Database):
    source = f"d{new_id()}"
    lead_id = await steps.known_lead(database)
    for number in range(3):
        await api.post("/v1/deals", role="importer", json=steps.deal(lead_id, source=source, external_id=str(number)))
    first = await won(api, source=source, page_size=2)
    second = await won(api, source=source, page_size=2, cursor=first["next"])
    assert (len(first["items"]), len(second["items"]), second["next"]) == (2, 1, None)
    assert (await won(api, source=source, as_of="2020-01-01T00:00:00Z"))["items"] == []
    assert (await won(api, source=source, as_of=second["as_of"], page_size=1000))["next"] is None


async def test_a_rep_counts_only_what_a_rep_may_see(api: kit.Api, database: Database):
    source = f"d{new_id()}"
    body = steps.deal(await steps.known_lead(database), source=source, external_id="1", owner_id=str(steps.user("anna")))
    await api.post("/v1/deals", role="importer", json=body)
    for sub, count in (("anna", 1), ("ben", 0)):
        page = await api.get(WON, role="sales_rep", sub=sub, params={"source": source})
        assert len(page.json()["items"]) == count


async def test_the_ends_of_time_are_no_defect(api: kit.Api):
    params = {"from": "0001-01-01", "to": "9999-12-31"}
    assert (await api.get(WON, role="reader", params=params)).status_code == 200
    for as_of in ("9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"):
        kit.problem(await api.get(WON, role="reader", params={"as_of": as_of}), 422, "INVALID_CONTENT", "as_of")


async def test_a_wrong_question_is_refused(api: kit.Api):
    for name, value in (("from", "soon"), ("to", "never"), ("as_of", "2020-01-01"), ("page_size", 0)):
        kit.problem(await api.get(WON, role="reader", params={name: value}), 422, "INVALID_CONTENT", name)
    kit.problem(await api.get(WON, role="reader", params={"cursor": "x"}), 400, "INVALID_CURSOR")
    kit.problem(await api.get(WON, role="account_manager"), 403, "SCOPE_MISSING")
