"""What the outside writes into utm_medium, as one of the media that are counted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.events.marketing.leads import Medium

UNREGISTERED: Medium = "unregistered"
"""What an unknown text becomes: neither missing nor unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UtmMedium:
    """One text of the outside and the medium it counts as."""

    utm_medium: str
    medium: Medium
    recorded_at: datetime


def normalise(utm_medium: str) -> str:
    """The text as the table has it: without outer blanks, in lower case."""
    return utm_medium.strip().lower()
