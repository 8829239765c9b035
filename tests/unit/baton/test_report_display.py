"""Reports for the eye: every table is there, rounded, readable on a narrow terminal, and nothing in a name controls it."""

import json
from typing import Any

from rich.console import Console

from baton.report import display, notes
from tests.unit.baton import report_samples as samples


def shown(report: dict[str, Any], width: int = 100) -> str:
    console = Console(width=width, no_color=True)
    with console.capture() as captured:
        console.print(display.shown(report))
    return captured.get()


def test_rates_are_percent_and_a_missing_value_is_named():
    groups = [{"value": value, "period": None, **samples.fulfilment()} for value in ("social", None)]
    text = shown(samples.fulfilment_report(groups, by="origin"))
    assert "66.7 %" in text
    assert "(missing)" in text
    assert "117,435.96" in text


def test_the_word_unknown_is_not_the_missing_value():
    groups = [{"value": value, **samples.funnel()} for value in ("unknown", None)]
    text = shown(samples.funnel_report(groups, by="origin"))
    assert "unknown" in text
    assert "(missing)" in text


def test_nothing_is_a_dash_and_never_zero():
    (line,) = [each for each in shown(samples.pipeline_report(total=samples.pipeline(win_rate=None))).splitlines() if "total" in each][:1]
    assert line.split()[-1] == "–"


def test_what_is_open_has_no_period_of_closing():
    groups = [{"value": None, "period": period, **samples.pipeline()} for period in ("2017-12", None)]
    text = shown(samples.pipeline_report(groups, per="month"))
    assert "2017-12" in text
    assert "(open)" in text
    assert "(missing)" not in text


def test_values_are_shown_by_currency_and_stages_by_name():
    text = shown(samples.pipeline_report())
    assert "value in USD" in text
    assert "10,005,534.00" in text
    assert "closed_won" in text


def test_a_joined_report_tells_of_orders_by_label_and_of_the_first_order():
    text = shown(samples.joined_report([{"value": "social", **samples.joined()}]))
    assert "by lead.origin · through seller" in text
    assert "shipped" in text
    assert "days from won to first order: n 1, median 69.0" in text


def test_figures_are_whole_on_a_terminal_of_eighty_columns():
    groups = [{"value": "organic_search", "period": "2017-06", **samples.fulfilment()}]
    for report in (samples.fulfilment_report(groups, by="origin", per="month"), samples.pipeline_report(), samples.funnel_report()):
        assert "…" not in shown(report, width=80)


def test_tables_of_zeros_are_left_out():
    report = samples.fulfilment_report()
    assert "left in time" not in shown(report)
    report["total"]["handover"] = {"lines": 4, "on_time": 3, "rate": "0.750000"}
    assert "75.0 %" in shown(report)


def test_a_name_neither_marks_up_nor_controls_the_terminal():
    text = shown(samples.joined_report([{"value": "[bold]x[/] \x1b[31m\r\n", **samples.joined()}]))
    assert "[bold]x[/] \N{REPLACEMENT CHARACTER}[31m" in text
    assert "\x1b" not in text


def test_the_heading_says_what_was_asked_and_of_which_moment():
    report = samples.pipeline_report(by="agent", per="year") | {"from": "2017-01-01"}
    assert display.heading(report) == f"Pipeline · source maven · by agent · per year · from 2017-01-01 · as of {samples.AS_OF}"
    assert display.heading(samples.funnel_report(source=None)) == f"Funnel · source all · as of {samples.AS_OF}"


def test_programs_read_what_the_services_answered():
    report = samples.fulfilment_report()
    assert json.loads(display.to_json(report)) == report


def test_a_label_that_nothing_has_is_noted():
    groups = [{"value": None, "period": None, **samples.fulfilment()}]
    assert notes.of(samples.fulfilment_report(groups, by="orgin")) == [
        "nothing of source olist has the label orgin: every value is missing"
    ]
    known = [*groups, {"value": "social", "period": None, **samples.fulfilment()}]
    assert notes.of(samples.fulfilment_report(known, by="origin")) == []
    assert notes.of(samples.fulfilment_report()) == []


def test_a_report_of_nothing_is_noted():
    assert notes.of(samples.pipeline_report(total=samples.pipeline(0), source=None)) == ["nothing was found"]
    assert notes.of(samples.funnel_report(total=samples.funnel(0))) == ["nothing of source olist was found"]
    assert notes.of(samples.joined_report(total=samples.joined(0))) == ["nothing of source olist could be joined with a won deal"]
