"""Money is a decimal with a currency. Parts that must add up are rounded by largest remainder; rates and means to six places."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Annotated

from pydantic import Field, PlainSerializer

_PLAIN = PlainSerializer(lambda value: format(value, "f"), return_type=Annotated[str, Field(pattern=r"^-?\d+(\.\d+)?$")], when_used="json")

PlainDecimal = Annotated[Decimal, Field(max_digits=24, decimal_places=8), _PLAIN]
"""A decimal that is written without exponent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """An amount in one currency (ISO 4217, three capital letters)."""

    amount: Annotated[Decimal, Field(max_digits=20, decimal_places=4), _PLAIN]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]

    def __add__(self, other: Money) -> Money:
        return Money(amount=self.amount + _same_currency(self, other).amount, currency=self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(amount=self.amount - _same_currency(self, other).amount, currency=self.currency)

    def times(self, quantity: Decimal) -> Money:
        """Price x quantity, rounded to the cent (half to even)."""
        return Money(amount=(self.amount * quantity).quantize(Decimal("0.01"), ROUND_HALF_EVEN), currency=self.currency)


def total(parts: Iterable[Money], currency: str) -> Money:
    """The sum of amounts of one currency; zero of that currency if there are none. ValueError when currencies differ."""
    result = Money(amount=Decimal("0.00"), currency=currency)
    for part in parts:
        result = result + part
    return result


def split(amount: Decimal, weights: Sequence[Decimal], step: Decimal = Decimal("0.01")) -> list[Decimal]:
    """`amount` in parts proportional to `weights`, each a multiple of `step`, which add up to `amount` exactly (largest remainder).

    ValueError if weights are negative or all zero, or if `amount` is no multiple of `step` itself.
    """
    whole = sum(weights, Decimal(0))
    if not weights or whole <= 0 or any(weight < 0 for weight in weights):
        raise ValueError("weights must be non-negative and not all zero")
    if amount % step:
        raise ValueError("parts that are multiples of the step cannot add up to an amount that is none")
    exact = [amount * weight / whole for weight in weights]
    parts = [(share / step).to_integral_value(ROUND_FLOOR) * step for share in exact]
    missing = int(((amount - sum(parts, Decimal(0))) / step).to_integral_value(ROUND_HALF_EVEN))
    by_remainder = sorted(range(len(parts)), key=lambda i: (parts[i] - exact[i], i))
    for i in by_remainder[:missing]:
        parts[i] += step
    return parts


def _same_currency(one: Money, other: Money) -> Money:
    if one.currency != other.currency:
        raise ValueError(f"cannot combine {one.currency} with {other.currency}")
    return other


def ratio(part: Decimal | int | None, whole: int) -> Decimal | None:
    """A rate or a mean to six places, half to even; None where there is nothing."""
    return None if part is None or not whole else (Decimal(part) / whole).quantize(Decimal("0.000001"), ROUND_HALF_EVEN)
