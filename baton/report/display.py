"""A report on the terminal, and as JSON in which every figure is exact."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

MISSING = "(missing)"

_COUNTS = (
    ("leads", "leads"),
    ("qualified", "qualified"),
    ("accepted", "accepted"),
    ("opportunities", "opportun."),
    ("customers", "customers"),
    ("won_deals", "won deals"),
    ("delivered", "delivered"),
    ("conversion", "conversion"),
)
_DAYS = ("n", "min", "max", "mean", "median", "within_7", "within_30", "over_180", "negative", "zero")


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
    table = _table(by or "", [title for _, title in _COUNTS])
    for value, figures in _with_total(report["groups"], report["total"]):
        table.add_row(value, *(_cell(figures.get(name)) for name, _ in _COUNTS))
    return table


def _days(report: Mapping[str, Any], by: str | None) -> Table:
    table = _table("days to close" + (f" by {by}" if by else ""), [name.replace("_", " ") for name in _DAYS])
    for value, figures in _with_total(report["days_to_close_by_group"], report["days_to_close"]):
        table.add_row(value, *(_cell(figures.get(name)) for name in _DAYS))
    return table


def _with_total(groups: list[Mapping[str, Any]], total: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for group in groups:
        yield MISSING if group["value"] is None else group["value"], group
    yield "total", total


def _table(first: str, titles: list[str]) -> Table:
    table = Table(first)
    for title in titles:
        table.add_column(title, justify="right")
    return table


def _cell(figure: object) -> str:
    if figure is None:
        return "–"
    return f"{figure:,}" if isinstance(figure, int) else _text(figure)


def _text(figure: object) -> str:
    return format(figure, "f") if isinstance(figure, Decimal) else str(figure)
