"""The delivery history of a supply chain, read and counted without the product: a row is an order line."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from tests.data import reading

HISTORY = "scms/scms_delivery_history.csv"
FILES = (HISTORY,)

GROUPS = ("Shipment Mode", "Fulfill Via", "Product Group", "Vendor INCO Term", "Managed By", "Country", "Vendor")
TOP = {"Country": "by Country top10", "Vendor": "by Vendor top5"}
"""Groups of which the expected figures show the largest only, under another name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row. `cells` holds it as it stands; `freight` is None where the cell is a word or names another row."""

    line_id: str
    order: str
    promised: date
    delivered: date
    recorded: date
    quantity: int
    value: Decimal
    freight: Decimal | None
    cells: Mapping[str, str]

    @property
    def days_late(self) -> int:
        """Calendar days behind the promise; below zero it was early."""
        return reading.days(self.promised, self.delivered)


def read(folder: Path) -> list[Line]:
    """The rows in the folder of the real data."""
    return [_line(row) for row in reading.rows(folder / HISTORY)]


def short_day(cell: str) -> date | None:
    """A day written month first, with two digits of the year; None for the words that stand where one is not known."""
    try:
        return datetime.strptime(cell, "%m/%d/%y").date()  # noqa: DTZ007  a day has no zone
    except ValueError:
        return None


def number(cell: str) -> Decimal | None:
    """A cell as a number; None for words and for references to other rows."""
    try:
        return Decimal(cell)
    except InvalidOperation:
        return None


def ordered(lines: Iterable[Line]) -> dict[str, date | None]:
    """The day on which each order was sent to its vendor, from the first of its rows."""
    first: dict[str, Line] = {}
    for line in lines:
        first.setdefault(line.order, line)
    return {order: short_day(line.cells["PO Sent to Vendor Date"]) for order, line in first.items()}


def figures(lines: Sequence[Line]) -> dict[str, Any]:
    """The figures by line, in the words of the expected ones."""
    late = [line.days_late for line in lines if line.days_late > 0]
    lag = [reading.days(line.delivered, line.recorded) for line in lines]
    return {
        "rows": len(lines),
        "distinct_id": len({line.line_id for line in lines}),
        "distinct_po": len({line.order for line in lines}),
        "distinct_shipment": _distinct(lines, "ASN/DN #"),
        "countries": _distinct(lines, "Country"),
        "vendors": _distinct(lines, "Vendor"),
        "on_time": len(lines) - len(late),
        "on_time_rate": reading.rate(len(lines) - len(late), len(lines)),
        "exactly_on_day": sum(line.days_late == 0 for line in lines),
        "early": sum(line.days_late < 0 for line in lines),
        "late": len(late),
        "median_days_late_when_late": reading.median(late),
        "max_days_late": max(late),
        "max_days_early": -min(line.days_late for line in lines),
        "record_lag_days": {"median": reading.median(lag), "max": max(lag), "recorded_same_day": sum(each == 0 for each in lag)},
        **{TOP.get(column, f"by {column}"): by(lines, column) for column in GROUPS},
        "line_item_value_sum": sum(line.value for line in lines),
        "quantity_sum": sum(line.quantity for line in lines),
        "days_po_to_delivery": _since_ordered(lines),
        "Freight Cost (USD)": {"sum_of_numbers": sum(line.freight for line in lines if line.freight is not None)},
    }


def by(lines: Iterable[Line], column: str) -> dict[str, dict[str, Any]]:
    """Rows, those on time and their value, by the words of a column; a word that says "not applicable" is a word like any other."""
    groups: defaultdict[str, list[Line]] = defaultdict(list)
    for line in lines:
        groups[reading.named(line.cells[column])].append(line)
    return {word: _group(group) for word, group in groups.items()}


def freight_kinds(lines: Iterable[Line]) -> dict[str, int]:
    """What stands where freight belongs: a number, a reference to another row, or one of a few words."""
    return dict(Counter(_kind(line.cells["Freight Cost (USD)"]) for line in lines))


def largest(groups: Mapping[str, Mapping[str, Any]], wanted: int) -> dict[str, Mapping[str, Any]]:
    """The groups with the most rows."""
    ordered_groups = sorted(groups.items(), key=lambda group: -int(group[1]["rows"]))
    return dict(ordered_groups[:wanted])


def _group(lines: Sequence[Line]) -> dict[str, Any]:
    timely = sum(line.days_late <= 0 for line in lines)
    return {
        "rows": len(lines),
        "on_time": timely,
        "rate": reading.rate(timely, len(lines)),
        "value": sum(line.value for line in lines),
    }


def _since_ordered(lines: Sequence[Line]) -> dict[str, Any]:
    sent = ordered(lines)
    days = [reading.days(day, line.delivered) for line in lines if (day := sent[line.order])]
    return {"n": len(days), "median": reading.median(days)}


def _kind(cell: str) -> str:
    if number(cell) is not None:
        return "number"
    return "reference to another row" if cell.startswith("See ") else cell


def _distinct(lines: Iterable[Line], column: str) -> int:
    return len({line.cells[column] for line in lines})


def _line(row: Mapping[str, str]) -> Line:
    return Line(
        line_id=row["ID"],
        order=row["PO / SO #"],
        promised=_long_day(row["Scheduled Delivery Date"]),
        delivered=_long_day(row["Delivered to Client Date"]),
        recorded=_long_day(row["Delivery Recorded Date"]),
        quantity=int(row["Line Item Quantity"]),
        value=Decimal(row["Line Item Value"]),
        freight=number(row["Freight Cost (USD)"]),
        cells=row,
    )


def _long_day(cell: str) -> date:
    return datetime.strptime(cell, "%d-%b-%y").date()  # noqa: DTZ007  a day has no zone
