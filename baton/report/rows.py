"""A report as rows of figures: its groups and their total, each figure under the path by which it is found. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

KEYS = {"currency": "", "stage_code": "stages."}
"""What tells the parts of a list apart, and what stands before each part's name."""
FIRST = ("row", "value", "period")
RISKY = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A group, or the total of all. `value` None: the group of what has no such label; `period` None: no period, or what is open."""

    value: str | None
    period: str | None
    is_total: bool
    figures: Mapping[str, Any]


def of(report: Mapping[str, Any]) -> list[Row]:
    """The groups of a report in its order, and last the total. Days to close of a funnel stand with the group they belong to."""
    days = {group["value"]: _without_name(group) for group in report.get("days_to_close_by_group", ())}
    rows = [
        Row(
            value=group["value"],
            period=group.get("period"),
            is_total=False,
            figures=flat(_without_name(group) | ({"days_to_close": days[group["value"]]} if group["value"] in days else {})),
        )
        for group in report["groups"]
    ]
    whole = {"days_to_close": report["days_to_close"]} if "days_to_close_by_group" in report else {}
    return [*rows, Row(value=None, period=None, is_total=True, figures=flat({**report["total"], **whole}))]


def flat(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Every figure under its path: `on_time.rate_by_day`; parts of a list under their name: `value.BRL`, `stages.proposal`."""
    return dict(_flat(figures, ""))


def paths(rows: Sequence[Row]) -> list[str]:
    """Every path that any row has: those of the total in its order, then what only groups have."""
    return list(dict.fromkeys(path for row in reversed(rows) for path in row.figures))


def to_csv(report: Mapping[str, Any]) -> str:
    """One line per group and one for the total, exact; nothing is an empty cell. RFC 4180.

    A name that a spreadsheet would take for a formula is preceded by an apostrophe.
    """
    rows = of(report)
    columns = paths(rows)
    told = io.StringIO()
    writer = csv.writer(told)
    writer.writerow([*FIRST, *columns])
    for row in rows:
        kind = "total" if row.is_total else "group"
        writer.writerow([kind, _safe(row.value), row.period or "", *(text(row.figures.get(path)) for path in columns)])
    return told.getvalue()


def text(figure: object) -> str:
    """A figure as it is, without exponent; empty for nothing."""
    return "" if figure is None else format(figure, "f") if isinstance(figure, Decimal) else str(figure)


def _flat(figures: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for name, figure in figures.items():
        if isinstance(figure, Mapping):
            yield from _flat(figure, f"{before}{name}.")
        elif isinstance(figure, list | tuple):
            yield from _parts(figure)
        else:
            yield f"{before}{name}", figure


def _parts(parts: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    for part in parts:
        key = next(name for name in KEYS if name in part)
        for name, figure in part.items():
            if name == "count":
                yield f"{KEYS[key]}{part[key]}", figure
            elif name not in {key, "stage_type"}:
                yield f"{name}.{part[key]}", figure


def _without_name(group: Mapping[str, Any]) -> dict[str, Any]:
    return {name: figure for name, figure in group.items() if name not in {"value", "period"}}


def _safe(name: str | None) -> str:
    return f"'{name}" if name and name.startswith(RISKY) else name or ""
