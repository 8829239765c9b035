"""A report as rows and as CSV: every figure under its path, exact, and no name that a spreadsheet would run."""

import csv
import io
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from baton.report import rows
from tests.unit.baton import report_samples as samples


def lines(report: dict[str, Any]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(rows.to_csv(report), newline="")))


def test_there_is_one_line_per_group_and_one_for_the_total():
    groups = [{"value": value, "period": None, **samples.fulfilment()} for value in ("social", "total", None)]
    found = lines(samples.fulfilment_report(groups, by="origin"))
    assert [(line["row"], line["value"]) for line in found] == [("group", "social"), ("group", "total"), ("group", ""), ("total", "")]


def test_figures_stand_under_their_paths_as_they_came():
    (total,) = lines(samples.fulfilment_report())
    assert total["on_time.rate_by_day"] == "0.666667"
    assert total["cycle.shipped_to_delivered_hours.median"] == "187.5250"
    assert (total["value.BRL"], total["freight.BRL"], total["value.USD"]) == ("117435.96", "10.10", "0.10")
    assert total["handover.rate"] == ""


def test_stages_and_values_of_a_pipeline_have_columns_of_their_own():
    (total,) = lines(samples.pipeline_report())
    assert (total["stages.proposal"], total["stages.closed_won"]) == ("3", "2")
    assert (total["won_value.USD"], total["mean_won_value.USD"]) == ("10005534.00", "2360.909391")
    assert total["days_to_close.won.median"] == "57"


def test_days_to_close_stand_with_the_group_they_belong_to():
    groups = [{"value": "social", **samples.funnel(8)}, {"value": None, **samples.funnel(2)}]
    found = lines(samples.funnel_report(groups, by="origin", days_to_close_by_group=[{"value": None, **samples.days(1)}]))
    assert [line["days_to_close.n"] for line in found] == ["", "1", "2"]
    assert [line["leads"] for line in found] == ["8", "2", "10"]


def test_a_currency_of_one_group_alone_is_a_column_of_all():
    groups = [{"value": "a", "period": None, **samples.pipeline(values=[])}, {"value": "b", "period": None, **samples.pipeline()}]
    found = lines(samples.pipeline_report(groups, by="agent", total=samples.pipeline(values=[])))
    assert [line["won_value.USD"] for line in found] == ["", "10005534.00", ""]


def test_periods_are_told():
    groups = [{"value": None, "period": period, **samples.pipeline()} for period in ("2017-Q1", None)]
    assert [line["period"] for line in lines(samples.pipeline_report(groups, per="quarter"))] == ["2017-Q1", "", ""]


def test_decimals_are_written_without_exponent():
    (total,) = lines(samples.joined_report(total=samples.joined(rate_by_day=Decimal("1E-7"))))
    assert total["rate_by_day"] == "0.0000001"


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), min_size=1))
def test_any_name_survives_and_none_begins_a_formula(name: str):
    group, _ = lines(samples.joined_report([{"value": name, **samples.joined()}]))
    assert group["value"] in {name, f"'{name}"}
    assert not group["value"].startswith(("=", "+", "-", "@", "\t", "\r"))
