"""The comparison itself: it sees a planted difference, and it does not pass by comparing nothing."""

import copy
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.data import comparing, folder

EXPECTED = {"mqls": 3, "conversion": 0.098971, "by_origin": {"(missing)": {"deals": 1}}, "days": {"median": 18.0, "none": None}}


def test_the_same_figures_in_another_writing_are_equal():
    found = {
        "mqls": "3",
        "conversion": Decimal("0.098971"),
        "by_origin": {"(missing)": {"deals": "1.0"}},
        "days": {"median": "18", "none": None},
    }
    assert list(comparing.differences(EXPECTED, found)) == []


@pytest.mark.parametrize(
    ("place", "planted"),
    [
        (("mqls",), 4),
        (("conversion",), "0.098972"),
        (("conversion",), None),
        (("by_origin", "(missing)", "deals"), 0),
        (("days", "median"), "18.5"),
        (("days", "none"), 0),
    ],
)
def test_a_planted_difference_is_found(place: tuple[str, ...], planted: object):
    found: Any = copy.deepcopy(EXPECTED)
    inner = found
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = planted
    (told,) = comparing.differences(EXPECTED, found)
    assert told.startswith(".".join(place))


def test_a_figure_on_one_side_only_is_a_difference():
    assert list(comparing.differences({"a": {"b": 1}}, {"a": {}})) == ["a.b: only expected"]
    assert list(comparing.differences({"a": {}}, {"a": {"b": 1}})) == ["a.b: only found"]


def test_figures_are_counted():
    assert comparing.fields(EXPECTED) == 5
    assert comparing.fields({}) == 0


def test_a_missing_folder_fails_and_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("BATON_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(pytest.fail.Exception, match=r"the real data are not at .*nowhere: set BATON_DATA"):
        folder.find()


def test_a_comparison_of_too_little_fails():
    comparing.assert_same(EXPECTED, copy.deepcopy(EXPECTED), at_least=5)
    with pytest.raises(AssertionError, match="only 5 figures to compare"):
        comparing.assert_same(EXPECTED, copy.deepcopy(EXPECTED), at_least=6)
    with pytest.raises(AssertionError, match="mqls: expected 3, found 4"):
        comparing.assert_same(EXPECTED, {**EXPECTED, "mqls": 4}, at_least=5)


def test_what_is_left_out_must_have_been_there():
    assert comparing.without(EXPECTED, [("mqls",), ("days", "none")]) == {
        "conversion": 0.098971,
        "by_origin": {"(missing)": {"deals": 1}},
        "days": {"median": 18.0},
    }
    assert comparing.fields(EXPECTED) == 5
    with pytest.raises(KeyError):
        comparing.without(EXPECTED, [("days", "mean")])


def test_the_places_of_all_figures_are_told():
    assert list(comparing.places(EXPECTED)) == [
        ("mqls",),
        ("conversion",),
        ("by_origin", "(missing)", "deals"),
        ("days", "median"),
        ("days", "none"),
    ]
