"""Days from capture to close: the cohort of marketing joined with the standing won deals of sales. Pure.

A difference is one of calendar days, both taken in the zone of the lead's source. Where only an estimate of either time is known, the
pair is left out of every figure about days.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from baton.report import figures
from shared import calendar


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortLead:
    """A lead of the cohort: its value of the label asked for (None: it has none), the local day of its capture and that day's zone."""

    lead_id: UUID
    value: str | None
    captured_on: date
    time_zone: str
    estimated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WonDeal:
    """A standing won deal. `closed_at` is an aware instant."""

    lead_id: UUID
    closed_at: datetime
    estimated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """Days to close of one group. `within_7` and `within_30` count 0 to n days, `over_180` more than 180; without deals, null."""

    n: int
    min: int | None
    max: int | None
    mean: Decimal | None
    median: Decimal | None
    within_7: int
    within_30: int
    over_180: int
    negative: int
    zero: int


def days_by_group(leads: Mapping[UUID, CohortLead], deals: Iterable[WonDeal]) -> dict[str | None, list[int]]:
    """The days of every known pair of lead and won deal, by the lead's value. Deals of leads outside the cohort are left out."""
    groups: dict[str | None, list[int]] = {}
    for deal in deals:
        lead = leads.get(deal.lead_id)
        if lead is None or lead.estimated or deal.estimated:
            continue
        days = (calendar.local_day(deal.closed_at, lead.time_zone) - lead.captured_on).days
        groups.setdefault(lead.value, []).append(days)
    return groups


def summary(days: Sequence[int]) -> Days:
    """The figures of a set of days, in whatever order they come."""
    return Days(
        n=len(days),
        min=min(days, default=None),
        max=max(days, default=None),
        mean=figures.mean(days),
        median=figures.median(days),
        within_7=sum(0 <= each <= 7 for each in days),
        within_30=sum(0 <= each <= 30 for each in days),
        over_180=sum(each > 180 for each in days),
        negative=sum(each < 0 for each in days),
        zero=sum(each == 0 for each in days),
    )


def in_order(groups: Iterable[str | None], counted: Sequence[str | None]) -> list[str | None]:
    """Values in the order in which they were counted; those that got their label since then by name, the missing one last."""
    place = {value: number for number, value in enumerate(counted)}
    return sorted(groups, key=lambda value: (place.get(value, len(place)), value is None, value or ""))
