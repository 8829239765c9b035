"""Days to close: what counts, how it is rounded, that order does not matter."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random
from statistics import median
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from baton.report import display, figures, funnel
from baton.report.funnel import CohortLead, WonDeal
from shared import calendar

LEAD = UUID(int=1)


def make_lead(**overrides: Any) -> CohortLead:
    lead = CohortLead(lead_id=LEAD, value="social", captured_on=date(2018, 1, 10), time_zone="UTC", estimated=False)
    return replace(lead, **overrides)


def make_deal(**overrides: Any) -> WonDeal:
    return replace(WonDeal(lead_id=LEAD, closed_at=datetime(2018, 1, 17, 2, tzinfo=UTC), estimated=False), **overrides)


def days_of(lead: CohortLead, *deals: WonDeal) -> list[int]:
    return [each for group in funnel.days_by_group({lead.lead_id: lead}, deals).values() for each in group]


def test_days_are_differences_of_calendar_days():
    late = make_deal(closed_at=datetime(2018, 1, 10, 23, 59, tzinfo=UTC))
    early = make_deal(closed_at=datetime(2018, 1, 11, 0, 0, tzinfo=UTC))
    assert days_of(make_lead(), late, early) == [0, 1]


def test_days_are_taken_in_the_zone_of_the_lead():
    one_in_the_morning = make_deal(closed_at=datetime(2018, 1, 17, 1, tzinfo=UTC))
    assert days_of(make_lead(time_zone="UTC"), one_in_the_morning) == [7]
    assert days_of(make_lead(time_zone="America/Sao_Paulo"), one_in_the_morning) == [6]


def test_a_deal_closed_before_its_first_contact_counts_as_negative():
    found = funnel.summary(days_of(make_lead(), make_deal(closed_at=datetime(2018, 1, 8, tzinfo=UTC))))
    assert (found.min, found.negative, found.zero, found.within_7, found.within_30) == (-2, 1, 0, 0, 0)


def test_estimated_times_are_left_out_of_durations():
    assert days_of(make_lead(estimated=True), make_deal()) == []
    assert days_of(make_lead(), make_deal(estimated=True)) == []


def test_deals_of_leads_outside_the_cohort_are_left_out():
    assert days_of(make_lead(), make_deal(lead_id=UUID(int=2))) == []


def test_a_lead_without_the_label_is_a_group_of_its_own_and_not_unknown():
    leads = {UUID(int=n): make_lead(lead_id=UUID(int=n), value=value) for n, value in enumerate([None, "unknown", "unregistered"])}
    groups = funnel.days_by_group(leads, [make_deal(lead_id=each) for each in leads])
    assert groups == {None: [7], "unknown": [7], "unregistered": [7]}


def test_groups_stand_in_the_order_in_which_they_were_counted():
    assert funnel.in_order({"a", "b", None}, [None, "b", "a"]) == [None, "b", "a"]
    assert funnel.in_order({"new", "b", "newer", None}, ["b"]) == ["b", "new", "newer", None]


def test_bounds_of_the_counts_are_inclusive_as_named():
    found = funnel.summary([-1, 0, 7, 8, 30, 31, 180, 181])
    assert (found.within_7, found.within_30, found.over_180) == (2, 4, 1)


def test_nothing_gives_null_and_not_zero():
    found = funnel.summary([])
    assert (found.n, found.min, found.max, found.mean, found.median) == (0, None, None, None, None)


@given(st.lists(st.integers(-1000, 5000), min_size=1))
def test_the_median_is_exact(days: list[int]):
    assert figures.median(days) == Decimal(str(median(days)))


@given(st.lists(st.integers(-1000, 5000), min_size=1))
def test_the_mean_is_within_half_of_the_sixth_place(days: list[int]):
    mean = figures.mean(days)
    assert mean is not None
    assert abs(Fraction(mean) - Fraction(sum(days), len(days))) <= Fraction(1, 2_000_000)
    assert mean.as_tuple().exponent == -6


@given(st.lists(st.integers(-1000, 5000)), st.randoms(use_true_random=False))
def test_figures_do_not_depend_on_the_order(days: list[int], chance: Random):
    mixed = list(days)
    chance.shuffle(mixed)
    assert funnel.summary(mixed) == funnel.summary(days)


@given(st.integers(-400, 800), st.sampled_from(["UTC", "America/Sao_Paulo", "Asia/Kolkata", "Pacific/Apia"]), st.integers(0, 86_399))
def test_the_time_of_day_does_not_change_the_days(days: int, zone: str, second: int):
    local = datetime(2018, 1, 10) + timedelta(days=days, seconds=second)  # noqa: DTZ001  a wall clock
    deal = make_deal(closed_at=calendar.instant_of(local, zone))
    assert days_of(make_lead(time_zone=zone), deal) == [days]


def test_decimals_leave_as_text_and_null_stays_null():
    written = display.to_json({"mean": Decimal("60.799622"), "median": Decimal(19), "value": None, "n": 3, "small": Decimal("1E-7")})
    assert '"mean": "60.799622"' in written
    assert '"median": "19"' in written
    assert '"value": null' in written
    assert '"small": "0.0000001"' in written
