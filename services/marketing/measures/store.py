"""Figures straight from the facts, as of any instant: only what was recorded by then counts. One statement each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, BigInteger, Boolean, ColumnElement, Date, Select, Text, cast, func, literal, null, select, tuple_, union

from services.marketing.leads.tables import leads
from services.marketing.lifecycles.tables import deal_outcomes, deliveries, stage_entries
from services.marketing.sources.tables import sources
from shared.db import saving
from shared.db.transaction import Transaction

STAGES = {"qualified": "mql", "accepted": "sal", "opportunities": "opportunity"}
"""Figures that count leads which ever entered a stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """The leads that are counted: of one source or all, captured on local days of their source's zone (both ends included).

    Leads that only stand in for a missing one (label `standing`) are nobody's and left out.

    `by`: the label that groups them. `as_of`: aware; facts recorded later are not known yet.
    """

    source: str | None
    by: str | None
    first_day: date | None
    last_day: date | None
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A lead of a cohort. `value`: that of the cohort's label, None without it. `captured_on`: the local day."""

    lead_id: UUID
    value: str | None
    captured_on: date
    time_zone: str
    estimated: bool
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """A funnel's counts for one value of the label, or for all together (`is_total`)."""

    value: str | None
    is_total: bool
    leads: int
    qualified: int
    accepted: int
    opportunities: int
    customers: int
    won_deals: int
    delivered: int


async def find_time_zone(tx: Transaction, source: str) -> str | None:
    """The zone in which a source's days are taken, None for an unknown source."""
    row = await tx.first(select(sources.c.time_zone).where(sources.c.code == source))
    return None if row is None else row.time_zone


async def list_cohort(tx: Transaction, cohort: Cohort, after: tuple[datetime, UUID] | None, limit: int) -> list[Member]:
    """At most `limit` leads of the cohort behind a position, as they were recorded."""
    query = _members(cohort).order_by(leads.c.recorded_at, leads.c.lead_id).limit(limit)
    if after is not None:
        query = query.where(tuple_(leads.c.recorded_at, leads.c.lead_id) > tuple_(*after))
    return saving.many(await tx.all(query), Member)


async def count_funnel(tx: Transaction, cohort: Cohort) -> list[Counts]:
    """The funnel's counts per value of the label, largest group first, and last those of all together.

    A customer is a lead that led to a standing won deal; a won deal is counted at its primary lead, so that groups add up to the total.
    """
    members = _members(cohort).cte("members")
    entered, won, delivered = _entered(cohort.as_of), _won(cohort.as_of), _delivered(cohort.as_of)
    query = (
        select(
            members.c.value,
            cast(func.grouping(members.c.value), Boolean).label("is_total"),
            func.count().label("leads"),
            *(func.count().filter(entered.c[name]).label(name) for name in STAGES),
            func.count(won.c.lead_id).label("customers"),
            cast(func.coalesce(func.sum(won.c.deals), 0), BigInteger).label("won_deals"),
            func.count(delivered.c.lead_id).label("delivered"),
        )
        .select_from(members)
        .outerjoin(entered, entered.c.lead_id == members.c.lead_id)
        .outerjoin(won, won.c.lead_id == members.c.lead_id)
        .outerjoin(delivered, delivered.c.lead_id == members.c.lead_id)
        .group_by(func.rollup(members.c.value))
        .order_by("is_total", func.count().desc(), members.c.value)
    )
    return saving.many(await tx.all(query), Counts)


def _members(cohort: Cohort) -> Select[*tuple[Any, ...]]:
    captured_on = cast(func.timezone(sources.c.time_zone, leads.c.captured_at), Date)
    value = null() if cohort.by is None else _label(cohort.by)
    conditions = [leads.c.recorded_at <= cohort.as_of, _label("standing").is_distinct_from("true")]
    if cohort.source is not None:
        conditions.append(leads.c.source == cohort.source)
    if cohort.first_day is not None:
        conditions.append(captured_on >= cohort.first_day)
    if cohort.last_day is not None:
        conditions.append(captured_on <= cohort.last_day)
    return (
        select(
            leads.c.lead_id,
            cast(value, Text).label("value"),
            captured_on.label("captured_on"),
            sources.c.time_zone,
            leads.c.estimated,
            leads.c.recorded_at,
        )
        .join(sources, sources.c.code == leads.c.source)
        .where(*conditions)
    )


def _label(name: str) -> ColumnElement[str]:
    return func.jsonb_extract_path_text(leads.c.labels, literal(name, Text), type_=Text)


def _entered(as_of: datetime) -> CTE:
    reached = (func.bool_or(stage_entries.c.stage == stage).label(name) for name, stage in STAGES.items())
    return (
        select(stage_entries.c.lead_id, *reached)
        .where(stage_entries.c.recorded_at <= as_of)
        .group_by(stage_entries.c.lead_id)
        .cte("entered")
    )


def _standing(as_of: datetime) -> Select[*tuple[Any, ...]]:
    latest = (
        select(deal_outcomes.c.deal_id, func.max(deal_outcomes.c.deal_version).label("deal_version"))
        .where(deal_outcomes.c.recorded_at <= as_of)
        .group_by(deal_outcomes.c.deal_id)
        .subquery("latest")
    )
    return (
        select(deal_outcomes.c.deal_id, deal_outcomes.c.lead_id, deal_outcomes.c.primary)
        .join(
            latest,
            (latest.c.deal_id == deal_outcomes.c.deal_id) & (latest.c.deal_version == deal_outcomes.c.deal_version),
        )
        .where(deal_outcomes.c.outcome == "won", deal_outcomes.c.recorded_at <= as_of)
    )


def _won(as_of: datetime) -> CTE:
    standing = _standing(as_of).subquery("standing")
    return select(standing.c.lead_id, func.count().filter(standing.c.primary).label("deals")).group_by(standing.c.lead_id).cte("won")


def _delivered(as_of: datetime) -> CTE:
    """A complete delivery counts for the lead it names and for every lead of its deal."""
    standing = _standing(as_of).subquery("standing_of_delivered")
    complete = select(deliveries.c.lead_id, deliveries.c.deal_id).where(deliveries.c.complete, deliveries.c.recorded_at <= as_of)
    of_deals = complete.subquery("complete")
    return union(
        select(of_deals.c.lead_id),
        select(standing.c.lead_id).join(of_deals, of_deals.c.deal_id == standing.c.deal_id),
    ).cte("delivered")
