"""Figures against expected figures, field by field, as decimals. A group without a value is called (missing)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

MISSING = "(missing)"
FUNNEL = ("mqls", "deals", "conversion", "by_origin", "days_to_close", "median_days_to_close_by_origin")


def differences(expected: object, actual: object, place: str = "") -> Iterator[str]:
    """Every field that is not the same, with its place; fields on one side only as well. Numbers are equal if their decimals are."""
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        for name in sorted({*expected, *actual}):
            inner = f"{place}.{name}".lstrip(".")
            if name not in actual or name not in expected:
                yield f"{inner}: only {'expected' if name in expected else 'found'}"
            else:
                yield from differences(expected[name], actual[name], inner)
    elif _exact(expected) != _exact(actual):
        yield f"{place}: expected {expected!r}, found {actual!r}"


def fields(figures: object) -> int:
    """How many figures there are, so that a comparison of nothing is noticed."""
    return sum(fields(inner) for inner in figures.values()) if isinstance(figures, Mapping) else 1


def funnel_figures(report: Mapping[str, Any]) -> dict[str, Any]:
    """A funnel report by origin, in the words of the expected figures."""
    return {
        **_counts(report["total"]),
        "by_origin": {_named(group["value"]): _counts(group) for group in report["groups"]},
        "days_to_close": report["days_to_close"],
        "median_days_to_close_by_origin": {
            _named(group["value"]): {"n": group["n"], "median": group["median"]} for group in report["days_to_close_by_group"]
        },
    }


def _counts(group: Mapping[str, Any]) -> dict[str, Any]:
    return {"mqls": group["leads"], "deals": group["won_deals"], "conversion": group["conversion"]}


def _named(value: str | None) -> str:
    return MISSING if value is None else value


def _exact(figure: object) -> object:
    if isinstance(figure, bool) or figure is None:
        return figure
    try:
        return Decimal(str(figure))
    except InvalidOperation:
        return figure
