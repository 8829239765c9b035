"""An import that is run again, and one that was killed: what is in the topics does not know of it."""

from __future__ import annotations

from typing import Any

import pytest

from shared import ids
from tests.data import importing, olist
from tests.data.importing import Imported
from tests.data.test_olist_orders import ORDERS, joined

QUESTIONS = (
    ("funnel", "--source", "olist", "--by", "origin"),
    (*ORDERS, "--by", "status"),
    joined("origin"),
    ("fulfilment", "--source", "scms", "--level", "line", "--by", "vendor"),
    ("pipeline", "--source", "maven", "--by", "agent"),
)


def test_nothing_was_rejected(baton: Imported):
    assert baton.printed.keys() == importing.SOURCES.keys()
    for printed in baton.printed.values():
        assert "rejected" not in printed


@pytest.mark.parametrize("baton", ["killed half-way"], indirect=True)
def test_a_killed_import_goes_on_where_it_was(baton: Imported):
    for printed in baton.printed.values():
        assert "going on after an interrupted run" in printed
        assert "already sent" in printed


def test_every_lead_and_deal_is_told_once(baton: Imported, marketplace: olist.Sample):
    told = baton.stack.settled_events()
    won = {str(ids.derived_id("olist", "deal", mql)) for mql in marketplace.deals}
    standing = len({item["deal_id"] for source in ("olist", "scms") for item in baton.lines(source)} - won)
    pipeline = baton.report("pipeline", "--source", "maven", "--by", "stage")["total"]
    assert told["lead-generated"] == len(marketplace.leads) + pipeline["count"] + standing
    assert told["deal-closed"] == len(marketplace.deals) + pipeline["won"] + pipeline["lost"] + standing


@pytest.mark.parametrize("baton", ["in order"], indirect=True)
def test_a_second_import_of_everything_tells_nothing_and_changes_no_figure(baton: Imported):
    events = baton.stack.settled_events()
    before = {question: _figures(baton.report_anew(*question)) for question in QUESTIONS}
    for source in reversed(list(importing.SOURCES)):
        assert "created" not in importing.run(baton, source)
    assert baton.stack.settled_events() == events
    assert {question: _figures(baton.report_anew(*question)) for question in QUESTIONS} == before


def _figures(report: dict[str, Any]) -> dict[str, Any]:
    return {name: figures for name, figures in report.items() if name != "as_of"}
