"""The pipeline's figures, from cases that can be counted by eye."""

from __future__ import annotations

import random
import statistics
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from shared.db.transaction import Database
from shared.ids import new_id
from tests import kit
from tests.integration.sales import steps

PIPELINE = "/v1/metrics/pipeline"
NO_DAYS = {"n": 0, "median": None, "mean": None}


async def asked(api: kit.Api, **params: Any) -> Any:
    params = {{"first": "from", "last": "to"}.get(name, name): value for name, value in params.items()}
    response = await api.get(PIPELINE, role="reader", params=params)
    assert response.status_code == 200, response.text
    return response.json()


async def total(api: kit.Api, **params: Any) -> Any:
    return (await asked(api, **params))["total"]


def euros(amount: str, currency: str = "EUR") -> steps.Json:
    return {"amount": amount, "currency": currency}


def priced(amount: str, currency: str = "EUR") -> list[steps.Json]:
    return [steps.line(quantity="1", net_unit_price=euros(amount, currency))]


@pytest.fixture
def source() -> str:
    return f"p{new_id()}"


@pytest.fixture
async def lead_id(database: Database) -> UUID:
    return await steps.known_lead(database)


async def open_many(api: kit.Api, lead_id: UUID, source: str, *items: steps.Json) -> list[str]:
    """Opportunities of the source, by their ids."""
    given = [{"lead_id": str(lead_id), "source": source, "external_id": str(new_id())} | item for item in items]
    answer = (await api.post("/v1/opportunities/batch", role="importer", json={"items": given})).json()["items"]
    assert {item["status"] for item in answer} <= {"created"}, answer
    return [item["id"] for item in answer]


async def close_many(api: kit.Api, lead_id: UUID, source: str, *items: steps.Json) -> None:
    """Deals of the source; one with an id of an opportunity ends it."""
    given = [steps.deal(lead_id, source=source, external_id=str(new_id())) | item for item in items]
    lost = [item | {"lines": item.get("lines", []), "lost_reasons": ["budget"]} for item in given if item["outcome"] == "lost"]
    won = [item for item in given if item["outcome"] == "won"]
    answer = (await api.post("/v1/deals/batch", role="importer", json={"items": won + lost})).json()["items"]
    assert {item["status"] for item in answer} <= {"created"}, answer


def lost(**given: Any) -> steps.Json:
    return {"outcome": "lost", "lines": []} | given


async def test_without_anything_there_are_no_rates(api: kit.Api, source: str):
    found = await asked(api, source=source, by="segment", per="year")
    assert found["groups"] == []
    assert found["metrics"]["win_rate"] == "sales.pipeline.win_rate.1"
    assert found["total"] == {
        "count": 0,
        "open": 0,
        "won": 0,
        "lost": 0,
        "win_rate": None,
        "stages": [],
        "days_to_close": {"won": NO_DAYS, "lost": NO_DAYS, "min": None, "max": None},
        "values": [],
    }


async def test_open_won_and_lost_are_counted_with_their_money(api: kit.Api, database: Database, source: str, lead_id: UUID):
    ids = await open_many(
        api,
        lead_id,
        source,
        {"stage_code": "qualification", "amount": euros("10000"), "occurred_at": "2017-01-01T00:00:00Z"},
        {"stage_code": "proposal", "amount": euros("5000"), "occurred_at": "2017-01-01T00:00:00Z"},
        {"stage_code": "prospecting", "occurred_at": "2017-01-01T00:00:00Z"},
        {"amount": euros("70"), "occurred_at": "2017-01-01T23:59:59Z"},
        {"amount": euros("80"), "occurred_at": "2017-01-01T00:00:00Z"},
        {"amount": euros("90"), "occurred_at": "2017-01-01T00:00:00Z"},
    )
    await close_many(
        api,
        lead_id,
        source,
        {"deal_id": ids[3], "lines": priced("60.10"), "occurred_at": "2017-01-02T00:00:00Z"},
        {"deal_id": ids[4], "lines": priced("60.21"), "occurred_at": "2017-01-05T00:00:00Z"},
        lost(deal_id=ids[5], occurred_at="2017-01-31T12:00:00Z"),
        {"occurred_at": "2017-02-01T00:00:00Z", "lines": priced("7", "USD")},
        {"occurred_at": "2017-02-01T00:00:00Z", "blanket_order": True, "lines": []},
        lost(occurred_at="2017-02-01T00:00:00Z"),
    )
    found = await total(api, source=source)
    assert [found[name] for name in ("count", "open", "won", "lost", "win_rate")] == [9, 3, 4, 2, "0.666667"]
    assert [tuple(stage.values()) for stage in found["stages"]] == [
        ("closed_won", "won", 4),
        ("closed_lost", "lost", 2),
        ("proposal", "open", 1),
        ("prospecting", "open", 1),
        ("qualification", "open", 1),
    ]
    assert found["days_to_close"] == {
        "won": {"n": 2, "median": "2.5", "mean": "2.500000"},
        "lost": {"n": 1, "median": "30", "mean": "30.000000"},
        "min": 1,
        "max": 30,
    }
    (euro, dollar) = found["values"]
    assert {name: Decimal(value) for name, value in euro.items() if name != "currency"} == {
        "open_value": Decimal(15000),
        "weighted_value": Decimal(4500),
        "won_value": Decimal("120.31"),
        "mean_won_value": Decimal("60.155"),
        "median_won_value": Decimal("60.155"),
        "won_with_value": 2,
        "lost_value": Decimal(90),
    }
    assert (dollar["currency"], Decimal(dollar["won_value"]), Decimal(dollar["open_value"])) == ("USD", 7, 0)


