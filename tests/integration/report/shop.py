"""A shop so small that each figure can be worked out by hand, told to running services in bulk."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from baton import client as api
from shared import ids
from tests.stack import Stack

SOURCE = "shop"
ZONE = "America/Sao_Paulo"
Item = dict[str, Any]


def name_of(kind: str, external_id: str) -> str:
    """The id of a thing of the shop."""
    return str(ids.derived_id(SOURCE, kind, external_id))


def brl(amount: str) -> Item:
    """Money of the shop."""
    return {"amount": amount, "currency": "BRL"}


def thing(external_id: str, **content: Any) -> Item:
    """An item of a bulk command."""
    return {"source": SOURCE, "external_id": external_id, **content}


def order_line(order: str, external_id: str, **content: Any) -> Item:
    """A line of goods, one piece."""
    return thing(external_id, order_id=name_of("order", order), sku="cup", quantity="1", **content)


def of_order(order: str, external_id: str, **content: Any) -> Item:
    """A fact of a whole order."""
    return thing(external_id, order_id=name_of("order", order), **content)


LEADS = [
    thing("social", origin="import", occurred_at="2018-01-02T12:00:00Z", labels={"origin": "social"}),
    thing("paid", origin="import", occurred_at="2018-01-02T12:00:00Z", labels={"origin": "paid"}),
    thing("bare", origin="import", occurred_at="2018-01-02T12:00:00Z"),
    thing("standing", origin="sales_generated", occurred_at="2018-01-01T12:00:00Z", labels={"standing": "true"}),
]


def won(external_id: str, closed: str, **labels: str) -> Item:
    """A blanket deal."""
    return thing(external_id, lead_id=name_of("lead", external_id), outcome="won", occurred_at=closed, blanket_order=True, labels=labels)


# The deal of `social` closed at one in the morning UTC: on the day before where the shop is.
DEALS = [
    won("social", "2018-01-11T01:00:00Z", seller="a", agent="Ann"),
    won("paid", "2018-01-20T15:00:00Z", seller="b", agent="Bob"),
    won("standing", "2018-01-01T12:00:00Z", standing="true"),
    thing(
        "lost",
        lead_id=name_of("lead", "bare"),
        outcome="lost",
        occurred_at="2018-02-01T12:00:00Z",
        lost_reasons=["pricing"],
        labels={"agent": "Bob"},
    ),
]
OPPORTUNITIES = [
    thing(
        "open",
        lead_id=name_of("lead", "bare"),
        occurred_at="2018-01-05T12:00:00Z",
        stage_code="proposal",
        amount=brl("100.00"),
        expected_close_date="2018-06-01",
        labels={"agent": "Ann"},
    )
]


def order(external_id: str, deal: str, received: str, status: str) -> Item:
    """A call-off."""
    return thing(
        external_id,
        deal_id=name_of("deal", deal),
        occurred_at=received,
        currency="BRL",
        time_zone=ZONE,
        promise_date="2018-02-10",
        labels={"status": status},
    )


ORDERS = [
    order("both", "social", "2018-02-01T12:00:00Z", "delivered"),
    order("late", "paid", "2018-02-05T12:00:00Z", "delivered"),
    order("other", "standing", "2018-02-06T12:00:00Z", "shipped"),
]
LINES = [
    order_line("both", "both-a", net_amount=brl("10.10"), promise_date="2018-02-10", labels={"seller": "a"}),
    order_line("both", "both-b", net_amount=brl("5.05"), promise_date="2018-02-10", labels={"seller": "b"}),
    order_line("late", "late-b", net_amount=brl("20.00"), promise_date="2018-02-10", labels={"seller": "b"}),
    order_line("other", "other-z", net_amount=brl("99.99"), promise_date="2018-02-10", labels={"seller": "z"}),
]
SHIPMENTS = [of_order("other", "other", occurred_at="2018-02-07T12:00:00Z")]
DELIVERIES = [
    of_order("both", "both", occurred_at="2018-02-08T12:00:00Z"),
    of_order("late", "late", occurred_at="2018-02-12T12:00:00Z"),
]


def open_shop(stack: Stack) -> None:
    """Tell the services everything; returns when all of it is stored."""
    asyncio.run(_tell(stack))


async def _tell(stack: Stack) -> None:
    roles = {service: ["importer"] for service in api.SERVICES}
    async with stack.client("shop", roles) as client:
        await client.put("marketing", f"/v1/sources/{SOURCE}", {"name": "A shop", "time_zone": ZONE})
        await _store(client, "marketing", "/v1/leads/batch", LEADS)
        await _store(client, "sales", "/v1/opportunities/batch", OPPORTUNITIES)
        await _store(client, "sales", "/v1/deals/batch", DEALS)
        for path, items in (
            ("/v1/orders/batch", ORDERS),
            ("/v1/order-lines/batch", LINES),
            ("/v1/shipments/batch", SHIPMENTS),
            ("/v1/deliveries/batch", DELIVERIES),
        ):
            await _store(client, "distribution", path, items)


async def _store(client: api.Client, service: str, path: str, items: list[Item]) -> None:
    until = time.monotonic() + 60
    while True:
        answer = await client.post(service, path, {"items": items})
        failed = [item for item in answer["items"] if item["status"] == "failed"]
        if not failed:
            return
        assert {item["problem"]["code"] for item in failed} == {"NOT_KNOWN_YET"}, failed
        assert time.monotonic() < until, failed
        await asyncio.sleep(0.2)  # the events of another service are on their way
