"""Days, instants and working time. An instant is an aware UTC datetime; a day needs a time zone to be one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

LOOK_AHEAD = timedelta(days=3660)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)

Span = tuple[timedelta, timedelta]
"""From a time of the wall clock up to but not including another, both counted from midnight; the second is 24 h at most."""


def zone(name: str) -> ZoneInfo:
    """The IANA zone of that name. ValueError if there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"unknown time zone: {name}") from error


def local_day(instant: datetime, time_zone: str) -> date:
    """The calendar day on which `instant` falls in that IANA zone."""
    return instant.astimezone(zone(time_zone)).date()


def instant_of(local: datetime, time_zone: str) -> datetime:
    """The UTC instant of a wall-clock time in that IANA zone (the earlier one where the clock goes back)."""
    return local.replace(tzinfo=zone(time_zone)).astimezone(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingHours:
    """When an organisation works, by the clock on its wall.

    `weekly`: for each ISO weekday (1 is Monday), spans from a local time up to but not including another. `special`: days on which
    other spans hold; none for a holiday. An instant is worked if the wall clock of `time_zone` then shows a time of a span of that day:
    what the clock leaves out in spring is nobody's time, what it shows twice in autumn is worked twice.
    """

    time_zone: str
    weekly: Mapping[int, tuple[Span, ...]]
    special: Mapping[date, tuple[Span, ...]] = field(default_factory=dict)

    def spans(self, day: date) -> tuple[Span, ...]:
        """The spans of a day, in order."""
        return self.special.get(day, self.weekly.get(day.isoweekday(), ()))


class NeverOpen(ValueError):  # noqa: N818  a fact about the calendar
    """No working time comes within the years that can be looked ahead."""


def worked(hours: WorkingHours, begin: datetime, end: datetime) -> timedelta:
    """The working time between two instants (aware, any zone); zero if `end` is not after `begin`."""
    spent = timedelta()
    for opens, closes in _intervals(hours, begin, end):
        spent += min(closes, end) - max(opens, begin)
    return spent


def due(hours: WorkingHours, begin: datetime, working: timedelta) -> datetime:
    """The first instant (UTC) at which so much working time has passed since `begin`. NeverOpen if that is more than ten years away.

    With no working time at all it is `begin` itself, whether or not anybody works then.
    """
    left = working
    if left <= timedelta():
        return begin.astimezone(UTC)
    for opens, closes in _intervals(hours, begin, begin + LOOK_AHEAD):
        since = max(opens, begin)
        if closes - since >= left:
            return (since + left).astimezone(UTC)
        left -= closes - since
    raise NeverOpen(f"{working} of working time do not come within ten years of {begin:%Y-%m-%d}")


def _intervals(hours: WorkingHours, begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The worked intervals (UTC) that touch the time from `begin` to `end`, in order and disjoint."""
    place = zone(hours.time_zone)
    day, last = begin.astimezone(place).date(), end.astimezone(place).date()
    while day <= last:
        spans = hours.spans(day)
        if spans:
            midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
            for opens, closes in sorted(found for span in spans for found in _instants(midnight, span, place)):
                if closes > begin and opens < end:
                    yield opens, closes
        day += DAY


def _instants(midnight: datetime, span: Span, place: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
    """When the wall clock shows a time of the span: once as a rule, never or twice about a change of the clock.

    `midnight` is what the wall clock shows, written as if it were UTC; less its offset it is UTC.
    """
    opens, closes = midnight + span[0], midnight + span[1]
    before, after = _offset(opens - DAY, place), _offset(closes + DAY, place)
    if before == after:
        yield opens - before, closes - before
        return
    change = _change(opens - DAY, closes + DAY, place)
    for first, second in ((opens - before, min(closes - before, change)), (max(opens - after, change), closes - after)):
        if first < second:
            yield first, second


def _offset(instant: datetime, place: ZoneInfo) -> timedelta:
    """How far the wall clock is ahead of UTC at an instant."""
    return instant.astimezone(place).utcoffset() or timedelta()


def _change(low: datetime, high: datetime, place: ZoneInfo) -> datetime:
    """The instant between two (to the second) from which on the wall clock runs as at the later one."""
    offset = _offset(low, place)
    while high - low > SECOND:
        middle = low + (high - low) // 2
        middle -= timedelta(microseconds=middle.microsecond)
        low, high = (middle, high) if _offset(middle, place) == offset else (low, middle)
    return high
