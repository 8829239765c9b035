"""The funnel's figures, from real rows."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.marketing.handlers import HANDLERS
from shared.db.transaction import Database
from shared.events.language import Received
from shared.ids import new_id
from tests import kit
from tests.unit.marketing import told

ZONE = "America/Sao_Paulo"


async def tell(database: Database, *events: Received[Any]) -> None:
    """Each event in a transaction of its own."""
    for event in events:
        async with database.transaction() as tx:
            for handler in HANDLERS[type(event.event)]:
                await handler(tx, [event])


@pytest.fixture
async def source(api: kit.Api) -> str:
    code = f"s-{new_id()}"
    await api.put(f"/v1/sources/{code}", role="importer", json={"name": "A test", "time_zone": ZONE})
    return code


async def capture(api: kit.Api, source: str, *leads: dict[str, Any]) -> list[UUID]:
    items = [{"source": source, "external_id": f"{new_id()}", "origin": "import"} | lead for lead in leads]
    response = await api.post("/v1/leads/batch", role="importer", json={"items": items})
    return [UUID(item["id"]) for item in response.json()["items"]]


async def funnel(api: kit.Api, source: str, **params: Any) -> dict[str, Any]:
    response = await api.get("/v1/metrics/funnel", role="reader", params={"source": source} | params)
    assert response.status_code == 200, response.text
    return response.json()


def counts(group: dict[str, Any]) -> list[Any]:
    names = ("leads", "qualified", "accepted", "opportunities", "customers", "won_deals", "delivered", "conversion")
    return [group[name] for name in names]


async def test_groups_are_the_values_of_a_label_and_add_up(api: kit.Api, database: Database, source: str) -> None:
    green = {"labels": {"origin": "green"}}
    a, b, c, d = await capture(api, source, green, green, green, {"labels": {"other": "x"}})
    deal, second = new_id(), new_id()
    await tell(
        database,
        told.qualified(lead_id=a),
        told.accepted(lead_id=a),
        told.staged(lead_id=a, lead_ids=(a, b)),
        told.closed(lead_id=a, lead_ids=(a, d), deal_id=deal),
        told.closed(lead_id=a, deal_id=second),
        told.delivered(lead_id=a, deal_id=deal, name=f"{deal}"),
        told.delivered(lead_id=c, deal_id=new_id(), complete=False, name=f"{c}"),
    )
    figures = await funnel(api, source, by="origin")
    assert figures["time_zone"] == ZONE
    assert figures["metrics"]["conversion"] == "marketing.funnel.conversion.1"
    assert {group["value"]: counts(group) for group in figures["groups"]} == {
        "green": [3, 1, 1, 2, 1, 2, 1, "0.333333"],
        None: [1, 0, 0, 0, 1, 0, 1, "1.000000"],
    }
    assert [group["value"] for group in figures["groups"]] == ["green", None]
    assert counts(figures["total"]) == [4, 1, 1, 2, 2, 2, 2, "0.500000"]


async def test_a_deal_that_was_lost_in_the_end_makes_no_customer(api: kit.Api, database: Database, source: str) -> None:
    (a,) = await capture(api, source, {})
    deal = new_id()
    await tell(database, told.closed(lead_id=a, deal_id=deal, version=2, won=False), told.closed(lead_id=a, deal_id=deal))
    assert counts((await funnel(api, source))["total"]) == [1, 0, 0, 0, 0, 0, 0, "0.000000"]


async def test_without_leads_there_is_no_rate(api: kit.Api, source: str) -> None:
    figures = await funnel(api, source, by="origin")
    assert figures["groups"] == []
    assert counts(figures["total"]) == [0, 0, 0, 0, 0, 0, 0, None]


async def test_without_a_label_there_are_no_groups(api: kit.Api, source: str) -> None:
    await capture(api, source, {})
    figures = await funnel(api, source)
    assert (figures["groups"], figures["total"]["leads"]) == ([], 1)


async def test_days_are_those_of_the_source(api: kit.Api, source: str) -> None:
    # Midnight in São Paulo: 03:00 UTC, and 02:00 UTC in the summer of 2018.
    await capture(
        api,
        source,
        {"occurred_at": "2017-06-14T02:59:59Z"},
        {"occurred_at": "2017-06-14T03:00:00Z"},
        {"occurred_at": "2017-06-15T02:59:59Z", "estimated": True},
        {"occurred_at": "2018-01-10T02:00:00Z"},
    )
    for chosen, leads in (
        ({"from": "2017-06-14", "to": "2017-06-14"}, 2),
        ({"to": "2017-06-13"}, 1),
        ({"from": "2018-01-10"}, 1),
        ({"from": "2018-01-11"}, 0),
        ({}, 4),
    ):
        assert (await funnel(api, source, **chosen))["total"]["leads"] == leads
    cohort = (await api.get("/v1/metrics/funnel/leads", role="reader", params={"source": source})).json()
    assert sorted((item["captured_on"], item["estimated"], item["time_zone"]) for item in cohort["items"]) == [
        ("2017-06-13", False, ZONE),
        ("2017-06-14", False, ZONE),
        ("2017-06-14", True, ZONE),
        ("2018-01-10", False, ZONE),
    ]


async def test_only_what_was_recorded_by_the_instant_counts(api: kit.Api, database: Database, source: str) -> None:
    (a,) = await capture(api, source, {"occurred_at": "2017-06-14T03:00:00Z"})
    before = (await funnel(api, source))["as_of"]
    deal = new_id()
    await tell(
        database, told.qualified(lead_id=a), told.closed(lead_id=a, deal_id=deal), told.delivered(lead_id=a, deal_id=deal, name=str(a))
    )
    won = (await funnel(api, source))["as_of"]
    await tell(database, told.closed(lead_id=a, deal_id=deal, version=2, won=False))
    await capture(api, source, {})
    assert counts((await funnel(api, source, as_of=before))["total"]) == [1, 0, 0, 0, 0, 0, 0, "0.000000"]
    assert counts((await funnel(api, source, as_of=won))["total"]) == [1, 1, 0, 0, 1, 1, 1, "1.000000"]
    assert counts((await funnel(api, source))["total"]) == [2, 1, 0, 0, 0, 0, 1, "0.000000"]
    assert (await funnel(api, source, as_of="2000-01-01T00:00:00Z"))["total"]["leads"] == 0
    known_now = await funnel(api, source, as_of="2200-01-01T00:00:00Z")
    assert known_now["as_of"] < "2200"
    cohort = await api.get("/v1/metrics/funnel/leads", role="reader", params={"source": source, "as_of": before})
    assert [item["lead_id"] for item in cohort.json()["items"]] == [str(a)]


async def test_a_cohort_is_read_page_by_page(api: kit.Api, source: str) -> None:
    ids = await capture(api, source, *({"labels": {"n": f"{n}"}} for n in range(5)))
    found: list[tuple[str, str]] = []
    params: dict[str, Any] = {"source": source, "by": "n", "page_size": 2}
    while True:
        page = (await api.get("/v1/metrics/funnel/leads", role="reader", params=params)).json()
        found += [(item["lead_id"], item["value"]) for item in page["items"]]
        if not page["next"]:
            break
        params["cursor"] = page["next"]
    assert sorted(found) == sorted((str(lead_id), f"{n}") for n, lead_id in enumerate(ids))


async def test_leads_of_all_sources_are_counted_each_in_its_zone(api: kit.Api, source: str) -> None:
    label = f"l{new_id().hex[:20]}"
    await capture(api, source, {"labels": {label: "x"}, "occurred_at": "2017-06-14T01:00:00Z"})
    await capture(api, "api", {"labels": {label: "x"}, "occurred_at": "2017-06-14T01:00:00Z"})
    params = {"by": label, "from": "2017-06-14", "to": "2017-06-14"}
    figures = (await api.get("/v1/metrics/funnel", role="reader", params=params)).json()
    assert figures["time_zone"] is None
    assert {group["value"]: group["leads"] for group in figures["groups"] if group["value"]} == {"x": 1}


async def test_the_figures_equal_a_count_by_hand(api: kit.Api, database: Database, source: str) -> None:
    dice = random.Random(11)
    ids = await capture(api, source, *({"labels": {"origin": dice.choice("abc")}} for _ in range(12)))
    deals = [new_id() for _ in range(4)]
    events = []
    for n in range(40):
        lead_id, at = dice.choice(ids), told.NOON + timedelta(hours=n)
        events.append(
            dice.choice(
                [
                    told.qualified(at, lead_id=lead_id, name=f"{lead_id} {n}"),
                    told.accepted(at, lead_id=lead_id, name=f"{lead_id} {n}"),
                    told.closed(at, lead_id=lead_id, deal_id=dice.choice(deals), version=n, won=dice.random() < 0.7),
                ]
            )
        )
    await tell(database, *dice.sample(events, k=len(events)))
    kinds = {kind: {e.event.lead_id for e in events if type(e.event).__name__ == kind} for kind in ("LeadQualified", "LeadAccepted")}
    last = {}
    for event in events:
        if type(event.event).__name__ == "DealClosed":
            last[event.event.deal_id] = event.event
    won = [deal for deal in last.values() if deal.won]
    customers = {deal.lead_id for deal in won}
    total = (await funnel(api, source, by="origin"))["total"]
    assert counts(total)[:6] == [12, len(kinds["LeadQualified"]), len(kinds["LeadAccepted"]), 0, len(customers), len(won)]
    groups = (await funnel(api, source, by="origin"))["groups"]
    for name in ("leads", "qualified", "accepted", "customers", "won_deals"):
        assert sum(group[name] for group in groups) == total[name]


@pytest.mark.parametrize("path", ["/v1/metrics/funnel", "/v1/metrics/funnel/leads"])
@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"source": "nobody"}, (404, "NOT_FOUND", None)),
        ({"from": "2018-01-02", "to": "2018-01-01"}, (422, "RANGE_REVERSED", "from")),
        ({"from": "June"}, (422, "INVALID_CONTENT", "from")),
        ({"to": "2018-02-30"}, (422, "INVALID_CONTENT", "to")),
        ({"as_of": "2018-01-01T00:00:00"}, (422, "INVALID_CONTENT", "as_of")),
        ({"as_of": "0001-01-01T00:00:00+14:00"}, (422, "INVALID_CONTENT", "as_of")),
        ({"as_of": "9999-12-31T23:59:59-14:00"}, (422, "INVALID_CONTENT", "as_of")),
        ({"by": "x" * 33}, (422, "INVALID_CONTENT", "by")),
        ({"by": "a\x00b"}, (422, "INVALID_CONTENT", "by")),
        ({"source": "a\x00b"}, (422, "INVALID_CONTENT", "source")),
    ],
)
async def test_bad_questions_are_refused(api: kit.Api, path: str, params: dict[str, str], problem: tuple[int, str, str | None]) -> None:
    kit.problem(await api.get(path, role="reader", params=params), *problem)
    kit.problem(await api.get(path, role="lead_source", params=params), 403, "SCOPE_MISSING")
