"""A made-up shop: its orders stand in three files, some of its customers came through a lead, and its records have the usual holes."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

MAPPING = """
[source]
code = "shop"
name = "Shop"
time_zone = "America/Sao_Paulo"
[defaults]
dates = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d"]
currency = "BRL"
[files.customers]
columns = ["customer", "asked"]
[files.orders]
columns = ["order", "bought"]
[files.items]
columns = ["item", "order", "seller"]
[files.parcels]
columns = ["parcel", "order", "left", "arrived"]

[[feeds]]
entity = "lead"
file = "customers"
external_id = "customer"
[feeds.fields]
occurred_at = "asked"

[[feeds]]
entity = "deal"
file = "customers"
external_id = "customer"
[feeds.fields]
occurred_at = "signed"
lead = "customer"
outcome = { constant = "won" }
blanket_order = { constant = true }

[[feeds]]
entity = "order"
file = "orders"
external_id = "order"
repeats = "first"
[feeds.fields]
occurred_at = { column = "bought", stand_in = { column = "due", stand_in = { constant = 2018-01-01 } } }
promise_date = "due"
[feeds.fields.deal]
column = "customer"
lookup = { file = "customers", key = "seller", by = { column = "seller", lookup = { file = "items", key = "order", by = "order" } } }
[feeds.standing]
since = 2017-01-01
customer = { column = "seller", lookup = { file = "items", key = "order", by = "order" } }
[feeds.labels]
status = "status"

[[feeds]]
entity = "order_line"
file = "items"
external_id = "item"
[feeds.fields]
order = "order"
sku = "what"
quantity = "pieces"
net_amount = "price"
freight_amount = { column = "freight", pattern = '[0-9.]+', otherwise = "missing" }
[feeds.labels]
seller = "seller"

[[feeds]]
entity = "approval"
file = "orders"
external_id = "order"
repeats = "first"
[feeds.fields]
order = "order"
occurred_at = "approved"

[[feeds]]
entity = "shipment"
file = "parcels"
external_id = "parcel"
[feeds.fields]
order = "order"
occurred_at = "left"

[[feeds]]
entity = "delivery"
file = "parcels"
external_id = "parcel"
[feeds.fields]
order = "order"
shipment = "parcel"
occurred_at = "arrived"

[[feeds]]
entity = "cancellation"
file = "orders"
external_id = "order"
repeats = "first"
when = { status = "cancelled" }
[feeds.fields]
order = "order"
occurred_at = { stand_in = { column = "bought", stand_in = "due" } }
"""
FILES = ("orders.csv", "items.csv", "parcels.csv")


def write(folder: Path, orders: int = 40) -> list[Path]:
    """The four files; of every eight orders one is told of twice, one has no item, one was cancelled and one has no time."""
    numbers = range(orders)
    customers = [[f"c{at}", "2018-01-02", f"2018-01-0{at + 3}", f"s{at}"] for at in range(3)]
    told = [row for at in numbers for row in [_order(at)] * (2 if at % 8 == 1 else 1)]
    items = [_item(at, piece) for at in numbers if at % 8 != 2 for piece in range(1 + at % 3)]
    parcels = [
        [f"p{at}", f"o{at}", "2018-02-05 08:00:00", "2018-02-08" if at % 5 else "2018-02-12 09:30:00"] for at in numbers if at % 4 != 3
    ]
    return [
        _write(folder / "customers.csv", ("customer", "asked", "signed", "seller"), customers),
        _write(folder / "orders.csv", ("order", "bought", "approved", "due", "status"), told),
        _write(folder / "items.csv", ("item", "order", "seller", "what", "pieces", "price", "freight"), items),
        _write(folder / "parcels.csv", ("parcel", "order", "left", "arrived"), parcels),
    ]


def _order(at: int) -> list[str]:
    bought = "" if at % 8 == 4 else f"2018-02-0{1 + at % 3} 10:00:00"
    return [f"o{at}", bought, "2018-02-02 11:00:00", "2018-02-10", "cancelled" if at % 8 == 3 else "delivered"]


def _item(at: int, piece: int) -> list[str]:
    freight = "see o1" if at % 7 == 0 else "3.20"
    return [f"o{at}-{piece}", f"o{at}", f"s{(at + piece) % 6}", f"sku {piece}", str(1 + at % 2), f"{at}.{piece}5", freight]


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path
