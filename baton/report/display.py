"""A report on the terminal, rounded for the eye, and as JSON in which every figure is exact."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

MISSING = "(missing)"

_COUNTS = {
    "leads": "leads",
    "qualified": "qualified",
    "accepted": "accepted",
    "opportunities": "opps",
    "customers": "customers",
    "won_deals": "won",
    "delivered": "delivered",
    "conversion": "conv.",
}
_DAYS = {
    "n": "n",
    "min": "min",
    "max": "max",
    "mean": "mean",
    "median": "median",
    "within_7": "≤ 7",
    "within_30": "≤ 30",
    "over_180": "> 180",
    "negative": "< 0",
    "zero": "= 0",
}


def to_json(report: Mapping[str, Any]) -> str:
    """The report as JSON; decimals as text, so that no reader rounds them."""
    return json.dumps(report, indent=2, ensure_ascii=False, default=_text)


def shown(report: Mapping[str, Any]) -> Group:
    """The report as tables."""
    by = report.get("by")
    asked = [f"source {report.get('source') or 'all'}", *(f"{name} {report[name]}" for name in ("from", "to") if report.get(name))]
    heading = Text(f"Funnel · {' · '.join(asked)} · as of {report['as_of']['marketing /v1/metrics/funnel']}")
    return Group(heading, _counts(report, by), _days(report, by))


def _counts(report: Mapping[str, Any], by: str | None) -> Table:
    return _filled(_table(by or "", "", _COUNTS), report["groups"], report["total"], _COUNTS)


def _days(report: Mapping[str, Any], by: str | None) -> Table:
    return _filled(_table(by or "", "days to close", _DAYS), report["days_to_close_by_group"], report["days_to_close"], _DAYS)


def _filled(table: Table, groups: list[Mapping[str, Any]], total: Mapping[str, Any], columns: Mapping[str, str]) -> Table:
    for value, figures in _with_total(groups, total):
        table.add_row(value, *(_cell(name, figures.get(name)) for name in columns))
    return table


def _with_total(groups: list[Mapping[str, Any]], total: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for group in groups:
        yield MISSING if group["value"] is None else group["value"], group
    yield "total", total


def _table(first: str, title: str, columns: Mapping[str, str]) -> Table:
    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column(first, min_width=len(MISSING))
    for heading in columns.values():
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _cell(name: str, figure: object) -> str:
    if figure is None:
        return "–"
    if name == "conversion":
        return f"{Decimal(str(figure)) * 100:.1f} %"
    return f"{figure:,}" if isinstance(figure, int) else f"{Decimal(str(figure)):.1f}"


def _text(figure: object) -> str:
    return format(figure, "f") if isinstance(figure, Decimal) else str(figure)
