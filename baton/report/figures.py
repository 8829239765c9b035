"""Means and medians as every report gives them: exact decimals, and nothing of nothing. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from shared.money import ratio


def mean(days: Sequence[int]) -> Decimal | None:
    """The mean to 6 places, half to even; None of nothing."""
    return ratio(sum(days), len(days))


def median(days: Sequence[int]) -> Decimal | None:
    """The middle, exactly; of an even count the mean of the middle two; None of nothing."""
    if not days:
        return None
    ordered = sorted(days)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return Decimal(ordered[middle])
    return Decimal(ordered[middle - 1] + ordered[middle]) / 2
