"""Olist's orders: the expected figures of distribution, and of all services together from lead to delivery."""

from __future__ import annotations

from typing import Any

from tests.data import comparing, olist, reports
from tests.data.importing import Imported
from tests.data.test_readers import OLIST_ORDERS_LEFT_OUT

ORDERS = ("fulfilment", "--source", "olist", "--level", "order")


def test_the_figures_of_orders(baton: Imported, expected: dict[str, Any]):
    wanted = comparing.without(expected["olist"]["distribution_sample"], OLIST_ORDERS_LEFT_OUT)
    comparing.assert_same(wanted, _distribution(baton), at_least=120)


def test_the_figures_of_orders_as_counted_from_the_rows(baton: Imported, marketplace: olist.Sample):
    comparing.assert_same(olist.distribution(marketplace), _distribution(baton), at_least=120)


def test_the_figures_from_lead_to_delivery(baton: Imported, expected: dict[str, Any]):
    found = reports.lead_to_delivery(baton.report(*joined("origin")))
    comparing.assert_same(expected["olist"]["lead_to_delivery_sample"], found, at_least=70)


def test_the_figures_from_lead_to_delivery_as_counted_from_the_rows(baton: Imported, marketplace: olist.Sample):
    comparing.assert_same(olist.lead_to_delivery(marketplace), reports.lead_to_delivery(baton.report(*joined("origin"))), at_least=70)


def joined(label: str) -> tuple[str, ...]:
    """The question about orders by what is known of the lead whose seller they are of."""
    return ("fulfilment", "--source", "olist", "--by", f"lead.{label}", "--through", "seller")


def _distribution(baton: Imported) -> dict[str, Any]:
    return reports.distribution(
        by_seller=baton.report(*ORDERS, "--by", "seller"),
        by_status=baton.report(*ORDERS, "--by", "status"),
        per_month=baton.report(*ORDERS, "--per", "month"),
    )
