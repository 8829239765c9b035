"""The comparison itself: it sees a planted difference, and it does not pass by comparing nothing."""

import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.data import comparing, folder

EXPECTED = {"mqls": 3, "conversion": 0.098971, "by_origin": {"(missing)": {"deals": 1}}, "days": {"median": 18.0, "none": None}}
REPORT = {
    "total": {"leads": 2, "won_deals": 1, "conversion": "0.500000"},
    "groups": [{"value": None, "leads": 1, "won_deals": 1, "conversion": "1.000000"}],
    "days_to_close": {"n": 1},
    "days_to_close_by_group": [{"value": None, "n": 1, "median": "7"}],
}


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


def test_the_group_without_a_value_is_called_missing():
    assert comparing.funnel_figures(REPORT)["by_origin"] == {"(missing)": {"mqls": 1, "deals": 1, "conversion": "1.000000"}}
    assert tuple(comparing.funnel_figures(REPORT)) == comparing.FUNNEL


def test_figures_are_counted():
    assert comparing.fields(EXPECTED) == 5
    assert comparing.fields({}) == 0


def test_a_missing_folder_fails_and_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("BATON_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(pytest.fail.Exception, match=r"the real data are not at .*nowhere: set BATON_DATA"):
        folder.find()


def test_the_expected_figures_are_there(data: Path):
    expected = json.loads((data / "expected.json").read_bytes())["olist"]["funnel"]
    assert set(comparing.FUNNEL) <= set(expected)
