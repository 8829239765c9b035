"""The lines behind fulfilment's figures, and questions that cannot be answered."""

from __future__ import annotations

from typing import Any

import pytest

from shared.db.transaction import Database
from tests import kit
from tests.integration.distribution.test_fulfilment_figures import FULFILMENT, Book, day, line, moment, opened

LINES = f"{FULFILMENT}/lines"


@pytest.fixture
async def book(api: kit.Api, database: Database) -> Book:
    return await opened(api, database)


async def listed(book: Book, **params: Any) -> Any:
    response = await book.api.get(LINES, role="reader", params={"source": book.source} | params)
    assert response.status_code == 200, response.text
    return response.json()


async def test_each_line_is_listed_with_what_became_of_its_order(book: Book):
    labels = {"labels": {"seller": "green"}}
    await book.order(
        "x", "1", line(1, promise_date=day(5), quantity="2", **labels), line(2, promise_date=day(10)), labels={"status": "sent"}
    )
    await book.note("delivery", "x", "7")
    items = {item["labels"].get("seller"): item for item in (await listed(book))["items"]}
    assert items["green"] == {
        "order_id": book.id_of("x"),
        "deal_id": book.deal_id,
        "lead_id": items["green"]["lead_id"],
        "customer_id": None,
        "received_at": moment("1"),
        "received_on": day(1),
        "order_labels": {"status": "sent"},
        "order_delivered": True,
        "order_cancelled": False,
        "order_on_time_by_day": False,
        "order_on_time_by_instant": False,
        "order_days": 6,
        "order_line_id": items["green"]["order_line_id"],
        "labels": {"seller": "green"},
        "quantity": "2",
        "amount": {"amount": "10.00", "currency": "EUR"},
        "delivered": True,
        "cancelled": False,
        "on_time_by_day": False,
        "on_time_by_instant": False,
    }
    assert (items[None]["on_time_by_day"], items[None]["on_time_by_instant"], items[None]["order_on_time_by_day"]) == (True, True, False)


async def test_an_order_without_lines_is_listed_without_line_fields(book: Book):
    await book.order("bare", "1", promise_date=day(10))
    await book.note("delivery", "bare", "10")
    (item,) = (await listed(book))["items"]
    names = ("order_line_id", "labels", "quantity", "amount", "delivered", "cancelled", "on_time_by_day", "on_time_by_instant")
    assert [item[name] for name in names] == [None] * len(names)
    assert [item[f"order_{name}"] for name in ("delivered", "on_time_by_day", "on_time_by_instant", "days")] == [True, True, False, 9]


async def test_on_time_is_null_for_what_is_not_counted(book: Book):
    await book.order("open", "1", line(), promise_date=day(10))
    await book.order("no promise", "1", line())
    await book.note("delivery", "no promise", "3")
    await book.order("cancelled", "1", line(), promise_date=day(10))
    await book.note("delivery", "cancelled", "3")
    await book.note("cancellation", "cancelled", "4")
    await book.order("guessed", "1", line(), promise_date=day(10))
    await book.note("delivery", "guessed", "3", estimated=True)
    names = ("delivered", "cancelled", "on_time_by_day")
    found = {}
    for item in (await listed(book))["items"]:
        assert [item[name] for name in names] == [item[f"order_{name}"] for name in names]
        found[item["order_id"]] = (*(item[name] for name in names), item["order_days"])
    assert found == {
        book.id_of("open"): (False, False, None, None),
        book.id_of("no promise"): (True, False, None, 2),
        book.id_of("cancelled"): (True, True, None, None),
        book.id_of("guessed"): (True, False, None, None),
    }


async def test_lines_are_read_page_by_page_as_of_a_moment(book: Book):
    items = [
        {"deal_id": book.deal_id, "source": book.source, "external_id": str(number), "lines": [line(1), line(2)]} for number in range(3)
    ]
    await book.tell("orders", *items)
    await book.order("bare")
    await book.tell("deliveries", *(book.fact(str(number), "9") for number in range(3)))
    as_of = (await listed(book))["as_of"]
    await book.order("later", "1", line())
    found: list[Any] = []
    params: dict[str, Any] = {"page_size": 2, "as_of": as_of}
    while True:
        page = await listed(book, **params)
        assert page["as_of"] == as_of
        found += page["items"]
        if page["next"] is None:
            break
        params["cursor"] = page["next"]
    assert len({(item["order_id"], item["order_line_id"]) for item in found}) == len(found) == 7
    assert [item["order_delivered"] for item in found].count(True) == 6
    assert len((await listed(book, page_size=1000))["items"]) == 8
    assert (await listed(book, **{"from": "2000-01-01", "to": "2000-01-02"}))["items"] == []


@pytest.mark.parametrize("path", [FULFILMENT, LINES])
@pytest.mark.parametrize(
    ("params", "code", "field"),
    [
        ({"from": "2018-01-02", "to": "2018-01-01"}, "RANGE_REVERSED", "from"),
        ({"from": "June"}, "INVALID_CONTENT", "from"),
        ({"to": "2018-02-30"}, "INVALID_CONTENT", "to"),
        ({"as_of": "2018-01-01T00:00:00"}, "INVALID_CONTENT", "as_of"),
        ({"source": "a\x00b"}, "INVALID_CONTENT", "source"),
    ],
)
async def test_a_wrong_question_is_refused(api: kit.Api, path: str, params: dict[str, str], code: str, field: str):
    kit.problem(await api.get(path, role="reader", params=params), 422, code, field)
    kit.problem(await api.get(path, role="warehouse_operator", params=params), 403, "SCOPE_MISSING")


@pytest.mark.parametrize("params", [{"level": "parcel"}, {"per": "week"}, {"by": ""}, {"by": "x" * 33}, {"by": "a\x00b"}])
async def test_an_unknown_level_period_or_label_is_refused(api: kit.Api, params: dict[str, str]):
    kit.problem(await api.get(FULFILMENT, role="reader", params=params), 422, "INVALID_CONTENT", next(iter(params)))


async def test_the_ends_of_time_are_no_defect(api: kit.Api):
    for path in (FULFILMENT, LINES):
        params = {"from": "0001-01-01", "to": "9999-12-31"}
        assert (await api.get(path, role="reader", params=params)).status_code == 200
        kit.problem(await api.get(path, role="reader", params={"as_of": "9999-12-31T23:59:59-14:00"}), 422, "INVALID_CONTENT", "as_of")
    kit.problem(await api.get(LINES, role="reader", params={"cursor": "x"}), 400, "INVALID_CURSOR")
