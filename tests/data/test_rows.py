"""Row by row: what distribution knows of every order and every line is what the files say of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from shared import ids
from tests.data import comparing, olist, scms
from tests.data.importing import Imported


def test_every_order_and_item_of_olist(baton: Imported, marketplace: olist.Sample):
    told = _by_order(baton.lines("olist"))
    wanted = {_id("olist", "order", order.order_id): _olist_order(marketplace, order) for order in marketplace.orders.values()}
    assert len(wanted) == len(marketplace.orders)
    found = {order_id: {"order": _order_told(lines[0]), "lines": _lines_told(lines)} for order_id, lines in told.items()}
    comparing.assert_same(wanted, found, at_least=200_000)


def test_every_order_hangs_on_the_deal_of_its_first_seller_that_has_one(baton: Imported, marketplace: olist.Sample):
    won = marketplace.deal_of_seller
    told = {order_id: {line["deal_id"] for line in lines} for order_id, lines in _by_order(baton.lines("olist")).items()}
    deals = {_id("olist", "deal", deal["mql_id"]) for deal in won.values()}
    standing: set[str] = set()
    hanging = 0
    for order in marketplace.orders.values():
        (deal_id,) = told[_id("olist", "order", order.order_id)]
        first = next((item.seller for item in order.items if item.seller in won), None)
        if first:
            hanging += 1
            assert deal_id == _id("olist", "deal", won[first]["mql_id"])
        else:
            standing.add(deal_id)
            assert deal_id not in deals
    first_sellers = {order.items[0].seller for order in marketplace.orders.values() if order.items and not order.sellers & won.keys()}
    assert hanging == 727
    assert len(standing) == len(first_sellers) + 1


def test_every_line_of_scms(baton: Imported, history: list[scms.Line]):
    found = {item["order_line_id"]: _scms_told(item) for item in baton.lines("scms")}
    wanted = {_id("scms", "order_line", line.line_id): _scms_line(line) for line in history}
    comparing.assert_same(wanted, found, at_least=50_000)


@pytest.mark.parametrize("name", ["received", "status", "delivered", "cancelled", "on_time_by_day", "on_time_by_instant", "days"])
def test_a_planted_difference_in_one_order_is_found(marketplace: olist.Sample, name: str):
    order = next(order for order in marketplace.orders.values() if order.counts)
    wanted = _olist_order(marketplace, order)
    planted = {**wanted, "order": {**wanted["order"], name: "planted"}}
    (told,) = comparing.differences(wanted, planted)
    assert told.startswith(f"order.{name}")


def _olist_order(sample: olist.Sample, order: olist.Order) -> dict[str, Any]:
    return {
        "order": {
            "received": str(order.purchased),
            "status": order.status,
            "delivered": order.customer is not None,
            "cancelled": order.status == "canceled",
            "on_time_by_day": order.on_time_by_day if order.counts else None,
            "on_time_by_instant": order.on_time_by_instant if order.counts else None,
            "days": order.days if order.counts else None,
        },
        "lines": {
            _id("olist", "order_line", f"{order.order_id}-{item.number}"): {
                "quantity": 1,
                "amount": item.price,
                "currency": "BRL",
                "seller": item.seller,
                "seller_state": sample.sellers[item.seller]["seller_state"],
                "category": sample.categories[item.product],
                "delivered": order.customer is not None,
                "cancelled": order.status == "canceled",
            }
            for item in order.items
        },
    }


def _order_told(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "received": str(datetime.fromisoformat(item["received_at"]).replace(tzinfo=None)),
        "status": item["order_labels"]["status"],
        "delivered": item["order_delivered"],
        "cancelled": item["order_cancelled"],
        "on_time_by_day": item["order_on_time_by_day"],
        "on_time_by_instant": item["order_on_time_by_instant"],
        "days": item["order_days"],
    }


def _lines_told(items: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        item["order_line_id"]: {
            "quantity": item["quantity"],
            **_amount(item),
            "seller": item["labels"]["seller"],
            "seller_state": item["labels"]["seller_state"],
            "category": item["labels"].get("category", olist.MISSING),
            "delivered": item["delivered"],
            "cancelled": item["cancelled"],
        }
        for item in items
        if item["order_line_id"] is not None
    }


def _scms_line(line: scms.Line) -> dict[str, Any]:
    return {
        "order": _id("scms", "order", line.order),
        "quantity": line.quantity,
        "amount": line.value,
        "currency": "USD",
        "delivered": True,
        "cancelled": False,
        "on_time_by_day": line.days_late <= 0,
        "on_time_by_instant": line.days_late <= 0,
        "vendor": line.cells["Vendor"],
        "shipment": line.cells["ASN/DN #"],
        "shipment_mode": line.cells["Shipment Mode"],
    }


def _scms_told(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "order": item["order_id"],
        "quantity": item["quantity"],
        **_amount(item),
        **{name: item[name] for name in ("delivered", "cancelled", "on_time_by_day", "on_time_by_instant")},
        **{label: item["labels"][label] for label in ("vendor", "shipment", "shipment_mode")},
    }


def _amount(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"amount": Decimal(item["amount"]["amount"]), "currency": item["amount"]["currency"]}


def _by_order(items: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for item in items:
        found.setdefault(item["order_id"], []).append(item)
    return found


def _id(source: str, kind: str, external_id: str) -> str:
    return str(ids.derived_id(source, kind, external_id))
