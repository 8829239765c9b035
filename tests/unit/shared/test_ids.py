"""Ids: time-ordered for what is new, the same again for what has a name elsewhere."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.ids import derived_id, new_id

NAMES = st.text(alphabet=st.characters(exclude_characters="\x1f", exclude_categories=["Cs"]), max_size=20)


def test_new_ids_are_of_version_7_and_rise() -> None:
    ids = [new_id() for _ in range(10_000)]
    assert {one.version for one in ids} == {7}
    assert ids == sorted(set(ids))


@given(NAMES, NAMES, NAMES)
def test_a_derived_id_is_the_same_wherever_it_is_derived(source: str, kind: str, external_id: str) -> None:
    assert derived_id(source, kind, external_id) == derived_id(source, kind, external_id)
    assert derived_id(source, kind, external_id).version == 5


@given(st.tuples(NAMES, NAMES, NAMES), st.tuples(NAMES, NAMES, NAMES))
def test_another_name_gives_another_id(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert (derived_id(*one) == derived_id(*other)) == (one == other)


def test_the_derivation_is_fixed_for_ever() -> None:
    assert str(derived_id("olist", "lead", "42")) == "f4fc5221-db9e-5542-a06d-0ee19d2bab83"
