"""Real leads in, exact figures out: marketing qualified leads and won deals of Olist, once, twice, and killed half-way."""

import json
import re
import signal
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests import stack as stacks
from tests.data import comparing, folder
from tests.stack import Stack

FILES = ("olist/olist_marketing_qualified_leads_dataset.csv", "olist/olist_closed_deals_dataset.csv")
MAPPING = stacks.PROJECT / "mappings" / "olist.toml"


@pytest.fixture(scope="module")
def expected(data: Path) -> dict[str, Any]:
    whole = json.loads((data / "expected.json").read_bytes(), parse_float=Decimal)["olist"]["funnel"]
    return {name: whole[name] for name in comparing.FUNNEL}


@pytest.fixture(scope="module")
def imported(stack: Stack, data: Path) -> str:
    """What the first import printed."""
    return run_import(stack, data, MAPPING)


def run_import(stack: Stack, data: Path, mapping: Path) -> str:
    return stack.run("import", *folder.paths(data, FILES), "--mapping", str(mapping))


def assert_same_figures(stack: Stack, source: str, expected: dict[str, Any]) -> None:
    found = comparing.funnel_figures(stack.settled_funnel(source, expected["deals"]))
    assert comparing.fields(expected) > 50
    assert list(comparing.differences(expected, found)) == []


def under_another_source(folder: Path, code: str) -> Path:
    mapping = folder / f"{code}.toml"
    mapping.write_text(re.sub(r'^code = "olist"$', f'code = "{code}"', MAPPING.read_text(), flags=re.MULTILINE))
    assert code in mapping.read_text()
    return mapping


def test_the_report_equals_the_expected_figures(stack: Stack, imported: str, expected: dict[str, Any]):
    assert "rejected" not in imported
    assert_same_figures(stack, "olist", expected)


def test_a_second_import_has_no_effect(stack: Stack, imported: str, data: Path, expected: dict[str, Any]):
    assert_same_figures(stack, "olist", expected)
    before = stack.settled_events()
    again = run_import(stack, data, MAPPING)
    assert "created" not in again
    assert stack.settled_events() == before
    assert_same_figures(stack, "olist", expected)


def test_an_import_that_was_killed_half_way_is_completed_by_the_next(
    stack: Stack, imported: str, data: Path, expected: dict[str, Any], tmp_path: Path
):
    assert_same_figures(stack, "olist", expected)
    before = stack.settled_events()
    mapping = under_another_source(tmp_path, "olist_killed")
    running = stack.start("import", *folder.paths(data, FILES), "--mapping", str(mapping), "--batch", "10")
    stacks.until_true(lambda: stack.count_leads("olist_killed") >= 1000, 60, running)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert 1000 <= stack.count_leads("olist_killed") < expected["mqls"]
    run_import(stack, data, mapping)
    assert_same_figures(stack, "olist_killed", expected)
    assert_same_figures(stack, "olist", expected)
    after = stack.settled_events()
    assert after["lead-generated"] - before["lead-generated"] == expected["mqls"]
    assert after["deal-closed"] - before["deal-closed"] == expected["deals"]
