"""The readers of this folder: they come to the expected figures by themselves, and a changed cell does not escape them."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.data import comparing, maven, olist, reading, scms

# What orders and lines cannot say: payments, and columns without which a row tells of nothing.
OLIST_ORDERS_LEFT_OUT = (
    ("payments",),
    ("paid",),
    ("payment_vs_items",),
    ("missing", "order_id"),
    ("missing", "customer_id"),
    ("missing", "order_purchase_timestamp"),
    ("missing", "order_estimated_delivery_date"),
)
# What no figure of orders speaks of: quotes, weights, insurance, and what stands in the columns themselves.
SCMS_LEFT_OUT = (
    ("by scheduled year",),
    ("Scheduled Delivery Date",),
    ("Delivered to Client Date",),
    ("Delivery Recorded Date",),
    ("PQ First Sent to Client Date",),
    ("PO Sent to Vendor Date",),
    ("days_quote_to_po",),
    ("days_quote_to_delivery",),
    ("days_po_to_delivery", "negative"),
    ("record_lag_days", "negative"),
    ("Freight Cost (USD)", "kinds"),
    ("Freight Cost (USD)", "references_that_resolve_to_a_number"),
    ("Freight Cost (USD)", "references_that_do_not"),
    ("Weight (Kilograms)",),
    ("insurance",),
)
# What stands in the columns themselves.
MAVEN_LEFT_OUT = (
    ("engage_range",),
    ("close_range",),
    ("accounts_not_in_account_table",),
    *(("missing", name) for name in ("opportunity_id", "sales_agent", "product", "deal_stage", "engage_date", "close_value")),
)


def test_olist_orders(marketplace: olist.Sample, expected: dict[str, Any]):
    wanted = comparing.without(expected["olist"]["distribution_sample"], OLIST_ORDERS_LEFT_OUT)
    comparing.assert_same(wanted, olist.distribution(marketplace), at_least=120)


def test_olist_from_lead_to_delivery(marketplace: olist.Sample, expected: dict[str, Any]):
    comparing.assert_same(expected["olist"]["lead_to_delivery_sample"], olist.lead_to_delivery(marketplace), at_least=70)


def test_scms_lines(history: list[scms.Line], expected: dict[str, Any]):
    wanted = comparing.without(expected["scms"], SCMS_LEFT_OUT)
    found = scms.figures(history)
    for shown in scms.TOP.values():
        found[shown] = scms.largest(found[shown], len(wanted[shown]))
    comparing.assert_same(wanted, found, at_least=150)


def test_maven_opportunities(crm: maven.Crm, expected: dict[str, Any]):
    comparing.assert_same(comparing.without(expected["maven_crm"], MAVEN_LEFT_OUT), maven.figures(crm), at_least=250)


def test_no_figure_can_be_changed_unseen(marketplace: olist.Sample, history: list[scms.Line], crm: maven.Crm):
    for figures in (olist.distribution(marketplace), olist.lead_to_delivery(marketplace), scms.figures(history), maven.figures(crm)):
        everywhere = list(comparing.places(figures))
        assert len(everywhere) > 70
        for place in everywhere:
            (told,) = comparing.differences(figures, _planted(figures, place))
            assert told.startswith(".".join(place))


def _planted(figures: dict[str, Any], place: tuple[str, ...]) -> dict[str, Any]:
    name, *inner = place
    return {**figures, name: _planted(figures[name], tuple(inner)) if inner else "planted"}


@pytest.mark.parametrize(
    ("file", "column", "row", "cell", "figures", "moved"),
    [
        (olist.ORDERS, "order_status", 0, "canceled", "orders", {"by_status.canceled", "by_status.shipped"}),
        (olist.ITEMS, "price", 0, "21.98", "orders", {"gmv_price"}),
        (olist.ITEMS, "freight_value", 0, "0.01", "orders", {"freight"}),
        (olist.ITEMS, "seller_id", 0, "nobody", "orders", {"sellers"}),
        (scms.HISTORY, "Delivered to Client Date", 0, "3-Jun-06", "lines", {"late", "on_time", "exactly_on_day"}),
        (scms.HISTORY, "Line Item Quantity", 0, "20", "lines", {"quantity_sum"}),
        (scms.HISTORY, "ASN/DN #", 0, "ASN-85", "lines", {"distinct_shipment"}),
        (maven.PIPELINE, "deal_stage", 0, "Lost", "pipeline", {"win_rate", "won_value", "by_stage.Won", "by_product.GTX Plus Basic.won"}),
        (maven.PIPELINE, "close_value", 0, "1055", "pipeline", {"won_value", "by_sector.retail.won_value"}),
    ],
)
def test_a_changed_cell_moves_the_figures(  # noqa: PLR0917  a planted cell and what it moves
    data: Path, tmp_path: Path, file: str, column: str, row: int, cell: str, figures: str, moved: set[str]
):
    read: dict[str, Callable[[Path], dict[str, Any]]] = {
        "orders": lambda folder: olist.distribution(olist.read(folder)),
        "lines": lambda folder: scms.figures(scms.read(folder)),
        "pipeline": lambda folder: maven.figures(maven.read(folder)),
    }
    changed = tmp_path / "changed"
    for name in (*olist.FILES, *scms.FILES, *maven.FILES):
        (changed / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(data / name, changed / name)
    before = read[figures](changed)
    _change(changed / file, row, column, cell)
    told = {difference.partition(":")[0] for difference in comparing.differences(before, read[figures](changed))}
    assert moved <= told


def test_a_file_without_rows_is_refused(tmp_path: Path):
    (tmp_path / "empty.csv").write_text("a,b\n")
    with pytest.raises(AssertionError, match=r"empty\.csv has no rows"):
        reading.rows(tmp_path / "empty.csv")


def _change(path: Path, row: int, column: str, cell: str) -> None:
    rows = reading.rows(path)
    assert rows[row][column] != cell
    rows[row][column] = cell
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
