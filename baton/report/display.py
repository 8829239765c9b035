"""A report on the terminal, rounded for the eye, and as JSON in which every figure is exact."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from baton.report import rows
from baton.report.rows import Row

MISSING = "(missing)"
OPEN = "(open)"
NOTHING = "–"

Columns = Mapping[str, str]
"""Path of a figure → heading of its column."""

FUNNEL: Mapping[str, Columns] = {
    "": {
        "leads": "leads",
        "qualified": "qualified",
        "accepted": "accepted",
        "opportunities": "opps",
        "customers": "customers",
        "won_deals": "won",
        "delivered": "delivered",
        "conversion": "conv.",
    },
    "days to close": {
        "days_to_close.n": "n",
        "days_to_close.min": "min",
        "days_to_close.max": "max",
        "days_to_close.mean": "mean",
        "days_to_close.median": "median",
        "days_to_close.within_7": "≤ 7",
        "days_to_close.within_30": "≤ 30",
        "days_to_close.over_180": "> 180",
        "days_to_close.negative": "< 0",
        "days_to_close.zero": "= 0",
    },
}
PIPELINE: Mapping[str, Columns] = {
    "": {"count": "count", "open": "open", "won": "won", "lost": "lost", "win_rate": "win rate"},
    "days to close": {
        "days_to_close.won.n": "won",
        "days_to_close.won.median": "median",
        "days_to_close.won.mean": "mean",
        "days_to_close.lost.n": "lost",
        "days_to_close.lost.median": "median",
        "days_to_close.lost.mean": "mean",
        "days_to_close.min": "min",
        "days_to_close.max": "max",
    },
}
FULFILMENT: Mapping[str, Columns] = {
    "": {
        "orders": "orders",
        "lines": "lines",
        "orders_without_lines": "no lines",
        "approved": "approved",
        "shipped": "shipped",
        "delivered": "delivered",
        "cancelled": "cancelled",
        "delivered_and_cancelled": "both",
    },
    "on time": {
        "on_time.delivered": "delivered",
        "on_time.by_day": "by day",
        "on_time.rate_by_day": "rate",
        "on_time.by_instant": "by instant",
        "on_time.rate_by_instant": "rate",
        "on_time.without_promise": "no promise",
    },
    "delivered, as to the promised day": {
        "on_time.early": "early",
        "on_time.exact": "exact",
        "on_time.late": "late",
        "on_time.median_days_late": "med. late",
        "on_time.max_days_late": "max late",
        "on_time.max_days_early": "max early",
    },
    "days to delivery; hours between steps": {
        "cycle.received_to_delivered_days.n": "n",
        "cycle.received_to_delivered_days.median": "median",
        "cycle.received_to_delivered_days.mean": "mean",
        "cycle.received_to_approved_hours.median": "received to\napproved",
        "cycle.approved_to_shipped_hours.median": "approved to\nshipped",
        "cycle.shipped_to_delivered_hours.median": "shipped to\ndelivered",
    },
    "days until a delivery was reported": {
        "cycle.delivered_to_reported_days.n": "n",
        "cycle.delivered_to_reported_days.same_day": "same day",
        "cycle.delivered_to_reported_days.median": "median",
        "cycle.delivered_to_reported_days.max": "max",
    },
    "out of order": {
        "out_of_order.shipped_before_received": "shipped <\nreceived",
        "out_of_order.shipped_before_approved": "shipped <\napproved",
        "out_of_order.delivered_before_received": "delivered <\nreceived",
        "out_of_order.delivered_before_shipped": "delivered <\nshipped",
    },
    "left in time": {"handover.lines": "lines", "handover.on_time": "on time", "handover.rate": "rate"},
}
JOINED: Mapping[str, Columns] = {
    "": {
        "through_values": "deals",
        "orders": "orders",
        "lines": "lines",
        "delivered": "delivered",
        "on_time_by_day": "by day",
        "rate_by_day": "rate",
        "on_time_by_instant": "by instant",
        "rate_by_instant": "rate",
    },
    "days from receipt to delivery": {"days.n": "n", "days.median": "median", "days.mean": "mean"},
}
TABLES = {"funnel": FUNNEL, "pipeline": PIPELINE, "fulfilment": FULFILMENT, "joined": JOINED}
VALUES: Columns = {
    "value": "value",
    "freight": "freight",
    "open_value": "open",
    "weighted_value": "weighted",
    "won_value": "won",
    "mean_won_value": "mean won",
    "median_won_value": "median won",
    "lost_value": "lost",
}
OPTIONAL = {"days until a delivery was reported", "out of order", "left in time"}
"""Tables that are left out where every figure of theirs is zero."""
ASKED = {"by": "by", "through": "through", "per": "per", "level": "level", "from": "from", "to": "to"}


def to_json(report: Mapping[str, Any]) -> str:
    """The report as JSON; decimals as text, so that no reader rounds them."""
    return json.dumps(report, indent=2, ensure_ascii=False, default=rows.text)


def shown(report: Mapping[str, Any]) -> Group:
    """The report as tables."""
    found = rows.of(report)
    tables = [_table(title, columns, found, report) for title, columns in _tables(report, found)]
    return Group(Text(heading(report)), *tables, *_joined(report))


def heading(report: Mapping[str, Any]) -> str:
    """What was asked, of which moment, in one line."""
    asked = [f"source {plain(report.get('source') or 'all')}"]
    asked += [f"{title} {plain(report[name])}" for name, title in ASKED.items() if report.get(name)]
    return f"{report['report'].capitalize()} · {' · '.join(asked)} · as of {as_of(report)}"


def as_of(report: Mapping[str, Any]) -> str:
    """The instant of the report: of several answers that of the first one."""
    told = report["as_of"]
    return next(iter(told.values())) if isinstance(told, Mapping) else told


def name(row: Row, report: Mapping[str, Any]) -> list[str]:
    """What a row is called: its value if a label groups, its period if periods do; for people, so nothing in it controls a terminal."""
    if row.is_total:
        return ["total", ""] if report.get("by") and report.get("per") else ["total"]
    parts = [MISSING if row.value is None else plain(row.value)] if report.get("by") else []
    return [*parts, OPEN if row.period is None else row.period] if report.get("per") else parts


def plain(text: str) -> str:
    """A text without characters that a terminal or a file of markup would act on."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def is_joined(report: Mapping[str, Any]) -> bool:
    """Whether fulfilment was joined with deals and leads."""
    return "orders_by_label" in report


