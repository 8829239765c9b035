"""The hook that breaks code on purpose, and the judge of what came of it, are themselves shown to fail when they should."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.promises import catalogue, variants
from tests.promises.variants import Edit, NoLongerAppliesError
from tests.promises.verdicts import BROKEN, HELD, INVALID, Findings, Verdict, failures, judge

MODULE = "shared.outbox.cursor"
ALL = [(promise, variant) for promise in catalogue.PROMISES for variant in promise.variants]


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the import path with a module of two lines; hooks are taken away again."""
    (tmp_path / "planted_module.py").write_text("ANSWER = 41\nTWICE = 41\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = list(sys.meta_path)
    yield tmp_path
    sys.meta_path[:] = before
    sys.modules.pop("planted_module", None)


def edit(old: str, new: str = "ANSWER = 42", module: str = "planted_module") -> Edit:
    return Edit(module=module, old=old, new=new)


def verdict(outcome: str, variant: str | None) -> Verdict:
    return Verdict(promise="T1", variant=variant, outcome=outcome, seen=[], checked=9, counts={}, seed=1, seconds=1.0, versions={})


@pytest.mark.parametrize(("promise", "variant"), ALL, ids=[f"{promise.name}-{variant.name}" for promise, variant in ALL])
def test_every_variant_fits_the_code_as_it_is(promise: catalogue.Promise, variant: catalogue.Variant) -> None:
    variants.check([*promise.always, *variant.edits])


def test_a_changed_module_runs_changed_and_its_file_does_not(planted: Path) -> None:
    hook = variants.install([edit("ANSWER = 41")])
    assert hook.unused() == {"planted_module"}
    import planted_module  # pyright: ignore[reportMissingImports]

    assert (planted_module.ANSWER, planted_module.TWICE) == (42, 41)
    assert hook.unused() == set()
    assert "42" not in (planted / "planted_module.py").read_text()


@pytest.mark.parametrize("old", ["ANSWER = 43", "41", "TWICE = 41\n\n"])
def test_a_text_that_does_not_stand_there_exactly_once_is_an_error(planted: Path, old: str) -> None:
    with pytest.raises(NoLongerAppliesError, match="the variant no longer applies"):
        variants.install([edit(old)])


def test_an_edit_that_changes_nothing_is_an_error(planted: Path) -> None:
    with pytest.raises(NoLongerAppliesError):
        variants.install([edit("ANSWER = 41", "ANSWER = 41")])


def test_an_edit_that_is_no_python_is_an_error(planted: Path) -> None:
    with pytest.raises(SyntaxError):
        variants.install([edit("ANSWER = 41", "ANSWER = ")])


def test_a_module_that_is_imported_already_cannot_be_changed(planted: Path) -> None:
    import planted_module  # noqa: F401  # pyright: ignore[reportMissingImports]

    with pytest.raises(NoLongerAppliesError, match="imported already"):
        variants.install([edit("ANSWER = 41")])


def test_a_module_that_is_not_there_is_an_error() -> None:
    with pytest.raises(NoLongerAppliesError, match="no module"):
        variants.install([edit("x", module="shared.outbox.nowhere")])


def test_a_started_process_is_told_its_edits() -> None:
    told = variants.environment([edit("PAGE_ROWS = 1000", "PAGE_ROWS = 7", MODULE)])
    assert json.loads(told[variants.VARIABLE])[0]["module"] == MODULE
    code = (
        "from tests.promises import variants; variants.install_from_environment();"
        " from shared.outbox import cursor; print(cursor.PAGE_ROWS)"
    )
    found = subprocess.run([sys.executable, "-c", code], env={**told, "PYTHONPATH": "."}, capture_output=True, text=True, check=True)
    assert found.stdout == "7\n"


def test_an_empty_run_is_no_verdict() -> None:
    assert judge(Findings(), at_least=0)[0] == INVALID
    assert judge(Findings(checked=4_999), at_least=5_000)[0] == INVALID
    assert judge(Findings(checked=4_999, problems=["lost"]), at_least=5_000)[0] == INVALID


def test_a_problem_breaks_and_no_problem_holds() -> None:
    findings = Findings(checked=3)
    assert judge(findings, at_least=3)[0] == HELD
    findings.claim(False, "lost")
    assert judge(findings, at_least=3) == (BROKEN, ["lost"])


@pytest.mark.parametrize(
    ("outcome", "variant", "passes"),
    [
        (HELD, None, True),
        (BROKEN, None, False),
        (INVALID, None, False),
        (BROKEN, "id-only", True),
        (HELD, "id-only", False),
        (INVALID, "id-only", False),
    ],
)
def test_a_broken_variant_that_holds_breaks_the_run_and_so_does_a_crash(outcome: str, variant: str | None, passes: bool) -> None:
    real = [] if variant is None else [verdict(HELD, None)]
    assert (failures([*real, verdict(outcome, variant)]) == []) == passes


def test_a_run_that_tried_nothing_real_is_an_error() -> None:
    assert failures([])
    assert failures([verdict(BROKEN, "id-only")])


def test_only_a_run_that_held_has_a_bound() -> None:
    assert verdict(HELD, None).bound == pytest.approx(1 / 3)
    assert verdict(BROKEN, None).bound is None
