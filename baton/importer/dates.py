"""Days and times as files write them, into instants. A day alone is the midnight with which it begins in the source's zone."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache

from baton.importer.faults import UnfitError
from shared import calendar

ISO = "iso"
Moment = tuple[str, bool]
"""An instant (UTC, ISO 8601), and whether only its day was written."""
_HOUR = re.compile(r"%-?[HIcXkl]")
_SAMPLE = datetime(2001, 2, 3, 4, 5, 6)  # noqa: DTZ001  a wall clock without a zone, as files have it


def checked(formats: list[str]) -> list[str]:
    """The same formats, each `iso` or strptime directives that fix day, month and year. ValueError names the first that does not."""
    for form in formats:
        if form == ISO:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # a day without a year, which is refused below
                again = datetime.strptime(_SAMPLE.replace(tzinfo=UTC).strftime(form), form)  # noqa: DTZ007
        except ValueError as error:
            raise ValueError(f"bad date format {form!r}: {error}") from None
        if again.date() != _SAMPLE.date():
            raise ValueError(f"bad date format {form!r}: it does not give day, month and year")
    return formats


def wall_clock(text: str, formats: Sequence[str]) -> datetime:
    """The date and time in that text by the first format that fits; aware only if the text names an offset. Raises UnfitError."""
    return _fitted(text, formats)[0]


def instants(formats: Sequence[str], time_zone: str) -> Callable[[str], str]:
    """A reader of texts into UTC instants (ISO 8601). A text without offset is wall-clock time of that IANA zone."""
    zone = calendar.zone(time_zone).key
    return _remembering(lambda text: _utc(wall_clock(text, formats), zone).isoformat())


def moments(formats: Sequence[str], time_zone: str) -> Callable[[str], Moment]:
    """A reader of texts into UTC instants as `instants`, each with whether the text names a day and no time of it."""
    zone = calendar.zone(time_zone).key

    @lru_cache(maxsize=8192)
    def read(text: str) -> Moment:
        clock, form = _fitted(text, formats)
        return _utc(clock, zone).isoformat(), _is_day(text, form)

    return read


def days(formats: Sequence[str], time_zone: str) -> Callable[[str], str]:
    """A reader of texts into calendar days (ISO 8601): the day written, or for a text with an offset the day in that zone."""
    return _remembering(lambda text: _day(wall_clock(text, formats), time_zone).isoformat())


def _fitted(text: str, formats: Sequence[str]) -> tuple[datetime, str]:
    for form in formats:
        try:
            return datetime.fromisoformat(text) if form == ISO else datetime.strptime(text, form), form  # noqa: DTZ007
        except ValueError:
            continue
    raise UnfitError("NOT_A_DATE", f"fits none of the date formats {', '.join(formats)}")


def _is_day(text: str, form: str) -> bool:
    if form != ISO:
        return _HOUR.search(form) is None
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _remembering(read: Callable[[str], str]) -> Callable[[str], str]:
    # Files repeat their days; reading one anew costs ten times as much as looking it up.
    return lru_cache(maxsize=8192)(read)


def _utc(read: datetime, time_zone: str) -> datetime:
    try:
        return calendar.instant_of(read, time_zone) if read.tzinfo is None else read.astimezone(UTC)
    except OverflowError:
        raise UnfitError("NOT_A_DATE", "lies outside the calendar") from None


def _day(read: datetime, time_zone: str) -> date:
    return read.date() if read.tzinfo is None else calendar.local_day(_utc(read, time_zone), time_zone)
