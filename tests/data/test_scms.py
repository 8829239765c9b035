"""SCMS, by order line: the expected figures."""

from __future__ import annotations

from typing import Any

from tests.data import comparing, reports, scms
from tests.data.importing import Imported
from tests.data.test_readers import SCMS_LEFT_OUT

LINES = ("fulfilment", "--source", "scms", "--level", "line")
LABELS = {column: column.lower().replace(" ", "_") for column in scms.GROUPS}


def test_the_figures_of_lines(baton: Imported, expected: dict[str, Any]):
    wanted = comparing.without(expected["scms"], SCMS_LEFT_OUT)
    found = _history(baton)
    for shown in scms.TOP.values():
        found[shown] = dict(list(found[shown].items())[: len(wanted[shown])])
    comparing.assert_same(wanted, found, at_least=150)


def test_the_figures_of_lines_as_counted_from_the_rows(baton: Imported, history: list[scms.Line]):
    comparing.assert_same(scms.figures(history), _history(baton), at_least=400)


def test_the_largest_groups_come_first(baton: Imported, history: list[scms.Line]):
    for column in scms.GROUPS:
        rows = [group["lines"] for group in baton.report(*LINES, "--by", LABELS[column])["groups"]]
        assert rows == sorted((group["rows"] for group in scms.by(history, column).values()), reverse=True)


def _history(baton: Imported) -> dict[str, Any]:
    return reports.history(
        by_column={column: baton.report(*LINES, "--by", label) for column, label in LABELS.items()},
        shipments=baton.report(*LINES, "--by", "shipment")["total"]["distinct_values"],
    )
