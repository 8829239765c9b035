"""Days and instants."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.calendar import instant_of, local_day, zone

ZONES = st.sampled_from(["UTC", "America/Sao_Paulo", "Europe/Berlin", "Asia/Kolkata", "Pacific/Kiritimati"])
WALL_CLOCK = st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1))  # noqa: DTZ001  a wall-clock time has no zone


def test_a_day_depends_on_the_zone() -> None:
    late = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)
    assert local_day(late, "UTC") == date(2026, 3, 1)
    assert local_day(late, "America/Sao_Paulo") == date(2026, 2, 28)


def test_an_hour_that_happens_twice_is_taken_the_first_time() -> None:
    twice = datetime(2026, 10, 25, 2, 30)  # noqa: DTZ001
    assert instant_of(twice, "Europe/Berlin") == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@given(WALL_CLOCK.filter(lambda local: local.hour > 3), ZONES)  # clocks change before four
def test_a_wall_clock_time_falls_on_its_own_day(local: datetime, name: str) -> None:
    assert local_day(instant_of(local, name), name) == local.date()


@given(WALL_CLOCK, ZONES)
def test_an_instant_is_in_utc_and_at_most_a_day_away(local: datetime, name: str) -> None:
    instant = instant_of(local, name)
    assert instant.tzinfo is UTC
    assert abs(instant.replace(tzinfo=None) - local) < timedelta(days=1)


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "Europe/Berlin "])
def test_an_unknown_zone_is_named(name: str) -> None:
    with pytest.raises(ValueError, match="unknown time zone"):
        zone(name)
