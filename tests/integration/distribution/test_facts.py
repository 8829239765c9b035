"""What sources tell of orders over HTTP, in any order and twice, and every way to get it wrong."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

import pytest
from sqlalchemy import text

from shared.db.transaction import Database
from shared.ids import new_id
from tests import kit
from tests.integration.distribution.calling import NOON, blanket, codes, fact, line, order, placed, seen, send
from tests.integration.distribution.ordering import stored

LINE: dict[str, Any] = {"line_no": 1, "sku": "A", "quantity": "10", "net_amount": {"amount": "25.00", "currency": "EUR"}}
PATHS = ["approvals", "shipments", "deliveries", "cancellations"]
IDS = {"approvals": "approval_id", "shipments": "shipment_id", "deliveries": "delivery_id", "cancellations": "cancellation_id"}


def named(line_no: int, quantity: str | None = None, **said: Any) -> dict[str, Any]:
    return {"line_no": line_no} | ({} if quantity is None else {"quantity": quantity}) | said


@pytest.mark.parametrize("seed", range(4))
async def test_facts_in_any_order_and_twice_give_one_state(api: kit.Api, database: Database, seed: int):
    assert await told_in(api, database, Random(seed) if seed else None) == {
        "status": "delivered",
        "order_value": {"amount": "28.33", "currency": "EUR"},
        "approved_at": "2017-05-03T00:00:00Z",
        "promise_date": "2017-05-09",
        "lines": [
            (1, "10", "10", "0", "2017-05-05", "delivered"),
            (2, "1", "0", "1", None, "cancelled"),
            (3, "2", "2", "2", "2017-05-05", "delivered"),
        ],
        "cancelled": Decimal("3.33"),
    }


async def told_in(api: kit.Api, database: Database, shuffle: Random | None) -> dict[str, Any]:
    """The order, and the value that is cancelled of it, after all is told in this order, a few things twice."""
    order_id = await placed(api, database, promise_date="2017-05-09")
    day = {number: f"2017-05-0{number}T00:00:00Z" for number in range(1, 10)}
    ids = {name: str(new_id()) for name in "abcdefghij"}
    things: list[tuple[str, dict[str, Any]]] = [
        ("order-lines", line(order_id, 1, order_line_id=ids["a"])),
        ("order-lines", line(order_id, 2, "1", "0.33", order_line_id=ids["b"])),
        ("order-lines", line(order_id, 3, "2", "3.00", order_line_id=ids["c"])),
        ("approvals", fact(order_id, approval_id=ids["d"]) | {"occurred_at": day[3]}),
        ("shipments", fact(order_id, shipment_id=ids["e"]) | {"occurred_at": day[2]}),
        ("shipments", fact(order_id, shipment_id=ids["f"], lines=[named(1, "4")])),
        ("deliveries", fact(order_id, delivery_id=ids["g"], shipment_id=ids["e"], lines=[named(1, "6")]) | {"occurred_at": day[4]}),
        ("deliveries", fact(order_id, delivery_id=ids["h"], lines=[named(1), named(3)]) | {"occurred_at": day[5]}),
        ("cancellations", fact(order_id, cancellation_id=ids["i"], lines=[named(2), named(3, "1")]) | {"occurred_at": day[6]}),
        ("cancellations", fact(order_id, cancellation_id=ids["j"], lines=[{"order_line_id": ids["c"], "quantity": "1"}])),
    ]
    waiting = list(things)
    if shuffle is not None:
        waiting += shuffle.sample(things, 3)
        shuffle.shuffle(waiting)
    while waiting:
        path, item = waiting.pop(0)
        (code,) = codes(await send(api, path, item))
        if code == "NOT_KNOWN_YET":
            waiting.append((path, item))
        else:
            assert code in {"created", "unchanged"}
    found = await seen(api, order_id)
    lines = [
        tuple(each[name] for name in ("line_no", "shipped_quantity", "delivered_quantity", "cancelled_quantity", "delivered_on", "status"))
        for each in found["lines"]
    ]
    async with database.transaction() as tx:
        row = await tx.first(text("SELECT sum(value) FROM line_cancellations WHERE order_id = :id"), {"id": order_id})
        assert row is not None
    state = {name: found[name] for name in ("status", "order_value", "approved_at", "promise_date")}
    return state | {"lines": lines, "cancelled": row[0]}


@pytest.mark.parametrize("path", PATHS)
async def test_a_fact_is_recorded_once_and_another_content_is_a_conflict(api: kit.Api, database: Database, path: str):
    order_id, other = await placed(api, database, LINE), await placed(api, database, LINE)
    item = fact(order_id, source="shop", external_id=str(new_id()))
    results = await send(api, path, item, item, item | {"occurred_at": "2017-05-02T14:00:00+02:00"})
    assert codes(results) == ["created", "unchanged", "unchanged"]
    assert {result["id"] for result in results} == {results[0]["id"]}
    conflict = f"{IDS[path].removesuffix('_id').upper()}_ALREADY_RECORDED"
    changed = [item | {"estimated": True}, item | {"occurred_at": "2017-05-03T00:00:00Z"}, item | {"order_id": other}]
    assert codes(await send(api, path, *changed)) == [conflict] * 3
    if path != "approvals":
        assert codes(await send(api, path, item | {"lines": [named(1)]})) == [conflict]


@pytest.mark.parametrize("path", PATHS[1:])
async def test_a_whole_fact_takes_in_a_line_that_comes_later_and_is_the_same_again(api: kit.Api, database: Database, path: str):
    order_id = await placed(api, database, LINE)
    item = fact(order_id, **{IDS[path]: str(new_id())})
    assert codes(await send(api, path, item)) == ["created"]
    assert codes(await send(api, "order-lines", line(order_id, 2, "3"))) == ["created"]
    assert codes(await send(api, path, item)) == ["unchanged"]
    kind = {"shipments": "shipped", "deliveries": "delivered", "cancellations": "cancelled"}[path]
    found = await seen(api, order_id)
    assert ([each[f"{kind}_quantity"] for each in found["lines"]], found["status"]) == (["10", "3"], kind)
    async with database.transaction() as tx:
        topics = [row.topic for row in await tx.all(text("SELECT topic FROM outbox ORDER BY id DESC LIMIT 2"))]
    assert topics == [f"order-{kind}", "order-promised"]


@pytest.mark.parametrize("path", PATHS)
async def test_a_fact_of_an_order_or_line_that_nobody_knows_may_be_sent_again(api: kit.Api, database: Database, path: str):
    deal = await blanket(database)
    order_id = str(new_id())
    item = fact(order_id, **{IDS[path]: str(new_id())})
    assert codes(await send(api, path, item)) == ["NOT_KNOWN_YET"]
    await send(api, "orders", order(deal, "1", order_id=order_id))
    assert codes(await send(api, path, item)) == ["created"]
    if path != "approvals":
        part = fact(order_id, **{IDS[path]: str(new_id())}, lines=[named(1)])
        assert codes(await send(api, path, part)) == ["NOT_KNOWN_YET"]


async def test_an_order_without_lines_is_delivered_by_a_delivery_of_the_whole(api: kit.Api, database: Database):
    order_id = await placed(api, database, time_zone="America/Sao_Paulo", promise_date="2017-05-02")
    await send(api, "deliveries", fact(order_id, day_only=True, reported_at="2017-06-01T00:00:00Z"))
    assert (await seen(api, order_id))["status"] == "delivered"
    (delivered,) = (await api.get(f"/v1/orders/{order_id}/deliveries", role="reader")).json()["items"]
    assert (delivered["whole_order"], delivered["day_only"], delivered["reported_at"]) == (True, True, "2017-06-01T00:00:00Z")
    assert (delivered["lines"], delivered["occurred_at"]) == ([], NOON)
    await send(api, "shipments", fact(order_id, carrier_code="DHL", estimated=True))
    (shipped,) = (await api.get(f"/v1/orders/{order_id}/shipments", role="reader")).json()["items"]
    assert (shipped["whole_order"], shipped["carrier_code"], shipped["estimated"]) == (True, "DHL", True)


async def test_a_delivery_may_be_told_before_the_shipment_it_came_with(api: kit.Api, database: Database):
    order_id, shipment_id = await placed(api, database, LINE), str(new_id())
    assert codes(await send(api, "deliveries", fact(order_id, shipment_id=shipment_id))) == ["created"]
    assert codes(await send(api, "shipments", fact(order_id, shipment_id=shipment_id))) == ["created"]
    assert [each["shipped_quantity"] for each in (await seen(api, order_id))["lines"]] == ["10"]


async def test_facts_of_an_order_that_follows_its_deal_are_facts_too(api: kit.Api, database: Database):
    own = await stored(database)
    assert codes(await send(api, "deliveries", fact(own.order_id))) == ["created"]
    assert (await seen(api, str(own.order_id)))["status"] == "delivered"


@pytest.mark.parametrize(
    ("path", "said", "code", "field"),
    [
        ("shipments", {"lines": []}, None, "/lines"),
        ("shipments", {"lines": [named(1, "11")]}, "QUANTITY_EXCEEDS_ORDERED", None),
        ("shipments", {"lines": [named(2)]}, "SERVICE_NEEDS_NO_SHIPMENT", None),
        ("shipments", {"lines": [named(1), named(1)]}, None, "/lines/1/line_no"),
        ("shipments", {"lines": [{}]}, None, "/lines/0/line_no"),
        ("shipments", {"carrier_code": ""}, None, "/carrier_code"),
        ("shipments", {"expected_delivery_date": "Pre-PQ Process"}, None, "/expected_delivery_date"),
        ("deliveries", {"occurred_at": "Date Not Captured"}, None, "/occurred_at"),
        ("deliveries", {"occurred_at": None}, None, "/occurred_at"),
        ("deliveries", {"occurred_at": "2099-01-01T00:00:00Z"}, None, "/occurred_at"),
        ("deliveries", {"reported_at": "0001-01-01T00:00:00Z"}, None, "/reported_at"),
        ("deliveries", {"lines": [named(1, "1", damaged_quantity="2")]}, None, "/lines/0/damaged_quantity"),
        ("deliveries", {"lines": [named(1, damaged_quantity="2")]}, None, "/lines/0/quantity"),
        ("deliveries", {"lines": [named(1, "0")]}, None, "/lines/0/quantity"),
        ("cancellations", {"cause": "customer_refused"}, None, "/cause"),
        ("cancellations", {"lines": [named(1, "10.1")]}, "QUANTITY_EXCEEDS_ORDERED", None),
        ("cancellations", {"lines": [named(1, "-1")]}, None, "/lines/0/quantity"),
        ("approvals", {"external_id": "1"}, None, "/source"),
        ("approvals", {"approval_id": "1"}, None, "/approval_id"),
        ("approvals", {"by": "me"}, None, "/by"),
    ],
)
async def test_a_malformed_fact_is_refused_alone(
    api: kit.Api, database: Database, *, path: str, said: dict[str, Any], code: str | None, field: str | None
):
    order_id = await placed(api, database, LINE, LINE | {"line_no": 2, "fulfilment_type": "service"})
    bad, good = await send(api, path, fact(order_id, **said), fact(order_id))
    assert (bad["status"], good["status"]) == ("failed", "created")
    assert code in {None, bad["problem"]["code"]}
    assert field is None or field in [error["field"] for error in bad["problem"]["errors"]]