def _tables(report: Mapping[str, Any], found: Sequence[Row]) -> Iterator[tuple[str, Columns]]:
    for title, columns in TABLES["joined" if is_joined(report) else report["report"]].items():
        if title not in OPTIONAL or any(row.figures.get(path) for row in found for path in columns):
            yield title, columns
    stages = {path: path.removeprefix("stages.") for path in rows.paths(found) if path.startswith("stages.")}
    if stages:
        yield "stages", stages
    for currency, columns in _values(rows.paths(found)).items():
        yield f"value in {currency}", columns


def _values(paths: Sequence[str]) -> dict[str, Columns]:
    currencies = sorted({path.partition(".")[2] for path in paths if path.partition(".")[0] in VALUES and "." in path})
    return {
        currency: {f"{name}.{currency}": title for name, title in VALUES.items() if f"{name}.{currency}" in paths}
        for currency in currencies
    }


def _table(title: str, columns: Columns, found: Sequence[Row], report: Mapping[str, Any]) -> Table:
    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for first in [plain(report[asked]) for asked in ("by", "per") if report.get(asked)] or [""]:
        table.add_column(Text(first), min_width=len(MISSING), overflow="fold")
    for path, shown_as in columns.items():
        table.add_column(Text(_through(report) if path == "through_values" else shown_as), justify="right", no_wrap=True)
    for row in found:
        if not row.is_total and all(row.figures.get(path) is None for path in columns):
            continue
        table.add_row(*map(Text, name(row, report)), *(_cell(path, row.figures.get(path)) for path in columns))
    return table


def _through(report: Mapping[str, Any]) -> str:
    return plain(report.get("through") or JOINED[""]["through_values"])


def _joined(report: Mapping[str, Any]) -> Iterator[Table | Text]:
    if not is_joined(report):
        return
    for label, values in report["orders_by_label"].items():
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column(Text(plain(label)), min_width=len(MISSING))
        table.add_column("orders", justify="right")
        for value, orders in values.items():
            table.add_row(Text(plain(value)), f"{orders:,}")
        yield table
    first = {figure: _cell(figure, told) for figure, told in report["days_won_to_first_order"].items()}
    yield Text(
        f"days from won to first order: n {first['n']}, median {first['median']}, mean {first['mean']}, < 0: {first['negative']} · "
        f"orders received before won: {report['orders_received_before_won']:,}"
    )


def _cell(path: str, figure: object) -> str:
    if figure is None:
        return NOTHING
    if is_rate(path):
        return percent(figure)
    if isinstance(figure, int):
        return f"{figure:,}"
    return f"{Decimal(str(figure)):,.2f}" if path.partition(".")[0] in VALUES else f"{Decimal(str(figure)):,.1f}"


def is_rate(path: str) -> bool:
    """Whether a figure is a share of 1."""
    last = path.rpartition(".")[2]
    return last == "conversion" or "rate" in last.split("_")


def percent(rate: object) -> str:
    """A share of 1 for the eye."""
    return f"{Decimal(str(rate)) * 100:.1f} %"
