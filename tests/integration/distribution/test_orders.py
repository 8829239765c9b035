"""Orders over HTTP: read, promise, cancel, and every way to get it wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.distribution.cancellations import usecases as cancellations
from services.distribution.orders.domain import Order
from services.distribution.promises import usecases as promises
from shared.db.transaction import Database, Transaction
from shared.events.distribution.orders import OrderCancelled, OrderPromised
from shared.ids import new_id
from tests import kit
from tests.integration.distribution.ordering import opened, stored, told
from tests.unit.distribution.closings import DAY, NOON, make_deal_line

READER, MANAGER = "reader", "distribution_manager"


def day(offset: int = 0) -> str:
    return (DAY + timedelta(days=offset)).isoformat()


async def test_an_order_is_read_with_lines_quantities_and_status(api: kit.Api, database: Database):
    order = await stored(database, make_deal_line(1, requested_date=DAY), make_deal_line(2, "0.25", "4.00", fulfilment_type="service"))
    answer = await api.get(f"/v1/orders/{order.order_id}", role=READER)
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"v1"')
    body = answer.json()
    assert body | {"lines": ()} == {
        "order_id": str(order.order_id),
        "deal_id": str(order.deal_id),
        "lead_id": str(order.lead_id),
        "deal_version": 1,
        "call_off": False,
        "standing": True,
        "source": None,
        "external_id": None,
        "customer_id": None,
        "time_zone": "UTC",
        "status": "received",
        "order_value": {"amount": "26.00", "currency": "EUR"},
        "promise_date": day(),
        "received_at": "2026-03-02T12:00:00Z",
        "estimated": False,
        "approved_at": None,
        "recorded_at": body["recorded_at"],
        "labels": {},
        "blockers": [],
        "lines": (),
        "version": 1,
    }
    assert [
        {name: line[name] for name in ("line_no", "promised_quantity", "shipped_quantity", "cancelled_quantity", "net_amount")}
        for line in body["lines"]
    ] == [
        {
            "line_no": number,
            "promised_quantity": promised,
            "shipped_quantity": "0",
            "cancelled_quantity": "0",
            "net_amount": {"amount": amount, "currency": "EUR"},
        }
        for number, promised, amount in [(1, "10", "25.00"), (2, "0", "1.00")]
    ]
    unchanged = await api.get(f"/v1/orders/{order.order_id}", role=READER, headers={"If-None-Match": '"v1"'})
    assert unchanged.status_code == 304


async def test_orders_are_listed_by_deal_and_by_status_page_by_page(api: kit.Api, database: Database):
    orders = [await stored(database) for _ in range(3)]
    await api.post(f"/v1/orders/{orders[0].order_id}/cancel", role=MANAGER, if_match=1, json={"cause": "imported"})
    by_deal = await api.get("/v1/orders", role=READER, params={"deal_id": str(orders[1].deal_id)})
    assert [item["order_id"] for item in by_deal.json()["items"]] == [str(orders[1].order_id)]
    assert by_deal.json()["next"] is None
    cancelled = await api.get("/v1/orders", role=READER, params={"deal_id": str(orders[0].deal_id), "status": "cancelled"})
    assert [item["status"] for item in cancelled.json()["items"]] == ["cancelled"]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer = (await api.get("/v1/orders", role=READER, params={"page_size": 1, "status": "received"} | cursor)).json()
        seen += [item["order_id"] for item in answer["items"]]
        if answer["next"] is None:
            break
        cursor = {"cursor": answer["next"]}
    assert len(seen) == len(set(seen))
    assert {str(order.order_id) for order in orders[1:]} <= set(seen)


@pytest.mark.parametrize("query", [{"status": "lost"}, {"deal_id": "x"}, {"page_size": "0"}])
async def test_a_filter_that_is_none_is_refused(api: kit.Api, query: dict[str, str]):
    kit.problem(await api.get("/v1/orders", role=READER, params=query), 422, "INVALID_CONTENT", next(iter(query)))


async def test_a_foreign_cursor_is_refused(api: kit.Api):
    kit.problem(await api.get("/v1/orders", role=READER, params={"cursor": "eHh4"}), 400, "INVALID_CURSOR")


async def test_an_order_that_nobody_knows_is_not_found(api: kit.Api):
    for path in ("", "/shipments", "/deliveries"):
        kit.problem(await api.get(f"/v1/orders/{new_id()}{path}", role=READER), 404, "NOT_FOUND")
    for verb, body in [("promise", {"promise_date": day()}), ("cancel", {"cause": "imported"}), ("shipments", {}), ("deliveries", {})]:
        answer = await api.post(f"/v1/orders/{new_id()}/{verb}", role="importer", if_match=1, json=body)
        kit.problem(answer, 404, "NOT_FOUND")
    kit.problem(await api.get("/v1/orders/seven", role=READER), 422, "INVALID_CONTENT")


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("GET", "/v1/orders", "lead_source"),
        ("GET", "/v1/orders/{id}", "sales_rep"),
        ("GET", "/v1/orders/{id}/shipments", "sales_rep"),
        ("GET", "/v1/orders/{id}/deliveries", "sales_rep"),
        ("POST", "/v1/orders/{id}/promise", "warehouse_operator"),
        ("POST", "/v1/orders/{id}/cancel", "warehouse_operator"),
        ("POST", "/v1/orders/{id}/shipments", "distribution_manager"),
        ("POST", "/v1/orders/{id}/deliveries", "sales_manager"),
    ],
)
async def test_who_lacks_the_scope_is_refused(api: kit.Api, method: str, path: str, role: str):
    answer = await api.call(method, path.replace("{id}", str(new_id())), role=role, if_match=1)
    kit.problem(answer, 403, "SCOPE_MISSING")


async def test_a_promise_changes_the_day_and_keeps_the_former_one(api: kit.Api, database: Database):
    order = await stored(database, make_deal_line(1, requested_date=DAY), make_deal_line(2, requested_date=DAY))
    body: dict[str, Any] = {"lines": [{"line_no": 2, "promise_date": day(5)}], "cause": "customer_request"}
    answer = await api.post(f"/v1/orders/{order.order_id}/promise", role=MANAGER, if_match=1, json=body)
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"v2"')
    assert answer.json()["promise_date"] == day(5)
    assert [(line["previous_promise_date"], line["promise_date"]) for line in answer.json()["lines"]] == [(None, day()), (day(), day(5))]
    body = {"promise_date": day(9)}
    answer = await api.post(f"/v1/orders/{order.order_id}/promise", role=MANAGER, if_match=2, json=body)
    assert [line["promise_date"] for line in answer.json()["lines"]] == [day(9), day(9)]
    assert [line["previous_promise_date"] for line in answer.json()["lines"]] == [day(), day(5)]


async def test_a_promise_emits_one_event_and_none_if_no_day_changes(tx: Transaction):
    order = await opened(tx, make_deal_line(1, requested_date=DAY))
    later = DAY + timedelta(days=1)
    at = NOON + timedelta(hours=2)
    order = await promises.promise_order(tx, order.order_id, later, reason="replanned", expected=1, cause=kit.cause(at=at))
    event = told(tx)[-1]
    assert isinstance(event, OrderPromised)
    assert (event.cause, event.promise_date, event.lines[0].previous_promise_date) == ("replanned", later, DAY)
    early = kit.cause(at=NOON + timedelta(hours=1))
    order = await promises.promise_order(tx, order.order_id, DAY, reason="replanned", expected=None, cause=early)
    assert (order.promise_date, order.version, len(told(tx))) == (later, 3, 2)
    assert await tx.flush() == 2


async def test_a_promise_for_an_order_that_is_complete_is_refused(api: kit.Api, database: Database):
    order = await stored(database, make_deal_line(1), make_deal_line(2))
    path = f"/v1/orders/{order.order_id}"
    part = {"cause": "imported", "lines": [{"line_no": 1, "quantity": "10"}]}
    assert (await api.post(f"{path}/cancel", role=MANAGER, if_match=1, json=part)).status_code == 200
    line = {"lines": [{"line_no": 1, "promise_date": day()}]}
    kit.problem(await api.post(f"{path}/promise", role=MANAGER, if_match=2, json=line), 409, "LINE_COMPLETE")
    assert (await api.post(f"{path}/cancel", role=MANAGER, if_match=2, json={"cause": "imported"})).json()["status"] == "cancelled"
    kit.problem(await api.post(f"{path}/promise", role=MANAGER, if_match=3, json={"promise_date": day()}), 409, "NOTHING_OPEN")


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "LINES_OR_DATE", "/promise_date"),
        ({"promise_date": "2026-03-01", "lines": [{"line_no": 1, "promise_date": "2026-03-01"}]}, "LINES_OR_DATE", "/promise_date"),
        ({"lines": []}, "INVALID_CONTENT", "/lines"),
        ({"lines": [{"line_no": 1}]}, "INVALID_CONTENT", "/lines/0/promise_date"),
        ({"lines": [{"line_no": "one", "promise_date": "2026-03-01"}]}, "INVALID_CONTENT", "/lines/0/line_no"),
        ({"lines": [{"line_no": 8, "promise_date": "2026-03-01"}]}, "UNKNOWN_LINE", "/lines/0/line_no"),
        ({"lines": [{"line_no": 1, "promise_date": "2026-03-01"}] * 2}, "LINE_NAMED_TWICE", "/lines/1/line_no"),
        ({"promise_date": "Pre-PQ Process"}, "INVALID_CONTENT", "/promise_date"),
        ({"promise_date": "2026-03-01", "cause": "mood"}, "INVALID_CONTENT", "/cause"),
        ({"promise_date": "2026-03-01", "day": 1}, "INVALID_CONTENT", "/day"),
        ({"promise_date": "2026-03-01", "occurred_at": "2026-03-01T10:00:00"}, "INVALID_CONTENT", "/occurred_at"),
        ({"promise_date": "2026-03-01", "occurred_at": "2099-03-01T10:00:00Z"}, "OCCURRED_IN_FUTURE", "/occurred_at"),
    ],
)
async def test_a_malformed_promise_is_refused(api: kit.Api, database: Database, body: dict[str, Any], code: str, field: str):
    order = await stored(database)
    kit.problem(await api.post(f"/v1/orders/{order.order_id}/promise", role=MANAGER, if_match=1, json=body), 422, code, field)


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "INVALID_CONTENT", "/cause"),
        ({"cause": "customer_refused"}, "INVALID_CONTENT", "/cause"),
        ({"cause": "deal_reopened"}, "INVALID_CONTENT", "/cause"),
        ({"cause": "imported", "why": "x"}, "INVALID_CONTENT", "/why"),
        ({"cause": "imported", "lines": []}, "INVALID_CONTENT", "/lines"),
        ({"cause": "imported", "lines": [{"line_no": 1, "quantity": "0"}]}, "INVALID_CONTENT", "/lines/0/quantity"),
        ({"cause": "imported", "lines": [{"line_no": 1, "quantity": "NaN"}]}, "INVALID_CONTENT", "/lines/0/quantity"),
        ({"cause": "imported", "lines": [{"line_no": 1, "quantity": "1e-9"}]}, "INVALID_CONTENT", "/lines/0/quantity"),
        ({"cause": "imported", "lines": [{"line_no": 3, "quantity": "1"}]}, "UNKNOWN_LINE", "/lines/0/line_no"),
        ({"cause": "imported", "lines": {"line_no": 3}}, "INVALID_CONTENT", "/lines"),
    ],
)
async def test_a_malformed_cancellation_is_refused(api: kit.Api, database: Database, body: dict[str, Any], code: str, field: str):
    order = await stored(database)
    kit.problem(await api.post(f"/v1/orders/{order.order_id}/cancel", role=MANAGER, if_match=1, json=body), 422, code, field)


@pytest.mark.parametrize("verb", ["promise", "cancel", "shipments", "deliveries"])
async def test_a_command_needs_the_version_that_was_seen_and_a_key_of_its_own(api: kit.Api, database: Database, verb: str):
    order = await stored(database)
    path = f"/v1/orders/{order.order_id}/{verb}"
    body: dict[str, Any] = {"promise": {"promise_date": day()}, "cancel": {"cause": "imported"}}.get(verb, {})
    kit.problem(await api.post(path, role="importer", json=body), 428, "IF_MATCH_REQUIRED")
    kit.problem(await api.post(path, role="importer", json=body, if_match="v1"), 400, "MALFORMED_IF_MATCH")
    stale = await api.post(path, role="importer", json=body, if_match=7)
    kit.problem(stale, 412, "STALE")
    assert stale.headers["ETag"] == '"v1"'
    broken = await api.post(path, role="importer", if_match=1, content=b"{", headers={"Content-Type": "application/json"})
    kit.problem(broken, 400, "MALFORMED_JSON")
    key = new_id()
    done = await api.post(path, role="importer", json=body, if_match=1, key=key)
    assert done.status_code in {200, 201}
    again = await api.post(path, role="importer", json=body, if_match=1, key=key)
    assert (again.status_code, again.content, again.headers["Idempotency-Replayed"]) == (done.status_code, done.content, "true")
    other = body | {"occurred_at": "2026-03-01T00:00:00Z"}
    kit.problem(await api.post(path, role="importer", json=other, if_match=2, key=key), 422, "IDEMPOTENCY_KEY_REUSED")
    assert (await api.get(f"/v1/orders/{order.order_id}", role=READER)).json()["version"] == 2


async def test_cancelling_in_parts_tells_values_that_add_up(tx: Transaction):
    order = await opened(tx, make_deal_line(1, "3", "3.335"))
    at = datetime(2026, 3, 4, tzinfo=UTC)
    for version in (1, 2, 3):
        part = [(1, Decimal(1))]
        order = await cancellations.cancel_order(tx, order.order_id, part, expected=version, cause=kit.cause(at=at))
    events = [event for event in told(tx) if isinstance(event, OrderCancelled)]
    assert sum(event.cancelled_value.amount for event in events) == order.order_value == Decimal("10.00")
    assert [event.whole_order for event in events] == [False, False, True]
    assert {event.cancelled_at for event in events} == {at}
    assert order.status == "cancelled"
    assert await tx.flush() == 4


async def test_more_than_is_open_cannot_be_cancelled(api: kit.Api, database: Database):
    order: Order = await stored(database)
    body = {"cause": "imported", "lines": [{"line_no": 1, "quantity": "10.5"}]}
    answer = await api.post(f"/v1/orders/{order.order_id}/cancel", role=MANAGER, if_match=1, json=body)
    problem = kit.problem(answer, 409, "QUANTITY_EXCEEDS_OPEN")
    assert problem["context"]["open"] == "10"
