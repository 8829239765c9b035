"""The rows of a file as they stand, and arithmetic with them: what the product's own import and figures are held against."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

MISSING = "(missing)"
SIX_PLACES = Decimal("0.000001")
FOUR_PLACES = Decimal("0.0001")


def rows(path: Path) -> list[dict[str, str]]:
    """Every row of a file by its header; no cell is interpreted. AssertionError for a file without rows."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        found = list(csv.DictReader(file))
    assert found, f"{path.name} has no rows"
    return found


def instant(cell: str) -> datetime | None:
    """A time stamp as it stands, without a zone; None for an empty cell."""
    return datetime.fromisoformat(cell) if cell else None


def known(cell: str) -> datetime:
    """A time stamp that must be there."""
    return datetime.fromisoformat(cell)


def named(cell: str) -> str:
    """A cell as the name of a group."""
    return cell or MISSING


def days(since: datetime | date, until: datetime | date) -> int:
    """From one calendar day to another."""
    return (_day(until) - _day(since)).days


def hours(since: datetime, until: datetime) -> Decimal:
    """From one instant to another, exactly to the microsecond."""
    return Decimal((until - since) // timedelta(microseconds=1)) / 3_600_000_000


def rate(part: int, whole: int) -> Decimal | None:
    """To 6 places; None of nothing."""
    return (Decimal(part) / whole).quantize(SIX_PLACES, ROUND_HALF_EVEN) if whole else None


def mean(values: Sequence[Decimal | int]) -> Decimal | None:
    """To 6 places; None of nothing."""
    return (Decimal(sum(values)) / len(values)).quantize(SIX_PLACES, ROUND_HALF_EVEN) if values else None


def median(values: Iterable[Decimal | int]) -> Decimal | None:
    """The middle one, of an even count the mean of the middle two; None of nothing."""
    ordered = sorted(values)
    if not ordered:
        return None
    lower, upper = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return Decimal(lower + upper) / 2


def median_hours(values: Sequence[Decimal]) -> dict[str, Decimal | int | None]:
    """How many there are and their median to 4 places."""
    middle = median(values)
    return {"n": len(values), "median": None if middle is None else middle.quantize(FOUR_PLACES, ROUND_HALF_EVEN)}


def _day(moment: datetime | date) -> date:
    return moment.date() if isinstance(moment, datetime) else moment
