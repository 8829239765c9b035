"""Reports of running services, as a user asks for them, on figures that were worked out by hand."""

import csv
import json
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests import stack as stacks
from tests.integration.report import shop
from tests.stack import Stack


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Four services in which the shop is open."""
    with stacks.installed("report") as running:
        shop.open_shop(running)
        yield running


def report(stack: Stack, name: str, *options: str) -> dict[str, Any]:
    return json.loads(stack.run("report", name, "--source", shop.SOURCE, *options, "--json"), parse_float=Decimal)


def groups(found: dict[str, Any], *figures: str) -> list[tuple[Any, ...]]:
    return [tuple(group[name] for name in ("value", *figures)) for group in found["groups"]]


def test_the_funnel_leaves_out_what_only_stands_in(stack: Stack):
    until = time.monotonic() + 60
    while (found := report(stack, "funnel", "--by", "origin"))["total"]["won_deals"] < 2 and time.monotonic() < until:
        time.sleep(0.2)
    assert groups(found, "leads", "won_deals") == [("paid", 1, 1), ("social", 1, 1), (None, 1, 0)]
    assert Decimal(found["total"]["conversion"]) == Decimal("0.666667")
    # From the local day of capture to the local day of closing: 2 January to 10 January, and to 20 January.
    assert (found["days_to_close"]["n"], found["days_to_close"]["min"], found["days_to_close"]["max"]) == (2, 8, 18)


def test_the_pipeline_by_agent(stack: Stack):
    found = report(stack, "pipeline", "--by", "agent")
    assert groups(found, "count", "open", "won", "lost") == [("Ann", 2, 1, 1, 0), ("Bob", 2, 0, 1, 1)]
    assert Decimal(found["total"]["win_rate"]) == Decimal("0.666667")
    (value,) = found["total"]["values"]
    assert (value["currency"], Decimal(value["open_value"]), Decimal(value["weighted_value"])) == ("BRL", Decimal(100), Decimal(50))


def test_the_pipeline_by_period_of_closing(stack: Stack):
    found = report(stack, "pipeline", "--per", "month", "--to", "2018-01-31")
    assert [(group["period"], group["won"], group["open"]) for group in found["groups"]] == [("2018-01", 2, 0)]


def test_fulfilment_by_order_and_by_line(stack: Stack):
    by_order = report(stack, "fulfilment")["total"]
    assert (by_order["orders"], by_order["lines"]) == (3, 4)
    assert (by_order["on_time"]["delivered"], by_order["on_time"]["by_day"]) == (2, 1)
    assert Decimal(by_order["on_time"]["rate_by_day"]) == Decimal("0.5")
    by_line = report(stack, "fulfilment", "--level", "line")["total"]
    assert (by_line["on_time"]["delivered"], by_line["on_time"]["by_day"], by_line["on_time"]["late"]) == (3, 2, 1)
    assert [(value["currency"], Decimal(value["value"])) for value in by_line["values"]] == [("BRL", Decimal("135.14"))]


def test_fulfilment_by_label_and_period(stack: Stack):
    found = report(stack, "fulfilment", "--by", "seller", "--per", "quarter", "--level", "line")
    assert groups(found, "period", "lines") == [("b", "2018-Q1", 2), ("a", "2018-Q1", 1), ("z", "2018-Q1", 1)]


def test_fulfilment_by_the_origin_of_the_leads_behind_the_sellers(stack: Stack):
    found = report(stack, "fulfilment", "--by", "lead.origin", "--through", "seller")
    assert groups(found, "through_values", "orders", "lines", "delivered", "on_time_by_day") == [
        ("paid", 1, 2, 2, 2, 1),
        ("social", 1, 1, 1, 1, 1),
    ]
    total = found["total"]
    assert (total["through_values"], total["orders"], total["lines"]) == (2, 2, 3)
    assert [(value["currency"], Decimal(value["value"])) for value in total["values"]] == [("BRL", Decimal("35.15"))]
    assert (total["days"]["n"], Decimal(total["days"]["median"])) == (2, Decimal(7))
    assert found["orders_by_label"] == {"status": {"delivered": 2}}
    # From 10 January (local) to 1 February, and from 20 January to 1 February.
    first = found["days_won_to_first_order"]
    assert (first["n"], Decimal(first["median"]), first["negative"]) == (2, Decimal(17), 0)
    assert found["orders_received_before_won"] == 0


def test_an_order_meets_its_own_deal_where_no_label_is_named(stack: Stack):
    found = report(stack, "fulfilment", "--by", "deal.agent")
    assert groups(found, "orders", "lines") == [("Ann", 1, 2), ("Bob", 1, 1)]


def test_an_earlier_instant_knows_nothing(stack: Stack):
    for name in ("pipeline", "fulfilment"):
        found = report(stack, name, "--as-of", "2018-01-01T00:00:00Z")
        assert found["total"]["count" if name == "pipeline" else "orders"] == 0
    assert report(stack, "fulfilment", "--by", "lead.origin", "--as-of", "2018-01-01T00:00:00Z")["groups"] == []


def test_tables_csv_and_charts_of_running_services(stack: Stack, tmp_path: Path):
    for name, by in (("funnel", "origin"), ("pipeline", "agent"), ("fulfilment", "seller"), ("fulfilment", "lead.origin")):
        files = [tmp_path / f"{name}-{by}.csv", tmp_path / f"{name}-{by}.svg"]
        shown = stack.run("report", name, "--source", shop.SOURCE, "--by", by, "--csv", str(files[0]), "--plot", str(files[1]))
        assert f"by {by}" in shown
        rows = list(csv.DictReader(files[0].read_text().splitlines()))
        assert [row["row"] for row in rows] == ["group"] * (len(rows) - 1) + ["total"]
        assert shop.SOURCE in files[1].read_text()
