"""Leads, deals and orders of the marketplace, read and counted without the product: a row is what it says, time stamps name no zone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.data import reading
from tests.data.reading import MISSING, known, named

LEADS = "olist/olist_marketing_qualified_leads_dataset.csv"
DEALS = "olist/olist_closed_deals_dataset.csv"
ORDERS = "olist/olist_orders_sample.csv"
ITEMS = "olist/olist_order_items_sample.csv"
PRODUCTS = "olist/olist_products_sample.csv"
SELLERS = "olist/olist_sellers_dataset.csv"
CATEGORIES = "olist/product_category_name_translation.csv"
FILES = (LEADS, DEALS, ORDERS, ITEMS, PRODUCTS, SELLERS, CATEGORIES)

DEAL_LABELS = (
    "business_segment",
    "lead_type",
    "lead_behaviour_profile",
    "business_type",
    "has_company",
    "has_gtin",
    "average_stock",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One piece of an order, sold by one seller."""

    number: int
    product: str
    seller: str
    leave_by: datetime
    price: Decimal
    freight: Decimal


@dataclass(frozen=True, kw_only=True)
class Order:
    """One order with its items, in the order of their numbers; the promise is a midnight."""

    order_id: str
    status: str
    purchased: datetime
    approved: datetime | None
    carrier: datetime | None
    customer: datetime | None
    promised: datetime
    items: Sequence[Item]

    @cached_property
    def sellers(self) -> set[str]:
        """Who sells any of it."""
        return {item.seller for item in self.items}

    @property
    def counts(self) -> bool:
        """Whether it is asked for being on time: it reached its customer on a known day and was not cancelled."""
        return self.customer is not None and self.status != "canceled"

    @property
    def on_time_by_day(self) -> bool:
        """At the customer's not after the promised day."""
        return self.customer is not None and self.customer.date() <= self.promised.date()

    @property
    def on_time_by_instant(self) -> bool:
        """At the customer's not after the promised midnight."""
        return self.customer is not None and self.customer <= self.promised

    @property
    def days(self) -> int | None:
        """From the day of purchase to that of delivery."""
        return None if self.customer is None else reading.days(self.purchased, self.customer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """All files together."""

    leads: Mapping[str, Mapping[str, str]]
    deals: Mapping[str, Mapping[str, str]]
    orders: Mapping[str, Order]
    sellers: Mapping[str, Mapping[str, str]]
    categories: Mapping[str, str]

    @property
    def deal_of_seller(self) -> dict[str, Mapping[str, str]]:
        """The deal by which each seller was won."""
        return {deal["seller_id"]: deal for deal in self.deals.values()}

    def origin(self, seller: str) -> str:
        """Where the lead of a seller came from."""
        return named(self.leads[self.deal_of_seller[seller]["mql_id"]]["origin"])


def read(folder: Path) -> Sample:
    """The files in the folder of the real data."""
    items: defaultdict[str, list[Item]] = defaultdict(list)
    for row in reading.rows(folder / ITEMS):
        items[row["order_id"]].append(_item(row))
    orders = [_order(row, items[row["order_id"]]) for row in reading.rows(folder / ORDERS)]
    english = {row["product_category_name"]: row["product_category_name_english"] for row in reading.rows(folder / CATEGORIES)}
    return Sample(
        leads={row["mql_id"]: row for row in reading.rows(folder / LEADS)},
        deals={row["mql_id"]: row for row in reading.rows(folder / DEALS)},
        orders={order.order_id: order for order in orders},
        sellers={row["seller_id"]: row for row in reading.rows(folder / SELLERS)},
        categories={row["product_id"]: english.get(row["product_category_name"], MISSING) for row in reading.rows(folder / PRODUCTS)},
    )


def distribution(sample: Sample) -> dict[str, Any]:
    """The figures of orders and lines, in the words of the expected ones."""
    orders = list(sample.orders.values())
    items = [item for order in orders for item in order.items]
    leaving = [(order.carrier, item) for order in orders for item in order.items if order.carrier]
    met = sum(carrier <= item.leave_by for carrier, item in leaving)
    return {
        "orders": len(orders),
        "items": len(items),
        "sellers": len({item.seller for item in items}),
        "purchase_min": str(min(order.purchased for order in orders)),
        "purchase_max": str(max(order.purchased for order in orders)),
        "by_status": dict(Counter(order.status for order in orders)),
        "missing": {
            "order_approved_at": sum(order.approved is None for order in orders),
            "order_delivered_carrier_date": sum(order.carrier is None for order in orders),
            "order_delivered_customer_date": sum(order.customer is None for order in orders),
            "order_status": sum(not order.status for order in orders),
        },
        "orders_without_items": sum(not order.items for order in orders),
        "multi_seller_orders": sum(len(order.sellers) > 1 for order in orders),
        "on_time_all": on_time(orders),
        "on_time_by_purchase_month": _by_month(orders),
        "median_hours": {
            "purchase_to_approved": _hours(orders, lambda order: order.purchased, lambda order: order.approved),
            "approved_to_carrier": _hours(orders, lambda order: order.approved, lambda order: order.carrier),
            "carrier_to_customer": _hours(orders, lambda order: order.carrier, lambda order: order.customer),
        },
        "anomalies": anomalies(orders),
        "gmv_price": sum(item.price for item in items),
        "freight": sum(item.freight for item in items),
        "seller_handover_by_shipping_limit": {"items": len(leaving), "on_time": met, "rate": reading.rate(met, len(leaving))},
    }


def on_time(orders: Iterable[Order]) -> dict[str, Any]:
    """Both definitions of being on time, and the days that delivery took."""
    counted = [order for order in orders if order.counts]
    by_instant = sum(order.on_time_by_instant for order in counted)
    by_day = sum(order.on_time_by_day for order in counted)
    days = [order.days for order in counted if order.days is not None]
    return {
        "delivered_with_date": len(counted),
        "on_time_by_timestamp": by_instant,
        "on_time_rate_by_timestamp": reading.rate(by_instant, len(counted)),
        "on_time_by_date": by_day,
        "on_time_rate_by_date": reading.rate(by_day, len(counted)),
        "median_days_purchase_to_delivery": reading.median(days),
        "mean_days_purchase_to_delivery": reading.mean(days),
    }


def anomalies(orders: Iterable[Order]) -> dict[str, int]:
    """How many orders say what cannot be, or lack what must be."""
    orders = list(orders)
    return {
        "carrier_before_approved": sum(_before(order.carrier, order.approved) for order in orders),
        "customer_before_carrier": sum(_before(order.customer, order.carrier) for order in orders),
        "carrier_before_purchase": sum(_before(order.carrier, order.purchased) for order in orders),
        "delivered_without_customer_date": sum(order.status == "delivered" and order.customer is None for order in orders),
        "delivered_without_carrier_date": sum(order.status == "delivered" and order.carrier is None for order in orders),
        "delivered_without_approval": sum(order.status == "delivered" and order.approved is None for order in orders),
        "canceled_with_customer_date": sum(order.status == "canceled" and order.customer is not None for order in orders),
        "canceled_after_carrier": sum(order.status == "canceled" and order.carrier is not None for order in orders),
    }


def lead_to_delivery(sample: Sample) -> dict[str, Any]:
    """What became of the sellers that were won: their orders, in the words of the expected figures."""
    won = sample.deal_of_seller
    orders = [order for order in sample.orders.values() if order.sellers & won.keys()]
    items = [item for order in orders for item in order.items if item.seller in won]
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for seller in sorted({item.seller for item in items}):
        groups[sample.origin(seller)].append(seller)
    first = {seller: min(order.purchased for order in orders if seller in order.sellers) for group in groups.values() for seller in group}
    days = [reading.days(known(won[seller]["won_date"]), purchased) for seller, purchased in first.items()]
    return {
        "funnel_sellers_with_order_in_sample": len(first),
        "orders": len(orders),
        "items": len(items),
        "gmv_price": sum(item.price for item in items),
        "on_time": on_time(orders),
        "by_origin": {origin: _of_sellers(orders, set(sellers)) for origin, sellers in groups.items()},
        "days_won_to_first_order_in_sample": {
            "n": len(days),
            "median": reading.median(days),
            "negative_order_before_won": sum(each < 0 for each in days),
        },
        "orders_purchased_before_won": sum(
            any(order.purchased < known(won[seller]["won_date"]) for seller in order.sellers & won.keys()) for order in orders
        ),
        "orders_by_status": dict(Counter(order.status for order in orders)),
    }


def _of_sellers(orders: Iterable[Order], sellers: set[str]) -> dict[str, Any]:
    theirs = [order for order in orders if order.sellers & sellers]
    items = [item for order in theirs for item in order.items if item.seller in sellers]
    timely = on_time(theirs)
    return {
        "sellers": len(sellers),
        "orders": len(theirs),
        "items": len(items),
        "gmv_price": sum(item.price for item in items),
        "on_time_by_date": timely["on_time_by_date"],
        "delivered_with_date": timely["delivered_with_date"],
    }


def _by_month(orders: Iterable[Order]) -> dict[str, dict[str, Any]]:
    months: defaultdict[str, list[Order]] = defaultdict(list)
    for order in orders:
        months[f"{order.purchased:%Y-%m}"].append(order)
    wanted = ("delivered_with_date", "on_time_by_date", "on_time_rate_by_date")
    return {
        month: {"orders": len(group), **{name: figure for name, figure in on_time(group).items() if name in wanted}}
        for month, group in months.items()
    }


def _hours(orders: Iterable[Order], since: Callable[[Order], datetime | None], until: Callable[[Order], datetime | None]) -> dict[str, Any]:
    pairs = [(since(order), until(order)) for order in orders]
    return reading.median_hours([reading.hours(begun, ended) for begun, ended in pairs if begun and ended])


def _before(earlier: datetime | None, later: datetime | None) -> bool:
    return earlier is not None and later is not None and earlier < later


def _item(row: Mapping[str, str]) -> Item:
    return Item(
        number=int(row["order_item_id"]),
        product=row["product_id"],
        seller=row["seller_id"],
        leave_by=known(row["shipping_limit_date"]),
        price=Decimal(row["price"]),
        freight=Decimal(row["freight_value"]),
    )


def _order(row: Mapping[str, str], items: Iterable[Item]) -> Order:
    return Order(
        order_id=row["order_id"],
        status=row["order_status"],
        purchased=known(row["order_purchase_timestamp"]),
        approved=reading.instant(row["order_approved_at"]),
        carrier=reading.instant(row["order_delivered_carrier_date"]),
        customer=reading.instant(row["order_delivered_customer_date"]),
        promised=known(row["order_estimated_delivery_date"]),
        items=sorted(items, key=lambda item: item.number),
    )
