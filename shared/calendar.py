"""Days and instants. An instant is an aware UTC datetime; a day needs a time zone to be one."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


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
