"""Shipments and deliveries over HTTP, and every way to get them wrong."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from services.distribution.cancellations import usecases as cancellations
from services.distribution.deliveries import usecases as deliveries
from services.distribution.deliveries.domain import Receipt
from services.distribution.orders import usecases as orders
from services.distribution.shipments import usecases
from shared.db.transaction import Database, Transaction
from shared.errors import Refusal
from shared.events.distribution.orders import OrderDelivered, OrderPromised, OrderShipped
from shared.ids import new_id
from tests import kit
from tests.integration.distribution.ordering import opened, stored, told
from tests.unit.distribution.closings import DAY, make_deal_line

OPERATOR = "warehouse_operator"
SHIP: dict[str, Any] = {"shipment_id": None, "carrier_code": None, "expected_delivery_date": None, "expected": None}
DELIVER: dict[str, Any] = {"delivery_id": None, "shipment_id": None, "receipt_confirmed": None, "expected": None}


def line(number: int, quantity: str, **parts: str) -> dict[str, Any]:
    return {"line_no": number, "quantity": quantity} | parts


async def test_an_order_is_shipped_and_delivered_in_parts(api: kit.Api, database: Database):
    order = await stored(database, make_deal_line(1, requested_date=DAY), make_deal_line(2, "1", fulfilment_type="service"))
    path = f"/v1/orders/{order.order_id}"
    body = {
        "lines": [line(1, "4")],
        "carrier_code": "DHL",
        "expected_delivery_date": "2026-03-09",
        "occurred_at": "2026-03-08T10:00:00+02:00",
    }
    first = await api.post(f"{path}/shipments", role=OPERATOR, if_match=1, json=body)
    assert (first.status_code, first.headers["ETag"]) == (201, '"v2"')
    assert (first.json()["order_status"], first.json()["occurred_at"]) == ("shipped", "2026-03-08T08:00:00Z")
    second = await api.post(f"{path}/shipments", role=OPERATOR, if_match=2, json={})
    assert (second.json()["order_status"], [part["quantity"] for part in second.json()["lines"]]) == ("shipped", ["6"])
    shipment_id = first.json()["shipment_id"]
    body = {"shipment_id": shipment_id, "receipt_confirmed": True, "occurred_at": "2026-03-09T10:00:00Z"}
    arrived = await api.post(f"{path}/deliveries", role=OPERATOR, if_match=3, json=body)
    assert (arrived.status_code, arrived.headers["ETag"], arrived.json()["shipment_id"]) == (201, '"v4"', shipment_id)
    assert [part["delivered_on"] for part in arrived.json()["lines"]] == ["2026-03-09"]
    rest = await api.post(
        f"{path}/deliveries", role=OPERATOR, if_match=4, json={"lines": [line(1, "6", damaged_quantity="1"), line(2, "1")]}
    )
    assert rest.json()["order_status"] == "delivered"
    found = (await api.get(path, role=OPERATOR)).json()
    assert [(each["shipped_quantity"], each["delivered_quantity"], each["status"]) for each in found["lines"]] == [
        ("10", "10", "delivered"),
        ("0", "1", "delivered"),
    ]
    listed = (await api.get(f"{path}/shipments", role=OPERATOR)).json()["items"]
    assert [(each["carrier_code"], each["lines"][0]["quantity"]) for each in listed] == [("DHL", "4"), (None, "6")]
    listed = (await api.get(f"{path}/deliveries", role=OPERATOR, params={"page_size": 1})).json()
    assert ([each["receipt_confirmed"] for each in listed["items"]], listed["next"] is None) == ([True], False)
    rest = (await api.get(f"{path}/deliveries", role=OPERATOR, params={"page_size": 1, "cursor": listed["next"]})).json()
    assert sorted(each["accepted_quantity"] for each in rest["items"][0]["lines"]) == ["1", "5"]


async def test_what_leaves_and_arrives_is_told(tx: Transaction):
    order = await opened(tx, make_deal_line(1, requested_date=DAY))
    at = datetime(2026, 3, 10, 23, 59, tzinfo=UTC)
    order, shipment = await usecases.ship_order(tx, order.order_id, None, **SHIP, cause=kit.cause(at=at))
    said: dict[str, Any] = DELIVER | {"shipment_id": shipment.shipment_id}
    order, delivery = await deliveries.deliver_order(tx, order.order_id, None, **said, cause=kit.cause(at=at))
    promised, shipped, delivered = told(tx)
    assert (type(promised), type(shipped), type(delivered)) == (OrderPromised, OrderShipped, OrderDelivered)
    assert (shipped.shipped_at, shipped.final_shipment, shipped.shipment_id) == (at, True, shipment.shipment_id)
    assert (delivered.delivered_at, delivered.delivered_local_date, delivered.delivery_id) == (at, DAY, delivery.delivery_id)
    assert (delivered.order_complete, delivered.order_on_time, delivered.order_in_full) == (True, True, True)
    assert (order.status, order.version) == ("delivered", 3)
    assert await tx.flush() == 3
    assert (shipment.occurred_at, shipment.recorded_at) == (at, tx.now)


async def test_the_quantities_of_an_order_are_the_sums_of_its_facts(tx: Transaction):
    order = await opened(tx, make_deal_line(1, "10"))
    for quantity in ("1", "2.5", "0.125"):
        await deliveries.deliver_order(tx, order.order_id, [Receipt(line_no=1, quantity=Decimal(quantity))], **DELIVER, cause=kit.cause())
        await usecases.ship_order(tx, order.order_id, [(1, Decimal(quantity))], **SHIP, cause=kit.cause())
    await cancellations.cancel_order(tx, order.order_id, [(1, Decimal(6))], expected=None, cause=kit.cause())
    (now,) = (await orders.get_order(tx, order.order_id)).lines
    for table, recorded in [
        ("shipment_lines", now.shipped_quantity),
        ("delivery_lines", now.delivered_quantity),
        ("line_cancellations", now.cancelled_quantity),
    ]:
        row = await tx.first(text(f"SELECT sum(quantity) FROM {table} WHERE order_line_id = :id"), {"id": now.order_line_id})
        assert row is not None
        assert row[0] == recorded


async def test_the_same_shipment_again_has_no_second_effect(api: kit.Api, database: Database):
    order, other = await stored(database), await stored(database)
    body = {"shipment_id": str(new_id()), "lines": [line(1, "4")], "occurred_at": "2026-03-08T10:00:00Z"}
    first = await api.post(f"/v1/orders/{order.order_id}/shipments", role=OPERATOR, if_match=1, json=body)
    again = await api.post(f"/v1/orders/{order.order_id}/shipments", role=OPERATOR, if_match=2, json=body)
    assert (again.status_code, again.json()) == (201, first.json())
    for changed in ({"lines": [line(1, "5")]}, {"carrier_code": "UPS"}, {"occurred_at": "2026-03-08T10:00:01Z"}):
        answer = await api.post(f"/v1/orders/{order.order_id}/shipments", role=OPERATOR, if_match=2, json=body | changed)
        kit.problem(answer, 409, "SHIPMENT_ALREADY_RECORDED")
    answer = await api.post(f"/v1/orders/{other.order_id}/shipments", role=OPERATOR, if_match=1, json=body)
    kit.problem(answer, 409, "SHIPMENT_ALREADY_RECORDED")


async def test_the_same_delivery_again_has_no_second_effect(api: kit.Api, database: Database):
    order, other = await stored(database), await stored(database)
    body = {"delivery_id": str(new_id()), "lines": [line(1, "4")]}
    first = await api.post(f"/v1/orders/{order.order_id}/deliveries", role=OPERATOR, if_match=1, json=body)
    again = await api.post(f"/v1/orders/{order.order_id}/deliveries", role=OPERATOR, if_match=2, json=body)
    assert (again.status_code, again.json()) == (201, first.json())
    answer = await api.post(f"/v1/orders/{order.order_id}/deliveries", role=OPERATOR, if_match=2, json=body | {"receipt_confirmed": False})
    kit.problem(answer, 409, "DELIVERY_ALREADY_RECORDED")
    answer = await api.post(f"/v1/orders/{other.order_id}/deliveries", role=OPERATOR, if_match=1, json=body)
    kit.problem(answer, 409, "DELIVERY_ALREADY_RECORDED")


@pytest.mark.parametrize(
    ("verb", "body", "code"),
    [
        ("shipments", {"lines": [line(1, "10.00000001")]}, "QUANTITY_EXCEEDS_OPEN"),
        ("shipments", {"lines": [line(2, "1")]}, "SERVICE_NEEDS_NO_SHIPMENT"),
        ("deliveries", {"lines": [line(1, "11")]}, "QUANTITY_EXCEEDS_ORDERED"),
    ],
)
async def test_a_quantity_that_the_order_does_not_allow_is_a_conflict(
    api: kit.Api, database: Database, verb: str, body: dict[str, Any], code: str
):
    order = await stored(database, make_deal_line(1), make_deal_line(2, fulfilment_type="service"))
    kit.problem(await api.post(f"/v1/orders/{order.order_id}/{verb}", role=OPERATOR, if_match=1, json=body), 409, code)


async def test_an_order_with_nothing_open_is_a_conflict(api: kit.Api, database: Database):
    order = await stored(database)
    path = f"/v1/orders/{order.order_id}"
    await api.post(f"{path}/cancel", role="distribution_manager", if_match=1, json={"cause": "imported"})
    for verb in ("shipments", "deliveries"):
        kit.problem(await api.post(f"{path}/{verb}", role=OPERATOR, if_match=2, json={}), 409, "NOTHING_OPEN")
    kit.problem(await api.post(f"{path}/cancel", role="importer", if_match=2, json={"cause": "imported"}), 409, "NOTHING_OPEN")


async def test_a_delivery_names_a_shipment_of_its_own_order_and_no_more_than_that_carries(api: kit.Api, database: Database):
    order, other = await stored(database), await stored(database)
    shipped = await api.post(f"/v1/orders/{order.order_id}/shipments", role=OPERATOR, if_match=1, json={"lines": [line(1, "4")]})
    named = {"shipment_id": shipped.json()["shipment_id"]}
    kit.problem(await api.post(f"/v1/orders/{other.order_id}/deliveries", role=OPERATOR, if_match=1, json=named), 404, "NOT_FOUND")
    unknown = {"shipment_id": str(new_id())}
    kit.problem(await api.post(f"/v1/orders/{order.order_id}/deliveries", role=OPERATOR, if_match=2, json=unknown), 404, "NOT_FOUND")
    path = f"/v1/orders/{order.order_id}/deliveries"
    assert (await api.post(path, role=OPERATOR, if_match=2, json=named | {"lines": [line(1, "3")]})).status_code == 201
    too_much = named | {"lines": [line(1, "2")]}
    kit.problem(await api.post(path, role=OPERATOR, if_match=3, json=too_much), 409, "QUANTITY_EXCEEDS_SHIPMENT")
    rest = await api.post(path, role=OPERATOR, if_match=3, json=named)
    assert [part["quantity"] for part in rest.json()["lines"]] == ["1"]


@pytest.mark.parametrize(
    ("verb", "body", "code", "field"),
    [
        ("shipments", {"lines": []}, "INVALID_CONTENT", "/lines"),
        ("shipments", {"lines": [line(1, "-1")]}, "INVALID_CONTENT", "/lines/0/quantity"),
        ("shipments", {"lines": [line(1, "Infinity")]}, "INVALID_CONTENT", "/lines/0/quantity"),
        ("shipments", {"lines": [line(1, "1", damaged_quantity="1")]}, "INVALID_CONTENT", "/lines/0/damaged_quantity"),
        ("shipments", {"lines": [line(9, "1")]}, "UNKNOWN_LINE", "/lines/0/line_no"),
        ("shipments", {"lines": [line(1, "1"), line(1, "1")]}, "LINE_NAMED_TWICE", "/lines/1/line_no"),
        ("shipments", {"shipment_id": "one"}, "INVALID_CONTENT", "/shipment_id"),
        ("shipments", {"carrier_code": "x" * 65}, "INVALID_CONTENT", "/carrier_code"),
        ("shipments", {"carrier_code": "a\x00"}, "INVALID_CONTENT", "/carrier_code"),
        ("shipments", {"expected_delivery_date": "N/A - From RDC"}, "INVALID_CONTENT", "/expected_delivery_date"),
        ("shipments", {"weight": 1}, "INVALID_CONTENT", "/weight"),
        ("shipments", {"occurred_at": "2099-01-01T00:00:00Z"}, "OCCURRED_IN_FUTURE", "/occurred_at"),
        ("deliveries", {"lines": []}, "INVALID_CONTENT", "/lines"),
        ("deliveries", {"lines": [line(1, "0")]}, "INVALID_CONTENT", "/lines/0/quantity"),
        ("deliveries", {"lines": [line(1, "1", damaged_quantity="-1")]}, "INVALID_CONTENT", "/lines/0/damaged_quantity"),
        ("deliveries", {"lines": [line(1, "1", accepted_quantity="2")]}, "EXCEEDS_QUANTITY", "/lines/0/accepted_quantity"),
        ("deliveries", {"lines": [line(1, "1", damaged_quantity="2")]}, "EXCEEDS_QUANTITY", "/lines/0/damaged_quantity"),
        ("deliveries", {"lines": [line(9, "1")]}, "UNKNOWN_LINE", "/lines/0/line_no"),
        ("deliveries", {"lines": [line(1, "1"), line(1, "1")]}, "LINE_NAMED_TWICE", "/lines/1/line_no"),
        ("deliveries", {"delivery_id": 5}, "INVALID_CONTENT", "/delivery_id"),
        ("deliveries", {"shipment_id": "one"}, "INVALID_CONTENT", "/shipment_id"),
        ("deliveries", {"receipt_confirmed": "perhaps"}, "INVALID_CONTENT", "/receipt_confirmed"),
        ("deliveries", {"signature": "x"}, "INVALID_CONTENT", "/signature"),
        ("deliveries", {"occurred_at": "Date Not Captured"}, "INVALID_CONTENT", "/occurred_at"),
    ],
)
async def test_a_malformed_shipment_or_delivery_is_refused(
    api: kit.Api, database: Database, *, verb: str, body: dict[str, Any], code: str, field: str
):
    order = await stored(database)
    kit.problem(await api.post(f"/v1/orders/{order.order_id}/{verb}", role=OPERATOR, if_match=1, json=body), 422, code, field)


async def test_of_two_shipments_of_the_last_piece_at_one_moment_exactly_one_leaves(database: Database):
    order = await stored(database, make_deal_line(1, "1"))

    async def ship() -> str:
        try:
            async with database.transaction() as tx:
                await usecases.ship_order(tx, order.order_id, [(1, Decimal(1))], **SHIP, cause=kit.cause())
                return "left"
        except Refusal as refusal:
            return refusal.code

    assert sorted(await asyncio.gather(ship(), ship(), ship())) == ["QUANTITY_EXCEEDS_OPEN", "QUANTITY_EXCEEDS_OPEN", "left"]
    async with database.transaction() as tx:
        (line_now,) = (await orders.get_order(tx, order.order_id)).lines
        assert line_now.shipped_quantity == 1


async def test_of_two_commands_that_saw_the_same_version_exactly_one_wins(api: kit.Api, database: Database):
    order = await stored(database)
    path = f"/v1/orders/{order.order_id}/deliveries"
    answers = await asyncio.gather(*(api.post(path, role=OPERATOR, if_match=1, json={"lines": [line(1, "1")]}) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [201, 412, 412]
