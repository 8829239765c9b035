"""Calling off under blanket deals over HTTP: one by one and many, once and twice, and every way to get it wrong."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from services.distribution.calloffs import usecases
from services.distribution.calloffs.domain import AskedLine, CallOff
from services.distribution.orders.usecases import Asked
from shared.db.transaction import Database, Transaction
from shared.events.distribution.orders import OrderCancelled, OrderPromised
from shared.ids import derived_id, new_id
from tests import kit
from tests.integration.distribution.calling import NOON, blanket, codes, hear, line, order, placed, seen, send
from tests.integration.distribution.ordering import closing, counted, stored, told
from tests.unit.distribution.calling import euros
from tests.unit.distribution.closings import make_closed

LINE: dict[str, Any] = {"line_no": 1, "sku": "A", "quantity": "2", "net_unit_price": {"amount": "1.25", "currency": "EUR"}}
MANAGER = "distribution_manager"


async def test_an_order_is_called_off_under_a_blanket_deal_and_again_it_is_the_same(api: kit.Api, database: Database):
    deal = await blanket(database)
    body = {"source": str(deal.deal_id), "external_id": "7", "lines": [LINE], "labels": {"seller": "x"}, "occurred_at": NOON}
    first = await api.post(f"/v1/deals/{deal.deal_id}/orders", role=MANAGER, json=body)
    assert (first.status_code, first.headers["ETag"]) == (201, '"v1"')
    found = first.json()
    assert found["order_id"] == str(derived_id(str(deal.deal_id), "order", "7"))
    assert (found["call_off"], found["lead_id"], found["status"]) == (True, str(deal.lead_id), "received")
    assert (found["order_value"], found["labels"]) == ({"amount": "2.50", "currency": "EUR"}, {"seller": "x"})
    again = await api.post(f"/v1/deals/{deal.deal_id}/orders", role=MANAGER, json=body)
    assert (again.status_code, again.json()) == (200, found)
    other = await api.post(f"/v1/deals/{deal.deal_id}/orders", role=MANAGER, json=body | {"labels": {}})
    kit.problem(other, 409, "ORDER_ALREADY_RECORDED")
    renamed = await api.post(f"/v1/deals/{deal.deal_id}/orders", role=MANAGER, json=body | {"order_id": str(new_id())})
    kit.problem(renamed, 409, "ORDER_ALREADY_RECORDED")


async def test_only_under_a_won_blanket_deal_can_be_called_off(api: kit.Api, database: Database):
    lost, own = closing(lost=True), closing()
    await hear(database, lost, own)
    for deal_id, code in ((new_id(), "NOT_KNOWN_YET"), (lost.deal_id, "DEAL_NOT_WON"), (own.deal_id, "DEAL_NOT_BLANKET")):
        kit.problem(await api.post(f"/v1/deals/{deal_id}/orders", role=MANAGER, json={"lines": [LINE]}), 409, code)
    items = [order(deal, "1") for deal in (lost, own)] + [order(closing(blanket=True), "1")]
    assert codes(await send(api, "orders", *items)) == ["DEAL_NOT_WON", "DEAL_NOT_BLANKET", "NOT_KNOWN_YET"]


@pytest.mark.parametrize(
    ("said", "code", "field"),
    [
        ({"currency": None}, "CURRENCY_REQUIRED", "/currency"),
        ({"currency": "euro"}, "INVALID_CONTENT", "/currency"),
        ({"source": None}, "SOURCE_REQUIRED", "/source"),
        ({"time_zone": "Mars"}, "UNKNOWN_TIME_ZONE", "/time_zone"),
        ({"occurred_at": "2099-01-01T00:00:00Z"}, "OCCURRED_IN_FUTURE", "/occurred_at"),
        ({"occurred_at": "1750-01-01T00:00:00Z"}, "OCCURRED_TOO_EARLY", "/occurred_at"),
        ({"promise_date": "N/A"}, "INVALID_CONTENT", "/promise_date"),
        ({"labels": {"x": "y" * 121}}, "INVALID_CONTENT", "/labels/x"),
        ({"mood": 1}, "INVALID_CONTENT", "/mood"),
        ({"lines": [LINE, LINE]}, "DUPLICATE_LINE", "/lines"),
        ({"lines": [LINE | {"sku": None}]}, "PRODUCT_REQUIRED", "/lines/0/sku"),
        ({"lines": [LINE | {"net_unit_price": None}]}, "PRICE_REQUIRED", "/lines/0/net_amount"),
        ({"lines": [LINE | {"quantity": "0"}]}, "INVALID_CONTENT", "/lines/0/quantity"),
        ({"lines": [LINE | {"external_id": "x", "source": None}], "source": None, "external_id": None}, "SOURCE_REQUIRED", "/source"),
        ({"lines": [LINE | {"ship_by": "9999-01-01T00:00:00Z"}]}, "INVALID_CONTENT", "/lines/0/ship_by"),
        ({"lines": [LINE | {"freight_amount": {"amount": "-1", "currency": "EUR"}}]}, "INVALID_CONTENT", "/lines/0/freight_amount/amount"),
        ({"lines": [LINE | {"freight_amount": {"amount": "1", "currency": "USD"}}]}, "CURRENCY_DIFFERS", "/lines/0/freight_amount"),
    ],
)
async def test_a_malformed_call_off_is_refused_alone(api: kit.Api, database: Database, *, said: dict[str, Any], code: str, field: str):
    deal = await blanket(database)
    item = order(deal, "1", **said)
    kit.problem(
        await api.post(
            f"/v1/deals/{deal.deal_id}/orders", role=MANAGER, json={name: value for name, value in item.items() if name != "deal_id"}
        ),
        422,
        code,
        field,
    )
    bad, good = await send(api, "orders", item, order(deal, "2"))
    assert (bad["status"], [error["field"] for error in bad["problem"]["errors"]], good["status"]) == ("failed", [field], "created")


async def test_many_orders_at_once_are_each_one_effect(api: kit.Api, database: Database):
    deal = await blanket(database)
    one, two = order(deal, "1", lines=[LINE]), order(deal, "2", lines=[LINE | {"external_id": "2/1"}])
    results = await send(api, "orders", one, two, one, two | {"customer_id": str(new_id())})
    assert codes(results) == ["created", "created", "unchanged", "ORDER_ALREADY_RECORDED"]
    assert [result["version"] for result in results[:3]] == [1, 1, 1]
    assert codes(await send(api, "orders", two, one)) == ["unchanged", "unchanged"]
    taken = order(deal, "3", lines=[LINE | {"external_id": "2/1"}])
    assert codes(await send(api, "orders", taken)) == ["ORDER_LINE_ALREADY_RECORDED"]


async def test_the_same_batch_at_the_same_moment_is_one_effect(api: kit.Api, database: Database):
    deal = await blanket(database)
    items = [order(deal, str(number), lines=[LINE]) for number in range(20)]
    both = await asyncio.gather(*(send(api, "orders", *batch) for batch in (items, items[::-1])))
    assert sorted(codes(both[0]) + codes(both[1])) == ["created"] * 20 + ["unchanged"] * 20


async def test_lines_are_added_to_a_call_off_one_by_one_and_many_at_once(api: kit.Api, database: Database):
    order_id = await placed(api, database, promise_date="2017-05-10")
    first = await api.post(f"/v1/orders/{order_id}/lines", role=MANAGER, if_match=1, json=LINE)
    assert (first.status_code, first.headers["ETag"]) == (201, '"v2"')
    again = await api.post(f"/v1/orders/{order_id}/lines", role=MANAGER, if_match=2, json=LINE)
    assert (again.status_code, again.json()) == (200, first.json())
    kit.problem(await api.post(f"/v1/orders/{order_id}/lines", role=MANAGER, if_match=1, json=LINE), 412, "STALE")
    kit.problem(await api.post(f"/v1/orders/{order_id}/lines", role=MANAGER, json=LINE), 428, "IF_MATCH_REQUIRED")
    kit.problem(await api.post(f"/v1/orders/{new_id()}/lines", role=MANAGER, if_match=1, json=LINE), 404, "NOT_FOUND")
    many = [line(order_id, number, "1", "0.33", labels={"seller": str(number)}) for number in range(2, 22)]
    results = await send(api, "order-lines", *many, many[0])
    assert codes(results) == ["created"] * 20 + ["unchanged"]
    assert {result["version"] for result in results} == {3}
    found = await seen(api, order_id)
    assert (len(found["lines"]), found["order_value"]["amount"], found["version"]) == (21, "9.10", 3)
    assert {each["promise_date"] for each in found["lines"]} == {"2017-05-10"}
    assert [each["labels"] for each in found["lines"]][-1] == {"seller": "21"}


async def test_a_line_that_cannot_be_added_is_refused_alone(api: kit.Api, database: Database):
    order_id = await placed(api, database, LINE | {"order_line_id": str(new_id())})
    own = await stored(database)
    items = [
        line(order_id, 1),
        line(own.order_id, 2),
        line(new_id(), 1),
        line(order_id, 3, net_amount={"amount": "1", "currency": "USD"}),
        line(order_id, 4, external_id="x"),
        line(order_id, 5, net_amount=None),
        line(order_id, None),
        line(order_id, 2),
    ]
    assert codes(await send(api, "order-lines", *items)) == [
        "LINE_NUMBER_TAKEN",
        "ORDER_FOLLOWS_DEAL",
        "NOT_KNOWN_YET",
        "CURRENCY_DIFFERS",
        "SOURCE_REQUIRED",
        "PRICE_REQUIRED",
        "created",
        "LINE_NUMBER_TAKEN",
    ]


async def test_what_is_told_of_a_call_off_is_one_promise_per_order_and_batch(tx: Transaction):
    deal = closing(blanket=True)
    await usecases.open_orders(tx, [kit.received(deal, at=deal.closed_at)])
    cause = kit.cause()
    order_id = new_id()
    asked = AskedLine(line_no=1, sku="A", quantity=Decimal(2), net_amount=euros("4.00"))
    call = CallOff(order_id=order_id, deal_id=deal.deal_id, currency="EUR", source="s", external_id="1", lines=(asked,))
    await usecases.call_off_orders(tx, [Asked(command=call, cause=cause)] * 2)
    lines = [AskedLine(order_line_id=new_id(), line_no=no, sku="A", quantity=Decimal(1), net_amount=euros("1.00")) for no in (2, 3)]
    await usecases.add_lines(tx, [Asked(command=usecases.AddLine(order_id=order_id, line=each), cause=cause) for each in lines])
    events = told(tx)
    assert [type(event) for event in events] == [OrderPromised, OrderPromised]
    assert [len(event.lines) for event in events] == [1, 3]
    assert (events[1].order_value, events[1].cause) == (euros("6.00"), "received")
    lost = make_closed(lost=True, version=2, deal_id=deal.deal_id, lead_id=deal.lead_id)
    for _ in range(2):
        await usecases.open_orders(tx, [kit.received(lost, at=lost.closed_at)])
    assert [type(event) for event in told(tx)[2:]] == [OrderCancelled]
    event = told(tx)[2]
    assert (event.cause, event.whole_order, event.cancelled_value, event.cancelled_at) == (
        "deal_reopened",
        True,
        euros("6.00"),
        lost.closed_at,
    )
    won = make_closed(blanket=True, version=3, deal_id=deal.deal_id, lead_id=deal.lead_id)
    await usecases.open_orders(tx, [kit.received(won, at=won.closed_at)])
    assert (type(told(tx)[3]), told(tx)[3].lines[0].status) == (OrderPromised, "received")
    assert await tx.flush() == 4


async def test_an_order_of_a_lost_deal_gets_no_more_lines(api: kit.Api, database: Database):
    deal = await blanket(database)
    (result,) = await send(api, "orders", order(deal, "1"))
    await hear(database, make_closed(lost=True, version=2, deal_id=deal.deal_id, lead_id=deal.lead_id))
    assert codes(await send(api, "order-lines", line(result["id"], 1))) == ["DEAL_NOT_WON"]
    found = await seen(api, result["id"])
    assert (found["status"], found["standing"]) == ("cancelled", False)


async def test_an_order_is_approved_once(api: kit.Api, database: Database):
    order_id = await placed(api, database, LINE)
    path = f"/v1/orders/{order_id}/approve"
    kit.problem(await api.post(path, role=MANAGER, json={}), 428, "IF_MATCH_REQUIRED")
    kit.problem(await api.post(path, role=MANAGER, if_match=9, json={}), 412, "STALE")
    kit.problem(await api.post(path, role=MANAGER, if_match=1, json={"why": "x"}), 422, "INVALID_CONTENT", "/why")
    done = await api.post(path, role=MANAGER, if_match=1, json={"occurred_at": NOON})
    assert (done.status_code, done.headers["ETag"], done.json()["approved_at"]) == (200, '"v2"', NOON)
    kit.problem(await api.post(path, role=MANAGER, if_match=2, json={}), 409, "ORDER_ALREADY_APPROVED")
    kit.problem(await api.post(f"/v1/orders/{new_id()}/approve", role=MANAGER, if_match=1, json={}), 404, "NOT_FOUND")
    dropped = await placed(api, database, LINE)
    await api.post(f"/v1/orders/{dropped}/cancel", role=MANAGER, if_match=1, json={"cause": "imported"})
    kit.problem(await api.post(f"/v1/orders/{dropped}/approve", role=MANAGER, if_match=2, json={}), 409, "NOTHING_OPEN")


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("/v1/deals/{id}/orders", "reader"),
        ("/v1/orders/batch", "warehouse_operator"),
        ("/v1/orders/{id}/lines", "warehouse_operator"),
        ("/v1/order-lines/batch", "reader"),
        ("/v1/orders/{id}/approve", "warehouse_operator"),
        ("/v1/approvals/batch", "reader"),
        ("/v1/cancellations/batch", "warehouse_operator"),
        ("/v1/shipments/batch", "distribution_manager"),
        ("/v1/deliveries/batch", "distribution_manager"),
    ],
)
async def test_who_lacks_the_scope_is_refused(api: kit.Api, path: str, role: str):
    kit.problem(await api.post(path.replace("{id}", str(new_id())), role=role, if_match=1), 403, "SCOPE_MISSING")


@pytest.mark.parametrize("path", ["orders", "order-lines", "approvals", "shipments", "deliveries", "cancellations"])
async def test_a_bulk_command_has_1_to_500_items(api: kit.Api, path: str):
    for items in ([], [{}] * 501):
        kit.problem(await api.post(f"/v1/{path}/batch", role="importer", json={"items": items}), 422, "INVALID_CONTENT", "/items")
    (result,) = await send(api, path, {})
    assert result["status"] == "failed"


async def test_the_number_of_statements_does_not_grow_with_the_batch(api: kit.Api, database: Database):
    numbers: list[list[int]] = []
    for size in (1, 50):
        deal = await blanket(database)
        sent: list[int] = []
        ids = [str(new_id()) for _ in range(size)]
        for path, items in [
            ("orders", [order(deal, each, order_id=each, lines=[LINE]) for each in ids]),
            ("deliveries", [{"order_id": each, "occurred_at": NOON} for each in ids]),
            ("shipments", [{"order_id": each, "occurred_at": NOON} for each in ids]),
            ("cancellations", [{"order_id": each, "occurred_at": NOON} for each in ids]),
            ("approvals", [{"order_id": each, "occurred_at": NOON} for each in ids]),
            ("order-lines", [line(each, 2) for each in ids]),
        ]:
            async with counted(database) as statements:
                assert set(codes(await send(api, path, *items))) == {"created"}
            sent.append(len(statements))
        numbers.append(sent)
    assert numbers[0] == numbers[1]
