"""Marketing's figures over HTTP, each answer with its instant and the ids of its definitions."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.marketing.measures import store
from shared.errors import Invalid, NotFound
from shared.http import edge
from shared.http.bodies import Answer, AsOf
from shared.http.edge import Call, requires
from shared.http.pages import PageRequest, page_request
from shared.http.problems import problems
from shared.money import ratio

router = edge.router(tags=["metrics"])

FIGURES = ("leads", "qualified", "accepted", "opportunities", "customers", "won_deals", "delivered")
PRINTABLE = r"^[^\x00]*$"
METRICS = {figure: f"marketing.funnel.{figure}.1" for figure in (*FIGURES, "conversion")}


class CohortQuery(BaseModel):
    """Which leads are counted: of one source, captured on local days of its zone, grouped by a label, as known at an instant."""

    model_config = ConfigDict(frozen=True)

    source: Annotated[str, StringConstraints(max_length=64, pattern=PRINTABLE)] | None = None
    by: Annotated[str, StringConstraints(min_length=1, max_length=32, pattern=PRINTABLE)] | None = None
    first_day: Annotated[date | None, Field(alias="from")] = None
    last_day: Annotated[date | None, Field(alias="to")] = None
    as_of: AsOf | None = None


class CountsOut(Answer):
    """A funnel's counts. `conversion` = customers ÷ leads to six places, null without leads."""

    leads: int
    qualified: int
    accepted: int
    opportunities: int
    customers: int
    won_deals: int
    delivered: int
    conversion: Decimal | None


class GroupOut(CountsOut):
    """The counts of one label value; null is the group of the leads without the label."""

    value: str | None


class FunnelOut(Answer):
    """How far the leads of a cohort have come. `time_zone` is null when leads of several sources are counted, each in its own zone."""

    as_of: datetime
    metrics: dict[str, str]
    time_zone: str | None
    groups: list[GroupOut]
    total: CountsOut


class MemberOut(Answer):
    """One lead of a cohort. `estimated`: its day only stands in for an unknown one."""

    lead_id: UUID
    value: str | None
    captured_on: date
    time_zone: str
    estimated: bool


class CohortOut(Answer):
    """A part of a cohort. No `next`: this was the last one."""

    as_of: datetime
    items: list[MemberOut]
    next: str | None


@router.get("/metrics/funnel", responses=problems(NotFound, Invalid))
async def funnel(chosen: Annotated[CohortQuery, Query()], call: Annotated[Call, requires("metrics:read", figures=True)]) -> FunnelOut:
    """Leads captured in a period, and how many of them ever reached each stage: a cohort, not a period's traffic."""
    cohort, time_zone = await _cohort(chosen, call)
    *groups, total = await store.count_funnel(call.tx, cohort)
    return FunnelOut(
        as_of=cohort.as_of,
        metrics=METRICS,
        time_zone=time_zone,
        groups=[GroupOut(value=row.value, **_counts(row)) for row in groups] if chosen.by is not None else [],
        total=CountsOut(**_counts(total)),
    )


@router.get("/metrics/funnel/leads", responses=problems(NotFound, Invalid))
async def funnel_leads(
    chosen: Annotated[CohortQuery, Query()],
    page: Annotated[PageRequest, page_request(max_size=1000)],
    call: Annotated[Call, requires("metrics:read", figures=True)],
) -> CohortOut:
    """The leads behind the funnel, so that figures of other services can be joined to them by id."""
    cohort, _ = await _cohort(chosen, call)
    rows = await store.list_cohort(call.tx, cohort, page.after, page.limit + 1)
    following = page.next(rows, key=lambda row: (row.recorded_at, row.lead_id))
    return CohortOut(as_of=cohort.as_of, items=[MemberOut.model_validate(row) for row in rows[: page.limit]], next=following)


async def _cohort(chosen: CohortQuery, call: Call) -> tuple[store.Cohort, str | None]:
    if chosen.first_day is not None and chosen.last_day is not None and chosen.first_day > chosen.last_day:
        raise Invalid.at("from", "RANGE_REVERSED", "The first day must not be after the last.")
    time_zone = await store.find_time_zone(call.tx, chosen.source) if chosen.source is not None else None
    if chosen.source is not None and time_zone is None:
        raise NotFound(source=chosen.source)
    now = call.tx.now
    as_of = now if chosen.as_of is None else min(chosen.as_of, now)
    cohort = store.Cohort(source=chosen.source, by=chosen.by, first_day=chosen.first_day, last_day=chosen.last_day, as_of=as_of)
    return cohort, time_zone


def _counts(counted: store.Counts) -> dict[str, Any]:
    counts = {figure: getattr(counted, figure) for figure in FIGURES}
    return counts | {"conversion": ratio(counted.customers, counted.leads)}
