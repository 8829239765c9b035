"""What a chart shows: the right bars, what it leaves out, and by which definition."""

import pytest

from baton.report import charts
from tests.unit.baton import report_samples as samples


def test_a_funnel_has_a_bar_per_stage():
    chart = charts.chart_of(samples.funnel_report())
    assert [(bar.name, bar.parts, bar.remark) for bar in chart.bars][:2] == [
        ("leads", {"count": 10.0}, "10 · 100.0 %"),
        ("qualified", {"count": 5.0}, "5 · 50.0 %"),
    ]
    assert chart.definition == "marketing.funnel.leads.1"


def test_a_funnel_without_leads_can_be_drawn():
    nothing = dict.fromkeys(samples.funnel(), 0)
    assert {bar.remark for bar in charts.chart_of(samples.funnel_report(total=nothing)).bars} == {"0"}


def test_a_funnel_by_label_shows_conversion():
    groups = [{"value": "social", **samples.funnel(8)}, {"value": None, **samples.funnel(2)}]
    chart = charts.chart_of(samples.funnel_report(groups, by="origin"))
    assert [(bar.name, bar.remark) for bar in chart.bars] == [("social", "20.0 % of 8"), ("(missing)", "20.0 % of 2")]
    assert (chart.definition, chart.share) == ("marketing.funnel.conversion.1", True)


def test_a_pipeline_is_stacked_by_outcome_with_its_win_rate():
    (bar,) = charts.chart_of(samples.pipeline_report()).bars
    assert (bar.parts, bar.remark) == ({"won": 2.0, "lost": 1.0, "open": 3.0}, "66.7 % won")


@pytest.mark.parametrize(
    ("report", "definition"),
    [
        (samples.fulfilment_report(), "distribution.fulfilment.on_time.1"),
        (samples.joined_report(), "report.fulfilment_by_deal.1"),
    ],
)
def test_fulfilment_shows_the_share_delivered_by_the_promised_day(report: dict[str, object], definition: str):
    chart = charts.chart_of(report)
    assert (chart.definition, chart.axis) == (definition, "delivered by the promised day")
    assert [bar.name for bar in chart.bars] == ["total"]


def test_a_group_without_a_rate_has_a_name_and_no_bar():
    nothing = samples.fulfilment()["on_time"] | {"rate_by_day": None, "delivered": 0}
    groups = [{"value": "social", "period": None, **samples.fulfilment(on_time=nothing)}]
    (bar,) = charts.chart_of(samples.fulfilment_report(groups, by="origin")).bars
    assert (bar.name, bar.parts, bar.remark) == ("social", {}, "nothing to measure")


def test_of_many_groups_the_largest_are_drawn_in_their_order_and_the_rest_is_told():
    groups = [{"value": str(number), "period": None, **samples.pipeline(number)} for number in range(40)]
    chart = charts.chart_of(samples.pipeline_report(groups, by="agent"))
    assert [bar.name for bar in chart.bars] == [str(number) for number in range(15, 40)]
    assert chart.note == "the largest 25 of 40 groups"


def test_of_many_periods_the_latest_are_drawn():
    groups = [{"value": None, "period": f"{1990 + number}", **samples.fulfilment()} for number in range(30)]
    chart = charts.chart_of(samples.fulfilment_report(groups, per="year"))
    assert [chart.bars[0].name, chart.bars[-1].name] == ["1995", "2019"]
    assert chart.note == "the latest 25 of 30 periods"


def test_a_long_name_is_cut_and_its_period_is_kept():
    groups = [{"value": "x" * 120, "period": "2017-06", **samples.fulfilment()}]
    (bar,) = charts.chart_of(samples.fulfilment_report(groups, by="origin", per="month")).bars
    assert bar.name == f"{'x' * 39}… · 2017-06"
