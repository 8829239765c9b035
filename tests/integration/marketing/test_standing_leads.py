"""Leads that only stand in for a link that a source lacks are captured like others, and counted in no funnel."""

from __future__ import annotations

from uuid import UUID

from shared.db.transaction import Database
from shared.ids import new_id
from tests import kit
from tests.integration.marketing import capturing
from tests.integration.marketing.test_measures import funnel, tell
from tests.unit.marketing import told

STANDING = {"labels": {"standing": "true"}, "origin": "sales_generated"}


async def source_of(api: kit.Api) -> str:
    code = f"s-{new_id()}"
    await api.put(f"/v1/sources/{code}", role="importer", json={"name": "A test", "time_zone": "UTC"})
    return code


async def test_sales_may_have_found_a_lead_itself(api: kit.Api):
    source = await source_of(api)
    one = await capturing.captured(api, source=source, external_id="1", origin="sales_generated")
    items = [{"source": source, "external_id": number, "origin": "sales_generated"} for number in ("1", "2")]
    assert [item["status"] for item in await capturing.batch(api, *items)] == ["unchanged", "created"]
    found = (await api.get(f"/v1/leads/{one['lead_id']}", role="importer")).json()
    assert found["origin"] == "sales_generated"


async def test_a_standing_lead_is_in_no_funnel(api: kit.Api, database: Database):
    source = await source_of(api)
    labels = [STANDING, {"labels": {"standing": "false"}}, {"labels": {"channel": "x"}}, {}]
    items = [{"source": source, "external_id": str(number)} | label for number, label in enumerate(labels)]
    ids = [UUID(item["id"]) for item in await capturing.batch(api, *items)]
    await tell(database, told.closed(lead_id=ids[0], deal_id=new_id()), told.closed(lead_id=ids[2], deal_id=new_id()))
    figures = await funnel(api, source, by="channel")
    assert {group["value"]: (group["leads"], group["customers"]) for group in figures["groups"]} == {"x": (1, 1), None: (2, 0)}
    assert (figures["total"]["leads"], figures["total"]["won_deals"], figures["total"]["conversion"]) == (3, 1, "0.333333")
    cohort = (await api.get("/v1/metrics/funnel/leads", role="reader", params={"source": source})).json()["items"]
    assert {item["lead_id"] for item in cohort} == {str(lead_id) for lead_id in ids[1:]}