async def test_groups_are_label_values_in_periods_of_closing(api: kit.Api, source: str, lead_id: UUID):
    await open_many(api, lead_id, source, {"labels": {"team": "west"}}, {})
    await close_many(
        api,
        lead_id,
        source,
        {"labels": {"team": "west"}, "occurred_at": "2017-03-31T23:59:59Z"},
        lost(labels={"team": "west"}, occurred_at="2017-03-31T00:00:00Z"),
        {"labels": {"team": "east"}, "occurred_at": "2017-03-01T00:00:00Z"},
        {"occurred_at": "2017-04-01T00:00:00Z"},
    )

    async def groups(**params: Any) -> list[tuple[Any, ...]]:
        found = (await asked(api, source=source, **params))["groups"]
        return [tuple(group[name] for name in ("period", "value", "open", "won", "lost", "win_rate")) for group in found]

    assert await groups() == []
    assert await groups(by="team") == [
        (None, "west", 1, 1, 1, "0.500000"),
        (None, None, 1, 1, 0, "1.000000"),
        (None, "east", 0, 1, 0, "1.000000"),
    ]
    assert await groups(per="quarter") == [
        ("2017-Q1", None, 0, 2, 1, "0.666667"),
        ("2017-Q2", None, 0, 1, 0, "1.000000"),
        (None, None, 2, 0, 0, None),
    ]
    assert [group[0] for group in await groups(per="month")] == ["2017-03", "2017-04", None]
    assert [group[0] for group in await groups(per="year")] == ["2017", None]
    assert await groups(by="team", per="quarter") == [
        ("2017-Q1", "west", 0, 1, 1, "0.500000"),
        ("2017-Q1", "east", 0, 1, 0, "1.000000"),
        ("2017-Q2", None, 0, 1, 0, "1.000000"),
        (None, "west", 1, 0, 0, None),
        (None, None, 1, 0, 0, None),
    ]


async def test_groups_add_up_to_the_total(api: kit.Api, source: str, lead_id: UUID):
    dice = random.Random(5)
    labels = [{}, {"team": "a"}, {"team": "b"}]
    opened = await open_many(api, lead_id, source, *({"labels": dice.choice(labels)} for _ in range(40)))
    ends = [{"deal_id": one, "lines": priced(f"{dice.randrange(1, 100000) / 100:.2f}")} | dice.choice(({}, lost())) for one in opened[:30]]
    await close_many(api, lead_id, source, *ends)
    found = await asked(api, source=source, by="team", per="month")
    for name in ("count", "open", "won", "lost"):
        assert sum(group[name] for group in found["groups"]) == found["total"][name]
    won = [Decimal(worth["won_value"]) for group in found["groups"] for worth in group["values"]]
    assert sum(won) == Decimal(found["total"]["values"][0]["won_value"])
    assert sum(stage["count"] for group in found["groups"] for stage in group["stages"]) == found["total"]["count"]


@pytest.mark.parametrize("count", [1, 2, 7, 8])
async def test_the_median_of_money_is_exact_to_the_last_place(api: kit.Api, source: str, lead_id: UUID, count: int):
    # A double has 53 bits: the middle of two of these would not come through one.
    amounts = [Decimal(900000000000000) + Decimal(number * number) / 10 for number in range(1, count + 1)]
    shuffled = random.Random(count).sample(amounts, k=count)
    lines = [[steps.line(quantity="1000", net_unit_price=euros(str(amount / 1000)))] for amount in shuffled]
    await close_many(api, lead_id, source, *({"lines": each} for each in lines))
    (worth,) = (await total(api, source=source))["values"]
    assert Decimal(worth["median_won_value"]) == statistics.median(amounts)
    assert Decimal(worth["won_value"]) == sum(amounts)
    assert Decimal(worth["mean_won_value"]) == (sum(amounts, Decimal(0)) / count).quantize(Decimal("0.000001"))


async def test_what_only_stands_in_for_a_link_is_no_sale(api: kit.Api, source: str, lead_id: UUID):
    standing = {"labels": {"standing": "true"}}
    await open_many(api, lead_id, source, standing, {"labels": {"standing": "false"}})
    await close_many(api, lead_id, source, standing | {"blanket_order": True, "lines": []}, {"labels": {"other": "true"}})
    found = await total(api, source=source)
    assert (found["count"], found["open"], found["won"]) == (2, 1, 1)
    listed = (await api.get("/v1/metrics/won-deals", role="reader", params={"source": source})).json()["items"]
    assert [deal["labels"] for deal in listed] == [{"other": "true"}]


