"""Fulfilment's figures, from cases that can be counted by eye."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from services.distribution.calloffs import usecases as calloffs
from shared.db.transaction import Database
from shared.ids import derived_id, new_id
from tests import kit
from tests.integration.distribution.ordering import closing

Json = dict[str, Any]
FULFILMENT = "/v1/metrics/fulfilment"
PATHS = {"approval": "approvals", "shipment": "shipments", "delivery": "deliveries", "cancellation": "cancellations"}


class Book:
    """Orders of one source and what became of them, as an importer tells it. May days are of 2017; a bare day means noon."""

    def __init__(self, api: kit.Api, deal_id: UUID, source: str) -> None:
        self.api, self.deal_id, self.source = api, str(deal_id), source

    async def tell(self, path: str, *items: Json) -> list[Json]:
        response = await self.api.post(f"/v1/{path}/batch", role="importer", json={"items": list(items)})
        assert response.status_code == 200, response.text
        results = response.json()["items"]
        assert not [result for result in results if result["status"] == "failed"], results
        return results

    async def order(self, name: str, received: str = "1", *lines: Json, **given: Any) -> None:
        """An order of that name. Without lines and days it is promised for nothing."""
        item = {"deal_id": self.deal_id, "source": self.source, "external_id": name, "occurred_at": moment(received), "lines": list(lines)}
        await self.tell("orders", {"currency": "EUR"} | item | given)

    async def note(self, kind: str, name: str, at: str, **given: Any) -> None:
        await self.tell(PATHS[kind], self.fact(name, at, **given))

    def fact(self, name: str, at: str, **given: Any) -> Json:
        """A fact of the whole order, unless it names lines."""
        item = {"order_id": self.id_of(name), "source": self.source, "external_id": str(new_id()), "occurred_at": moment(at)}
        return item | given

    def id_of(self, name: str) -> str:
        return str(derived_id(self.source, "order", name))

    async def answer(self, **params: Any) -> Json:
        params = {{"first": "from", "last": "to"}.get(key, key): value for key, value in params.items()}
        response = await self.api.get(FULFILMENT, role="reader", params={"source": self.source} | params)
        assert response.status_code == 200, response.text
        return response.json()

    async def total(self, **params: Any) -> Json:
        return (await self.answer(**params))["total"]

    async def on_time(self, *names: str, **params: Any) -> list[Any]:
        found = (await self.total(**params))["on_time"]
        return [found[name] for name in names]


def moment(at: str) -> str:
    """`3` → noon of 3 May, `3T08:30` → that time of it; in full as it stands."""
    if at.startswith("20"):
        return at
    day, _, time = at.partition("T")
    return f"2017-05-{int(day):02}T{time or '12:00'}:00Z"


def day(number: int) -> str:
    return f"2017-05-{number:02}"


def line(number: int = 1, **given: Any) -> Json:
    return {"line_no": number, "sku": "A-1", "quantity": "1", "net_amount": {"amount": "10.00", "currency": "EUR"}} | given


async def opened(api: kit.Api, database: Database) -> Book:
    closed = closing(blanket=True)
    async with database.transaction() as tx:
        await calloffs.open_orders(tx, [kit.received(closed, at=closed.closed_at)])
    return Book(api, closed.deal_id, f"s{new_id()}")


@pytest.fixture
async def book(api: kit.Api, database: Database) -> Book:
    return await opened(api, database)


@pytest.mark.parametrize("level", ["order", "line"])
async def test_without_orders_there_are_no_rates(book: Book, level: str):
    found = await book.answer(level=level, by="seller", per="month")
    assert (found["level"], found["groups"], found["metrics"]["on_time"]) == (level, [], "distribution.fulfilment.on_time.1")
    total = found["total"]
    assert (total["orders"], total["lines"], total["first_received_at"], total["values"], total["quantity"]) == (0, 0, None, [], "0")
    assert (total["orders_with_several_values"], total["distinct_values"]) == (0, 0)
    assert total["on_time"] == {
        **dict.fromkeys(("delivered", "without_promise", "by_day", "by_instant", "early", "exact", "late"), 0),
        **dict.fromkeys(("rate_by_day", "rate_by_instant", "median_days_late", "max_days_late", "max_days_early")),
    }
    assert total["cycle"]["received_to_delivered_days"] == {"n": 0, "median": None, "mean": None}
    assert total["cycle"]["delivered_to_reported_days"] == {"n": 0, "median": None, "max": None, "same_day": 0}
    assert total["handover"] == {"lines": 0, "on_time": 0, "rate": None}


@pytest.mark.parametrize("level", ["order", "line"])
async def test_on_time_is_by_day_and_by_instant(book: Book, level: str):
    for name, arrival in (
        ("early", "8"),
        ("midnight", "10T00:00"),
        ("same day", "10T23:59"),
        ("late", "11"),
        ("very late", "15"),
        ("open", ""),
    ):
        await book.order(name, "1", line(), promise_date=day(10))
        if arrival:
            await book.note("delivery", name, arrival)
    await book.order("no promise", "1", line())
    await book.note("delivery", "no promise", "9")
    await book.order("guessed", "1", line(), promise_date=day(10))
    await book.note("delivery", "guessed", "30", estimated=True)
    await book.order("cancelled", "1", line(), promise_date=day(10))
    await book.note("cancellation", "cancelled", "2")
    await book.note("delivery", "cancelled", "9")
    total = await book.total(level=level)
    assert total["on_time"] == {
        "delivered": 5,
        "without_promise": 1,
        "by_day": 3,
        "rate_by_day": "0.600000",
        "by_instant": 2,
        "rate_by_instant": "0.400000",
        "early": 1,
        "exact": 2,
        "late": 2,
        "median_days_late": "3",
        "max_days_late": 5,
        "max_days_early": 2,
    }
    assert [total[name] for name in ("orders", "lines", "delivered", "cancelled", "delivered_and_cancelled")] == [9, 9, 8, 1, 1]
    days = total["cycle"]["received_to_delivered_days"]  # 7, 8, 9, 9, 10, 14
    assert days == {"n": 6, "median": "9", "mean": "9.500000"}


async def test_what_is_known_to_the_day_only_is_compared_by_day(book: Book):
    for name, arrival in (("in time", "10"), ("late", "11")):
        await book.order(name, "1", line(), promise_date=day(10))
        await book.note("delivery", name, arrival, day_only=True)
    assert await book.on_time("by_day", "by_instant", "delivered") == [1, 1, 2]


async def test_days_are_local(book: Book):
    # Midnight in São Paulo is 03:00 UTC; in Tokyo it is 15:00 UTC of the day before.
    await book.order("here", "2T02:59", line(), time_zone="America/Sao_Paulo", promise_date=day(10))
    await book.note("delivery", "here", "11T02:59")
    await book.order("there", "2T02:59", line(ship_to_time_zone="Asia/Tokyo"), time_zone="America/Sao_Paulo", promise_date=day(10))
    await book.note("delivery", "there", "9T15:00")
    assert await book.on_time("exact", "by_instant") == [2, 1]
    assert (await book.total())["cycle"]["received_to_delivered_days"] == {"n": 2, "median": "9", "mean": "9.000000"}
    assert ((await book.total(first=day(2)))["orders"], (await book.total(first=day(1), last=day(1)))["orders"]) == (0, 2)
    assert [group["period"] for group in (await book.answer(per="month"))["groups"]] == ["2017-05"]


async def test_an_order_is_on_time_only_if_every_line_is(book: Book):
    await book.order("one late", "1", line(1, promise_date=day(5)), line(2, promise_date=day(10)))
    await book.note("delivery", "one late", "7", lines=[{"line_no": 1}])
    assert await book.on_time("delivered") == [0]
    assert await book.on_time("delivered", "late", level="line") == [1, 1]
    await book.note("delivery", "one late", "9", lines=[{"line_no": 2}])
    await book.order("all early", "1", line(1, promise_date=day(5)), line(2, promise_date=day(10)))
    await book.note("delivery", "all early", "5T00:00")
    names = ("delivered", "by_day", "by_instant", "early", "late", "max_days_late", "max_days_early")
    assert await book.on_time(*names) == [2, 1, 1, 1, 1, 2, 5]
    assert await book.on_time(*names, level="line") == [4, 3, 3, 2, 1, 2, 5]
    assert (await book.total())["cycle"]["received_to_delivered_days"]["median"] == "6"


async def test_a_line_is_delivered_when_all_that_is_not_cancelled_has_come(book: Book):
    await book.order("parts", "1", line(quantity="5"), promise_date=day(10))
    await book.note("delivery", "parts", "4", lines=[{"line_no": 1, "quantity": "2"}])
    assert await book.on_time("delivered", level="line") == [0]
    await book.note("cancellation", "parts", "5", lines=[{"line_no": 1, "quantity": "1"}])
    assert await book.on_time("delivered") == [0]
    await book.note("delivery", "parts", "12", lines=[{"line_no": 1, "quantity": "2"}])
    assert await book.on_time("delivered", "by_day", "by_instant", "max_days_late") == [1, 0, 0, 2]
    await book.order("rest", "1", line(quantity="5"), promise_date=day(10))
    await book.note("delivery", "rest", "4", lines=[{"line_no": 1}])
    assert await book.on_time("delivered", "early") == [2, 1]


async def test_a_cancelled_line_has_no_say_in_its_order(book: Book):
    await book.order("half", "1", line(1, promise_date=day(3)), line(2, promise_date=day(10)))
    await book.note("cancellation", "half", "2", lines=[{"line_no": 1}])
    assert await book.on_time("delivered") == [0]
    await book.note("delivery", "half", "9", lines=[{"line_no": 2}])
    assert await book.on_time("delivered", "early", "max_days_early") == [1, 1, 1]
    assert await book.on_time("delivered", level="line") == [1]
    assert (await book.total(level="line"))["cancelled"] == 1


async def test_facts_of_a_whole_order_hold_for_lines_that_come_later(book: Book):
    await book.order("bare", "1", promise_date=day(10))
    await book.note("shipment", "bare", "5")
    await book.note("delivery", "bare", "9")
    total = await book.total()
    assert [total[name] for name in ("orders", "lines", "orders_without_lines", "shipped", "delivered", "values")] == [1, 0, 1, 1, 1, []]
    assert await book.on_time("delivered", "early", "by_instant") == [1, 1, 1]
    assert await book.on_time("delivered", level="line") == [0]
    await book.tell("order-lines", {"order_id": book.id_of("bare")} | line(1), {"order_id": book.id_of("bare")} | line(2))
    total = await book.total(level="line")
    assert [total[name] for name in ("lines", "orders_without_lines", "shipped", "delivered")] == [2, 0, 2, 2]
    assert (total["on_time"]["early"], total["values"]) == (2, [{"currency": "EUR", "value": "20.00", "freight": "0"}])
    assert await book.on_time("delivered", "early") == [1, 1]


async def test_steps_take_hours_and_may_come_in_the_wrong_order(book: Book):
    await book.order("good", "1T00:00", line(ship_by=moment("3")))
    await book.order("odd", "2T00:00", line(ship_by=moment("3")))
    await book.order("guessed", "3T00:00", line(ship_by=moment("3")), estimated=True)
    for name, approved, shipped, delivered in (
        ("good", "1T01:30", "3", "4"),
        ("odd", "2T00:20", "1T12:20", "1T10:20"),
        ("guessed", "1", "1", "1"),
    ):
        await book.note("approval", name, approved, estimated=name == "guessed")
        await book.note("shipment", name, shipped)
        await book.note("delivery", name, delivered, reported_at=moment("9") if name == "good" else moment(delivered))
    await book.order("nothing", "1T00:00", line())
    total = await book.total()
    assert [total[name] for name in ("approved", "shipped", "delivered")] == [3, 3, 3]
    assert total["cycle"] == {
        "received_to_delivered_days": {"n": 2, "median": "1", "mean": "1.000000"},
        "received_to_approved_hours": {"n": 2, "median": "0.9167"},
        "approved_to_shipped_hours": {"n": 2, "median": "23.2500"},
        "shipped_to_delivered_hours": {"n": 3, "median": "0.0000"},
        "delivered_to_reported_days": {"n": 3, "median": "0", "max": 5, "same_day": 2},
    }
    assert total["out_of_order"] == {
        "shipped_before_received": 1,
        "shipped_before_approved": 1,
        "delivered_before_received": 1,
        "delivered_before_shipped": 1,
    }
    assert total["handover"] == {"lines": 3, "on_time": 3, "rate": "1.000000"}
    await book.note("shipment", "odd", "3T12:01")
    assert (await book.total())["handover"] == {"lines": 3, "on_time": 2, "rate": "0.666667"}


async def test_an_order_is_in_the_group_of_each_value_of_its_lines_and_once_in_the_total(book: Book):
    green, red = {"labels": {"seller": "green"}}, {"labels": {"seller": "red"}}
    await book.order("both", "1", line(1, **green), line(2, **red), line(3, **red), promise_date=day(10))
    await book.order("green", "2", line(1), **green)
    await book.order("bare", "2", **red)
    await book.order("none", "3", line(1, labels={"other": "x"}))
    await book.note("delivery", "both", "9")

    async def groups(level: str) -> Json:
        found = await book.answer(by="seller", level=level)
        return {
            group["value"]: [group[name] for name in ("orders", "lines", "delivered", "orders_with_several_values")]
            for group in found["groups"]
        }

    assert await groups("order") == {"green": [2, 2, 1, 1], "red": [2, 2, 1, 1], None: [1, 1, 0, 0]}
    assert await groups("line") == {"red": [2, 2, 2, 1], "green": [2, 2, 1, 1], None: [1, 1, 0, 0]}
    total = await book.total(by="seller")
    names = ("orders", "lines", "orders_without_lines", "orders_with_several_values", "distinct_values", "delivered")
    assert [total[name] for name in names] == [4, 5, 1, 1, 2, 1]
    assert (await book.total())["orders_with_several_values"] is None
    assert [group["value"] for group in (await book.answer(by="seller", level="line"))["groups"]] == ["green", "red", None]


async def test_groups_are_ordered_by_period_then_by_size(book: Book):
    for number, (received, value) in enumerate(
        [("2017-03-31T23:59:59Z", "a"), ("2017-04-01T00:00:00Z", "a"), ("5", "b"), ("6", "b"), ("7", "")]
    ):
        await book.order(str(number), received, line(), labels={"seller": value} if value else {})

    async def order_of(**params: Any) -> list[tuple[Any, ...]]:
        return [(group["period"], group["value"], group["orders"]) for group in (await book.answer(**params))["groups"]]

    assert await order_of(per="month") == [("2017-03", None, 1), ("2017-04", None, 1), ("2017-05", None, 3)]
    assert await order_of(per="quarter", by="seller") == [
        ("2017-Q1", "a", 1),
        ("2017-Q2", "b", 2),
        ("2017-Q2", "a", 1),
        ("2017-Q2", None, 1),
    ]
    assert await order_of(per="year") == [("2017", None, 5)]
    assert await order_of() == []


async def test_money_is_summed_per_currency_with_its_freight(book: Book):
    dollars = {"net_amount": {"amount": "0.10", "currency": "USD"}, "freight_amount": {"amount": "1.05", "currency": "USD"}}
    await book.order("usd", "1", line(1, **dollars), line(2, **dollars), currency="USD", labels={"country": "x"})
    await book.order("eur", "1", line(quantity="2.5"), labels={"country": "x"})
    found = await book.answer(by="country")
    for tally in (found["total"], *found["groups"]):
        assert tally["values"] == [
            {"currency": "EUR", "value": "10.00", "freight": "0"},
            {"currency": "USD", "value": "0.20", "freight": "2.10"},
        ]
        assert tally["quantity"] == "4.5"


async def test_only_what_was_recorded_by_the_instant_counts(book: Book):
    before = (await book.answer())["as_of"]
    await book.order("late news", "1", line(), promise_date=day(10))
    ordered = (await book.answer())["as_of"]
    await book.note("delivery", "late news", "9")
    delivered = (await book.answer())["as_of"]
    await book.note("cancellation", "late news", "2")
    assert (await book.total(as_of=before))["orders"] == 0
    assert [(await book.total(as_of=ordered))[name] for name in ("orders", "lines", "delivered")] == [1, 1, 0]
    assert await book.on_time("delivered", as_of=ordered) == [0]
    assert await book.on_time("delivered", "early", as_of=delivered) == [1, 1]
    assert await book.on_time("delivered") == [0]
    assert (await book.answer(as_of="2200-01-01T00:00:00Z"))["as_of"] < "2200"


async def test_the_promise_that_was_known_at_the_instant_counts(book: Book):
    await book.order("moved", "1", line(), promise_date=day(5))
    await book.note("delivery", "moved", "9", lines=[{"line_no": 1, "quantity": "0.5"}])
    first = (await book.answer())["as_of"]
    path = f"/v1/orders/{book.id_of('moved')}"
    version = (await book.api.get(path, role="reader")).json()["version"]
    body = {"promise_date": day(10), "occurred_at": moment("2")}
    response = await book.api.post(f"{path}/promise", role="importer", if_match=version, json=body)
    assert response.status_code == 200, response.text
    await book.note("delivery", "moved", "9", lines=[{"line_no": 1}])
    assert await book.on_time("delivered", as_of=first) == [0]
    assert await book.on_time("delivered", "max_days_early") == [1, 1]


async def test_neither_order_nor_repetition_of_facts_changes_a_figure(api: kit.Api, database: Database):
    told = [
        ("shipment", "5", {"lines": [{"line_no": 1, "quantity": "1"}]}),
        ("shipment", "4", {}),
        ("delivery", "6", {"lines": [{"line_no": 2}]}),
        ("delivery", "8", {"lines": [{"line_no": 1, "quantity": "2"}]}),
        ("delivery", "12", {"lines": [{"line_no": 1}]}),
        ("cancellation", "7", {"lines": [{"line_no": 3}]}),
        ("approval", "3", {}),
    ]
    seen: list[Any] = []
    for seed in range(3):
        book, dice = await opened(api, database), random.Random(seed)
        lines = [line(number, quantity="3", promise_date=day(7 + number)) for number in (1, 2, 3)]
        await book.order("x", "1", *lines)
        facts = [(PATHS[kind], book.fact("x", at, **given)) for kind, at, given in told]
        for path, fact in dice.sample(facts * 2, k=len(facts) * 2):
            await book.tell(path, fact)
        seen.append([(await book.total(level=level)) for level in ("order", "line")])
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][0]["on_time"]["max_days_late"] == 4
    assert Decimal(seen[0][1]["quantity"]) == 9
