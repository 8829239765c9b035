"""What a caller was told decides what is certain."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.checker.history import History, Item, attempts, operations, outcome_of, read

COMMON = {"op": 1, "proc": 0, "f": "capture", "service": "marketing", "route": "POST /v1/leads", "key": "a", "idem": "k"}
ITEM = Item(claims=(("marketing.leads", "lead_id", "a"),), tells=(("lead-generated", "a"),), has={"country": "ES"})


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "ok"), (201, "ok"), (400, "fail"), (409, "fail"), (429, "fail"), (500, "info"), (503, "info"), (0, "info"), (302, "info")],
)
def test_only_a_2xx_is_certain_success_and_only_a_4xx_certain_refusal(status: int, outcome: str) -> None:
    assert outcome_of(status) == outcome


def test_a_history_reads_back_as_it_was_written(tmp_path: Path) -> None:
    with History(tmp_path / "h") as history:
        history.note(type="invoke", val=(ITEM,), **COMMON)
        history.note(type="ok", status=201, etag_out=1, results=("created",), **COMMON)
    assert read(tmp_path / "h") == history.entries


def test_a_last_line_that_was_cut_is_left_out(tmp_path: Path) -> None:
    with History(tmp_path / "h") as history:
        history.note(type="invoke", val=(ITEM,), **COMMON)
        history.note(type="ok", status=201, **COMMON)
    file = tmp_path / "h"
    file.write_bytes(file.read_bytes()[:-9])
    (attempt,) = attempts(read(file))
    assert attempt.outcome == "info"


def test_a_write_is_acknowledged_if_any_attempt_was(tmp_path: Path) -> None:
    with History(tmp_path / "h") as history:
        for status, kind in ((0, "info"), (409, "fail"), (201, "ok")):
            history.note(type="invoke", val=(ITEM,), **COMMON)
            history.note(type=kind, status=status, **COMMON)
    (write,) = operations(history.entries)
    assert (write.outcome, len(write.attempts)) == ("ok", 3)


def test_a_refusal_after_an_unknown_outcome_leaves_it_unknown(tmp_path: Path) -> None:
    with History(tmp_path / "h") as history:
        for status, kind in ((503, "info"), (409, "fail")):
            history.note(type="invoke", val=(ITEM,), **COMMON)
            history.note(type=kind, status=status, **COMMON)
    (write,) = operations(history.entries)
    assert write.outcome == "info"


def test_each_item_of_a_bulk_write_has_an_outcome_of_its_own(tmp_path: Path) -> None:
    with History(tmp_path / "h") as history:
        history.note(type="invoke", val=(ITEM, ITEM), **COMMON)
        history.note(type="ok", status=200, results=("created", "failed"), **COMMON)
    (write,) = operations(history.entries)
    assert [certainty for _, certainty in write.items()] == ["ok", "fail"]