async def test_estimated_times_make_no_durations(api: kit.Api, source: str, lead_id: UUID):
    (guessed, known) = await open_many(
        api,
        lead_id,
        source,
        {"occurred_at": "2017-01-01T00:00:00Z", "estimated": True},
        {"occurred_at": "2017-01-01T00:00:00Z"},
    )
    await close_many(
        api,
        lead_id,
        source,
        {"deal_id": guessed, "occurred_at": "2017-01-09T00:00:00Z"},
        {"deal_id": known, "occurred_at": "2017-01-09T00:00:00Z", "estimated": True},
    )
    found = await total(api, source=source)
    assert (found["won"], found["days_to_close"]) == (2, {"won": NO_DAYS, "lost": NO_DAYS, "min": None, "max": None})


async def test_days_of_closing_leave_out_what_is_open(api: kit.Api, source: str, lead_id: UUID):
    await open_many(api, lead_id, source, {})
    await close_many(api, lead_id, source, {"occurred_at": "2017-05-01T23:59:59Z"}, {"occurred_at": "2017-05-02T00:00:00Z"})
    assert (await total(api, source=source))["count"] == 3
    assert (await total(api, source=source, first="2017-05-02"))["count"] == 1
    assert (await total(api, source=source, last="2017-05-01"))["count"] == 1
    assert (await total(api, source=source, first="2017-05-01", last="2017-05-02"))["count"] == 2
    assert (await total(api, source=source, first="0001-01-01", last="9999-12-31"))["count"] == 2


async def test_the_pipeline_is_seen_as_it_was_known(api: kit.Api, source: str, lead_id: UUID):
    before = (await asked(api))["as_of"]
    (one,) = await open_many(api, lead_id, source, {"amount": euros("100"), "occurred_at": "2017-01-01T00:00:00Z"})
    fresh = (await asked(api))["as_of"]
    moved = {"stage_code": "negotiation", "amount": euros("200"), "occurred_at": "2017-01-02T00:00:00Z"}
    response = await api.post(f"/v1/opportunities/{one}/stage", role="importer", if_match=1, json=moved)
    assert response.status_code == 200, response.text
    later = (await asked(api))["as_of"]
    await close_many(api, lead_id, source, {"deal_id": one, "lines": priced("150"), "occurred_at": "2017-01-03T00:00:00Z"})

    async def seen(**params: Any) -> tuple[Any, ...]:
        found = await total(api, source=source, **params)
        (worth,) = found["values"]
        return found["stages"][0]["stage_code"], Decimal(worth["open_value"]), Decimal(worth["weighted_value"]), Decimal(worth["won_value"])

    assert (await total(api, source=source, as_of=before))["count"] == 0
    assert await seen(as_of=fresh) == ("prospecting", 100, 10, 0)
    assert await seen(as_of=later) == ("negotiation", 200, 160, 0)
    assert await seen() == ("closed_won", 0, 0, 150)
    assert (await asked(api, as_of="2200-01-01T00:00:00Z"))["as_of"] < "2200"


async def test_a_rep_counts_only_what_a_rep_may_see(api: kit.Api, source: str, lead_id: UUID):
    anna = {"owner_id": str(steps.user("anna"))}
    (of_anna, handed_over) = await open_many(api, lead_id, source, anna, anna)
    ben = {"owner_id": str(steps.user("ben"))}
    await close_many(api, lead_id, source, {"deal_id": handed_over} | ben, anna, {})
    counts = {}
    for sub in ("anna", "ben", "chris"):
        response = await api.get(PIPELINE, role="sales_rep", sub=sub, params={"source": source})
        counts[sub] = response.json()["total"]["count"]
    assert counts == {"anna": 3, "ben": 2, "chris": 1}
    assert (await total(api, source=source))["count"] == 4
    assert of_anna != handed_over


@pytest.mark.parametrize(
    ("params", "code", "field"),
    [
        ({"from": "2018-01-02", "to": "2018-01-01"}, "RANGE_REVERSED", "from"),
        ({"from": "June"}, "INVALID_CONTENT", "from"),
        ({"per": "week"}, "INVALID_CONTENT", "per"),
        ({"by": "x" * 33}, "INVALID_CONTENT", "by"),
        ({"by": ""}, "INVALID_CONTENT", "by"),
        ({"by": "a\x00b"}, "INVALID_CONTENT", "by"),
        ({"source": "a\x00b"}, "INVALID_CONTENT", "source"),
        ({"as_of": "2018-01-01T00:00:00"}, "INVALID_CONTENT", "as_of"),
    ],
)
async def test_a_wrong_question_is_refused(api: kit.Api, params: dict[str, str], code: str, field: str):
    kit.problem(await api.get(PIPELINE, role="reader", params=params), 422, code, field)
    kit.problem(await api.get(PIPELINE, role="account_manager", params=params), 403, "SCOPE_MISSING")
