"""The report from the answers of two services in a dictionary: one instant, all pages, joined by lead."""

import asyncio
from typing import Any
from uuid import UUID

import httpx2
from rich.console import Console

from baton import client as api
from baton.report import display, reading
from baton.report.reading import Question

AS_OF = "2026-03-02T12:00:00Z"
COUNTS = {
    "leads": 2,
    "qualified": 0,
    "accepted": 0,
    "opportunities": 0,
    "customers": 1,
    "won_deals": 1,
    "delivered": 0,
    "conversion": "0.500000",
}
LEADS = [
    {"lead_id": str(UUID(int=1)), "value": "social", "captured_on": "2018-01-10", "time_zone": "UTC", "estimated": False},
    {"lead_id": str(UUID(int=2)), "value": None, "captured_on": "2018-01-10", "time_zone": "UTC", "estimated": False},
]
DEALS = [
    {"deal_id": str(UUID(int=11)), "lead_id": str(UUID(int=2)), "closed_at": "2018-01-31T09:00:00Z", "estimated": False, "labels": {}},
    {"deal_id": str(UUID(int=12)), "lead_id": str(UUID(int=9)), "closed_at": "2018-01-31T09:00:00Z", "estimated": False, "labels": {}},
]


class Outside:
    """Answers; every list comes in pages of one."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        parameters = dict(request.url.params)
        self.asked.append((request.url.path, parameters))
        if request.url.path == "/v1/metrics/funnel":
            groups = [{"value": None, **COUNTS}, {"value": "social", **COUNTS}]
            return httpx2.Response(
                200,
                json={
                    "as_of": AS_OF,
                    "metrics": {"leads": "marketing.funnel.leads.1"},
                    "time_zone": "UTC",
                    "groups": groups,
                    "total": COUNTS,
                },
            )
        items = LEADS if request.url.path == "/v1/metrics/funnel/leads" else DEALS
        at = int(parameters.get("cursor", "0"))
        last = at + 1 == len(items)
        return httpx2.Response(
            200, json={"as_of": AS_OF, "metrics": {}, "items": items[at : at + 1], "next": None if last else str(at + 1)}
        )

    def report(self, question: Question) -> dict[str, Any]:
        async def run() -> dict[str, Any]:
            site = api.Site(addresses={"marketing": "http://m.test", "sales": "http://s.test"}, tokens={"marketing": "t", "sales": "t"})
            async with api.Client(site, roles={}, subject="test", transport=httpx2.MockTransport(self.answer)) as client:
                return await reading.read(client, question)

        return asyncio.run(run())


def test_deals_are_joined_with_the_cohort_by_lead():
    report = Outside().report(Question(source="olist", by="origin"))
    assert report["days_to_close"]["n"] == 1
    assert [(group["value"], group["n"], str(group["median"])) for group in report["days_to_close_by_group"]] == [(None, 1, "21")]
    assert report["total"] == COUNTS


def test_everything_is_read_as_of_one_instant():
    world = Outside()
    report = world.report(Question(source="olist", by="origin"))
    assert {parameters.get("as_of") for path, parameters in world.asked if path != "/v1/metrics/funnel"} == {AS_OF}
    assert set(report["as_of"].values()) == {AS_OF}
    assert report["metrics"]["report"] == {"days_to_close": "report.days_to_close.1"}
    assert report["metrics"]["marketing"] == {"leads": "marketing.funnel.leads.1"}


def test_sales_is_asked_for_the_deals_of_the_source_of_the_leads():
    world = Outside()
    world.report(Question(source="olist"))
    assert {parameters["lead_source"] for path, parameters in world.asked if path == "/v1/metrics/won-deals"} == {"olist"}


def test_the_missing_group_is_null_for_programs_and_a_word_for_people():
    report = Outside().report(Question(by="origin"))
    assert '"value": null' in display.to_json(report)
    console = Console(record=True, width=160, file=None, quiet=False)
    with console.capture() as shown:
        console.print(display.shown(report))
    assert "(missing)" in shown.get()
    assert "50.0 %" in shown.get()
