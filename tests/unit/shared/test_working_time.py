"""Working time: a table worked out by hand, and agreement with a reference that looks at the wall clock of every minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.calendar import NeverOpen, Span, WorkingHours, due, worked

HOUR = timedelta(hours=1)
OFFICE: Span = (9 * HOUR, 17 * HOUR)
WEEK = dict.fromkeys(range(1, 6), (OFFICE,))
EASTER = {date(2026, 4, 3): (), date(2026, 4, 6): ()}
CHRISTMAS = {date(2026, 12, 24): ((9 * HOUR, 12 * HOUR),), date(2026, 12, 25): ()}
PLACES = {
    "Berlin": "Europe/Berlin",
    "New York": "America/New_York",
    "Sydney": "Australia/Sydney",
    "Kolkata": "Asia/Kolkata",
    "UTC": "UTC",
}


def office(place: str) -> WorkingHours:
    return WorkingHours(time_zone=PLACES[place], weekly=WEEK, special={**EASTER, **CHRISTMAS})


def shop(place: str, opens: float, closes: float) -> WorkingHours:
    return WorkingHours(time_zone=PLACES[place], weekly=dict.fromkeys(range(1, 8), ((opens * HOUR, closes * HOUR),)))


def at(place: str, local: str) -> datetime:
    """An instant by the wall clock of a place; `*` behind it: the second of the two times at which the clock shows it."""
    instant = datetime.fromisoformat(local.rstrip("*")).replace(fold=int(local.endswith("*")), tzinfo=ZoneInfo(PLACES[place]))
    return instant.astimezone(UTC)


IN_THE_OFFICE = [
    # a week, Monday 23 to Sunday 29 November 2026
    ("Berlin", "2026-11-23T09:00", "2026-11-23T17:00", 8),
    ("Berlin", "2026-11-23T10:30", "2026-11-23T11:00", 0.5),
    ("Berlin", "2026-11-23T06:00", "2026-11-23T09:00", 0),
    ("Berlin", "2026-11-23T08:00", "2026-11-23T10:00", 1),
    ("Berlin", "2026-11-23T16:00", "2026-11-23T22:00", 1),
    ("Berlin", "2026-11-23T17:00", "2026-11-24T09:00", 0),
    ("Berlin", "2026-11-23T16:00", "2026-11-24T10:00", 2),
    ("Berlin", "2026-11-27T16:00", "2026-11-30T10:00", 2),
    ("Berlin", "2026-11-28T09:00", "2026-11-29T17:00", 0),
    ("Berlin", "2026-11-23T09:00", "2026-11-30T09:00", 40),
    ("Berlin", "2026-11-23T12:00", "2026-11-23T12:00", 0),
    ("Berlin", "2026-11-24T12:00", "2026-11-23T12:00", 0),
    # the office stands elsewhere than the caller's clock
    ("New York", "2026-11-23T09:00", "2026-11-23T12:00", 3),
    ("Kolkata", "2026-11-23T16:30", "2026-11-24T09:30", 1),
    ("Sydney", "2026-11-27T16:45", "2026-11-30T09:15", 0.5),
    ("UTC", "2026-11-23T00:00", "2026-11-24T00:00", 8),
    # Good Friday and Easter Monday, 3 and 6 April; half of Christmas Eve
    ("Berlin", "2026-04-02T16:00", "2026-04-07T10:00", 2),
    ("New York", "2026-04-02T09:00", "2026-04-07T17:00", 16),
    ("Kolkata", "2026-04-03T09:00", "2026-04-06T17:00", 0),
    ("Berlin", "2026-12-24T09:00", "2026-12-28T09:00", 3),
    ("Berlin", "2026-12-23T16:00", "2026-12-24T11:00", 3),
    ("UTC", "2026-12-24T12:00", "2026-12-25T23:00", 0),
    # weekends on which the clock changes are nobody's working time
    ("Berlin", "2026-03-27T16:00", "2026-03-30T10:00", 2),
    ("Berlin", "2026-10-23T16:00", "2026-10-26T10:00", 2),
    ("New York", "2026-03-06T16:00", "2026-03-09T10:00", 2),
    ("New York", "2026-10-30T16:00", "2026-11-02T10:00", 2),
    ("Sydney", "2026-10-02T16:00", "2026-10-05T10:00", 2),
    # a whole year: 261 weekdays, less Good Friday, Easter Monday and Christmas Day, Christmas Eve for 3 of 8 hours
    ("Berlin", "2026-01-01T00:00", "2027-01-01T00:00", 258 * 8 - 5),
    ("New York", "2026-01-01T00:00", "2027-01-01T00:00", 258 * 8 - 5),
    ("Sydney", "2026-01-01T00:00", "2027-01-01T00:00", 258 * 8 - 5),
]

AT_NIGHT = [
    # (place, span, begin, end, hours): the clock goes from 2 to 3 in spring and from 3 to 2 in autumn
    ("Berlin", (0, 8), "2026-03-28T00:00", "2026-03-29T00:00", 8),
    ("Berlin", (0, 8), "2026-03-29T00:00", "2026-03-30T00:00", 7),
    ("Berlin", (2, 3), "2026-03-29T00:00", "2026-03-30T00:00", 0),
    ("Berlin", (2.5, 4), "2026-03-29T00:00", "2026-03-30T00:00", 1),
    ("Berlin", (1, 2.5), "2026-03-29T00:00", "2026-03-30T00:00", 1),
    ("Berlin", (0, 24), "2026-03-29T00:00", "2026-03-30T00:00", 23),
    ("Berlin", (0, 8), "2026-10-25T00:00", "2026-10-26T00:00", 9),
    ("Berlin", (2, 3), "2026-10-25T00:00", "2026-10-26T00:00", 2),
    ("Berlin", (2.5, 4), "2026-10-25T00:00", "2026-10-26T00:00", 2),
    ("Berlin", (0, 24), "2026-10-25T00:00", "2026-10-26T00:00", 25),
    ("Berlin", (0, 24), "2026-10-25T02:30", "2026-10-25T02:30*", 1),
    ("New York", (0, 8), "2026-03-08T00:00", "2026-03-09T00:00", 7),
    ("New York", (0, 8), "2026-11-01T00:00", "2026-11-02T00:00", 9),
    ("New York", (1, 2), "2026-11-01T00:00", "2026-11-02T00:00", 2),
    ("Sydney", (0, 8), "2026-10-04T00:00", "2026-10-05T00:00", 7),
    ("Sydney", (0, 8), "2026-04-05T00:00", "2026-04-06T00:00", 9),
    ("Kolkata", (0, 8), "2026-03-29T00:00", "2026-03-30T00:00", 8),
    ("UTC", (0, 24), "2026-01-01T00:00", "2027-01-01T00:00", 8760),
    ("Berlin", (0, 24), "2026-01-01T00:00", "2027-01-01T00:00", 8760),
]

DUE = [
    # (place, begin, hours, due)
    ("Berlin", "2026-11-23T10:00", 2, "2026-11-23T12:00"),
    ("Berlin", "2026-11-23T16:00", 2, "2026-11-24T10:00"),
    ("Berlin", "2026-11-23T16:00", 1, "2026-11-23T17:00"),
    ("Berlin", "2026-11-27T16:30", 2, "2026-11-30T10:30"),
    ("Berlin", "2026-11-28T12:00", 2, "2026-11-30T11:00"),
    ("Berlin", "2026-11-23T05:00", 2, "2026-11-23T11:00"),
    ("Berlin", "2026-11-23T10:00", 0, "2026-11-23T10:00"),
    ("Berlin", "2026-11-23T09:00", 40, "2026-11-27T17:00"),
    ("Berlin", "2026-04-02T16:00", 2, "2026-04-07T10:00"),
    ("Berlin", "2026-12-24T11:00", 2, "2026-12-28T10:00"),
    ("Berlin", "2026-03-27T16:00", 2, "2026-03-30T10:00"),
    ("Berlin", "2026-10-23T16:00", 2, "2026-10-26T10:00"),
    ("New York", "2026-03-06T16:00", 2, "2026-03-09T10:00"),
    ("New York", "2026-10-30T16:00", 2, "2026-11-02T10:00"),
    ("New York", "2026-04-02T16:59", 0.5, "2026-04-07T09:29"),
    ("Kolkata", "2026-11-27T16:00", 2, "2026-11-30T10:00"),
    ("Sydney", "2026-10-02T16:00", 2, "2026-10-05T10:00"),
    ("UTC", "2026-12-31T16:00", 2, "2027-01-01T10:00"),
]


@pytest.mark.parametrize(("place", "begin", "end", "hours"), IN_THE_OFFICE)
def test_the_time_worked_in_an_office(place: str, begin: str, end: str, hours: float) -> None:
    assert worked(office(place), at(place, begin), at(place, end)) == hours * HOUR


@pytest.mark.parametrize(("place", "span", "begin", "end", "hours"), AT_NIGHT)
def test_the_time_worked_when_the_clock_changes(place: str, span: tuple[float, float], begin: str, end: str, hours: float) -> None:
    assert worked(shop(place, *span), at(place, begin), at(place, end)) == hours * HOUR


@pytest.mark.parametrize(("place", "begin", "hours", "expected"), DUE)
def test_when_so_much_working_time_has_passed(place: str, begin: str, hours: float, expected: str) -> None:
    assert due(office(place), at(place, begin), hours * HOUR) == at(place, expected)


def test_the_table_is_long_enough_to_mean_something() -> None:
    assert len(IN_THE_OFFICE) + len(AT_NIGHT) + len(DUE) >= 60


def test_it_does_not_matter_in_which_zone_an_instant_is_told() -> None:
    begin, end = at("Berlin", "2026-11-23T10:00"), at("Berlin", "2026-11-24T10:00")
    abroad = ZoneInfo("Asia/Kolkata")
    assert worked(office("Berlin"), begin.astimezone(abroad), end.astimezone(abroad)) == worked(office("Berlin"), begin, end)
    assert due(office("Berlin"), begin.astimezone(abroad), HOUR).tzinfo is UTC


def test_an_office_that_never_opens_is_told_from_a_late_one() -> None:
    never = WorkingHours(time_zone="UTC", weekly={})
    with pytest.raises(NeverOpen, match="ten years"):
        due(never, at("UTC", "2026-11-23T10:00"), HOUR)
    assert worked(never, at("UTC", "2026-11-23T10:00"), at("UTC", "2027-11-23T10:00")) == timedelta()


QUARTERS = st.integers(0, 96).map(lambda quarters: quarters * timedelta(minutes=15))


@st.composite
def spans(draw: st.DrawFn) -> tuple[Span, ...]:
    marks = sorted(draw(st.lists(QUARTERS, max_size=4, unique=True)))
    return tuple((opens, closes) for opens, closes in zip(marks[::2], marks[1::2], strict=False))


@st.composite
def hours_about_a_change(draw: st.DrawFn) -> tuple[WorkingHours, datetime, datetime]:
    place = draw(st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Africa/Cairo"]))
    weekly = {day: draw(spans()) for day in range(1, 8)}
    year, month = draw(st.sampled_from([2018, 2026])), draw(st.sampled_from([2, 3, 4, 10, 11]))
    begin = datetime(year, month, draw(st.integers(1, 28)), tzinfo=UTC) + draw(QUARTERS)
    special = {draw(st.dates(date(year, month, 1), date(year, month, 28))): draw(spans())}
    end = begin + draw(st.integers(0, 3 * 96)) * timedelta(minutes=15)
    return WorkingHours(time_zone=place, weekly=weekly, special=special), begin, end


def by_looking_at_the_clock(hours: WorkingHours, begin: datetime, end: datetime) -> timedelta:
    """Quarter of an hour by quarter of an hour: worked if the wall clock then shows a time of the day's spans."""
    place, step, found = ZoneInfo(hours.time_zone), timedelta(minutes=15), timedelta()
    while begin < end:
        local = begin.astimezone(place)
        shown = timedelta(hours=local.hour, minutes=local.minute)
        day_spans = hours.special.get(local.date(), hours.weekly.get(local.isoweekday(), ()))
        found += step if any(opens <= shown < closes for opens, closes in day_spans) else timedelta()
        begin += step
    return found


@settings(max_examples=150)
@given(hours_about_a_change())
def test_it_is_what_one_finds_by_looking_at_the_clock(given_: tuple[WorkingHours, datetime, datetime]) -> None:
    hours, begin, end = given_
    assert worked(hours, begin, end) == by_looking_at_the_clock(hours, begin, end)


@settings(max_examples=150)
@given(hours_about_a_change(), st.integers(1, 60))
def test_it_is_due_when_so_much_has_been_worked_and_not_before(given_: tuple[WorkingHours, datetime, datetime], minutes: int) -> None:
    hours, begin, _ = given_
    working = minutes * timedelta(minutes=10)
    try:
        until = due(hours, begin, working)
    except NeverOpen:
        assert not any(hours.weekly.values())
        return
    assert worked(hours, begin, until) == working
    assert worked(hours, begin, until - timedelta(minutes=1)) < working
