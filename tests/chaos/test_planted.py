"""The planted bugs fit the product as it is now: one that changes nothing would be found by nobody, and prove nothing."""

import importlib.util
from pathlib import Path

import pytest

from shared.db import failpoints
from tests.chaos import faults, planted
from tests.promises.variants import changed_source


@pytest.mark.parametrize("name", planted.BUGS)
def test_a_planted_bug_changes_what_it_names(name: str) -> None:
    bug = planted.BUGS[name]
    for module in {edit.module for edit in bug.edits}:
        spec = importlib.util.find_spec(module)
        assert spec is not None
        assert spec.origin is not None
        source = Path(spec.origin).read_text()
        changed = changed_source(module, source, bug.edits)
        assert changed != source
        compile(changed, spec.origin, "exec")


def test_there_are_fifteen_bugs_and_each_names_faults_that_exist() -> None:
    assert len(planted.BUGS) == 15
    assert {fault for bug in planted.BUGS.values() for fault in bug.faults} <= faults.SET_1.keys() | failpoints.POINTS
    assert all(bug.breaks for bug in planted.BUGS.values())


def test_the_first_set_of_faults_is_whole() -> None:
    numbers = (*range(1, 9), 10, 12, 13, 15, *range(22, 27), 34)
    assert set(faults.SET_1) == {f"F{number}" for number in numbers}


def test_every_fail_point_is_of_a_part_that_can_be_brought_there() -> None:
    assert {name.partition(".")[0] for name in failpoints.POINTS} == {"edge", "relay", "chunk", "drain"}
