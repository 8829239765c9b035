"""Money adds up, whatever is divided by whatever."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.money import Money, split, total

CENTS = st.integers(-(10**12), 10**12).map(lambda cents: Decimal(cents) / 100)
WEIGHTS = st.lists(st.decimals(0, 10**6, places=4), min_size=1, max_size=30).filter(any)


@given(CENTS, WEIGHTS)
def test_parts_add_up_and_are_multiples_of_the_step(amount: Decimal, weights: list[Decimal]) -> None:
    parts = split(amount, weights)
    assert sum(parts) == amount
    assert all(part % Decimal("0.01") == 0 for part in parts)


@given(CENTS, WEIGHTS)
def test_no_part_is_a_step_away_from_its_share(amount: Decimal, weights: list[Decimal]) -> None:
    whole = sum(weights)
    for part, weight in zip(split(amount, weights), weights, strict=True):
        assert abs(part - amount * weight / whole) < Decimal("0.01")


@given(st.integers(1, 10**6), st.integers(1, 20))
def test_equal_weights_differ_by_one_step_at_most(pieces: int, people: int) -> None:
    parts = split(Decimal(pieces), [Decimal(1)] * people, step=Decimal(1))
    assert sum(parts) == pieces
    assert max(parts) - min(parts) <= 1
    assert parts == sorted(parts, reverse=True)


@pytest.mark.parametrize(
    ("amount", "weights"), [("1", []), ("1", ["0", "0"]), ("1", ["1", "-1"]), ("1", ["2", "-1"]), ("0.005", ["1"]), ("1.001", ["1", "1"])]
)
def test_what_cannot_add_up_is_refused(amount: str, weights: list[str]) -> None:
    with pytest.raises(ValueError, match=r"weights|step"):
        split(Decimal(amount), [Decimal(weight) for weight in weights])


@given(st.lists(CENTS, max_size=20))
def test_a_total_is_the_sum_of_its_parts(amounts: list[Decimal]) -> None:
    assert total([Money(amount=amount, currency="BRL") for amount in amounts], "BRL").amount == sum(amounts)


def test_currencies_are_never_mixed() -> None:
    real, euro = Money(amount=Decimal(1), currency="BRL"), Money(amount=Decimal(1), currency="EUR")
    for mix in (lambda: real + euro, lambda: real - euro, lambda: total([euro], "BRL")):
        with pytest.raises(ValueError, match="cannot combine"):
            mix()


@pytest.mark.parametrize(("price", "quantity", "expected"), [("0.05", "0.5", "0.02"), ("0.15", "0.5", "0.08"), ("19.99", "3", "59.97")])
def test_a_price_times_a_quantity_is_rounded_half_to_even(price: str, quantity: str, expected: str) -> None:
    assert Money(amount=Decimal(price), currency="EUR").times(Decimal(quantity)).amount == Decimal(expected)
