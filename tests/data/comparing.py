"""Figures against expected figures, field by field, as decimals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any


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


def places(figures: object, place: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where every figure stands."""
    if isinstance(figures, Mapping):
        for name, inner in figures.items():
            yield from places(inner, (*place, name))
    else:
        yield place


def without(figures: Mapping[str, Any], left_out: Iterable[tuple[str, ...]]) -> dict[str, Any]:
    """The figures but for those at these places. KeyError for a place that is not there, so that no exception outlives its reason."""
    kept = {name: dict(inner) if isinstance(inner, Mapping) else inner for name, inner in figures.items()}
    for *outer, name in left_out:
        inner = kept
        for each in outer:
            inner = inner[each]
        del inner[name]
    return kept


def assert_same(expected: Mapping[str, Any], found: Mapping[str, Any], *, at_least: int) -> None:
    """AssertionError that lists the differences, if there are any, or if fewer figures than that were expected."""
    assert fields(expected) >= at_least, f"only {fields(expected)} figures to compare"
    told = list(differences(expected, found))
    assert told == [], "\n".join(told[:40])


def _exact(figure: object) -> object:
    if isinstance(figure, bool) or figure is None:
        return figure
    try:
        return Decimal(str(figure))
    except InvalidOperation:
        return figure
