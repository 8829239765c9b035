"""Blanket deals and call-offs in the database, for tests of what is told of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.distribution.calloffs import usecases as calloffs
from shared.db.transaction import Database
from shared.events.sales.deals import DealClosed
from shared.ids import new_id
from tests import kit
from tests.integration.distribution.ordering import closing

NOON = "2017-05-02T12:00:00Z"
IMPORTER = "importer"


async def blanket(database: Database) -> DealClosed:
    """A blanket deal that was won, as distribution heard of it."""
    closed = closing(blanket=True)
    await hear(database, closed)
    return closed


async def hear(database: Database, *closes: DealClosed) -> None:
    """Distribution hears of closes."""
    async with database.transaction() as tx:
        await calloffs.open_orders(tx, [kit.received(closed, at=closed.closed_at) for closed in closes])


def order(deal: DealClosed, name: str, **said: Any) -> dict[str, Any]:
    """An order of a source of its own, for a bulk route."""
    said = {"source": f"shop-{deal.deal_id}", "external_id": name, "currency": "EUR", "occurred_at": NOON} | said
    return {"deal_id": str(deal.deal_id)} | said


def line(order_id: UUID | str, line_no: int | None, quantity: str = "10", amount: str = "25.00", **said: Any) -> dict[str, Any]:
    """A line of goods, for a bulk route."""
    euros = {"amount": amount, "currency": "EUR"}
    numbered = {} if line_no is None else {"line_no": line_no}
    return {"order_id": str(order_id), "sku": "A", "quantity": quantity, "net_amount": euros} | numbered | said


def fact(order_id: UUID | str, **said: Any) -> dict[str, Any]:
    """A fact of an order, for a bulk route."""
    return {"order_id": str(order_id), "occurred_at": NOON} | said


async def send(api: kit.Api, path: str, *items: dict[str, Any], role: str = IMPORTER) -> list[dict[str, Any]]:
    """The results of a bulk command."""
    answer = await api.post(f"/v1/{path}/batch", role=role, json={"items": list(items)})
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def codes(results: list[dict[str, Any]]) -> list[str]:
    """What became of each item: its status, or why it failed."""
    return [each["status"] if each["problem"] is None else each["problem"]["code"] for each in results]


async def placed(api: kit.Api, database: Database, *lines: dict[str, Any], **said: Any) -> str:
    """The id of a call-off that stands in the database."""
    (result,) = await send(api, "orders", order(await blanket(database), str(new_id()), lines=list(lines), **said))
    assert result["status"] == "created", result
    return result["id"]


async def seen(api: kit.Api, order_id: str) -> dict[str, Any]:
    """The order as callers see it."""
    return (await api.get(f"/v1/orders/{order_id}", role="reader")).json()
