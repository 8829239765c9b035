"""Figures over the tables of sales, as far as they were recorded at a moment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Date,
    FromClause,
    Numeric,
    Row,
    Subquery,
    Text,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import distinct_on

from services.sales.deals.domain import SEES_EVERY_DEAL
from services.sales.deals.tables import deals
from services.sales.leads.tables import leads
from services.sales.opportunities.domain import STAGES
from services.sales.opportunities.tables import opportunities, stage_changes
from shared.cause import Actor
from shared.db.transaction import Transaction
from shared.money import ratio

Period = Literal["month", "quarter", "year"]

FORMATS = MappingProxyType({"month": "YYYY-MM", "quarter": 'YYYY-"Q"Q', "year": "YYYY"})
CLOSING = {stage.stage_type: code for code, stage in STAGES.items() if stage.stage_type != "open"}
"""The stages in which a deal stands that had no opportunity, by its outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What of the pipeline is counted: of one source or all, closed on UTC days (both ends included), as known at an instant.

    `by`: the label, and `per`: the period of the day of closing, that make groups.
    """

    seen_by: Actor
    source: str | None
    by: str | None
    per: Period | None
    first: date | None
    last: date | None
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How some numbers lie: their count, sum and the middle two (the same one where the count is odd)."""

    n: int
    sum: Decimal | None
    lower: Decimal | None
    upper: Decimal | None

    @property
    def median(self) -> Decimal | None:
        """The exact middle, null of nothing."""
        return None if self.lower is None or self.upper is None else (Decimal(self.lower) + self.upper) / 2

    @property
    def mean(self) -> Decimal | None:
        """To six places, null of nothing."""
        return ratio(self.sum, self.n)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCount:
    """How many stand in one stage."""

    stage_code: str
    stage_type: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """Money of one currency: of what is open, plain and weighted with the chance of its stage, of what was won, and of what was lost."""

    currency: str
    open_value: Decimal
    weighted_value: Decimal
    lost_value: Decimal
    won: Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The pipeline's figures for one value of the label in one period, or for all together."""

    value: str | None
    period: str | None
    count: int
    open: int
    won: int
    lost: int
    days_won: Spread
    days_lost: Spread
    fewest_days: int | None
    most_days: int | None
    stages: tuple[StageCount, ...]
    values: tuple[Worth, ...]

    @property
    def win_rate(self) -> Decimal | None:
        """Won ÷ closed to six places, null where nothing closed."""
        return ratio(self.won, self.won + self.lost)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """The figures of everything that was asked for, and of its groups: by period, the largest first, what has no label last."""

    total: Tally
    groups: tuple[Tally, ...]


async def list_won_deals(
    tx: Transaction,
    *,
    seen_by: Actor,
    lead_source: str | None,
    source: str | None,
    first: date | None,
    last: date | None,
    as_of: datetime,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Standing won deals that the person may see, recorded by `as_of`, in the order of recording; none that only stands in for a link.

    `lead_source`: the source of the primary lead; `source`: that of the deal; `first` and `last`: UTC days of closing, both included.
    """
    query = (
        select(deals.c.deal_id, deals.c.lead_id, deals.c.closed_at, deals.c.estimated, deals.c.labels, deals.c.recorded_at)
        .where(deals.c.outcome == "won", deals.c.recorded_at <= as_of, _is_real(deals.c.labels))
        .order_by(deals.c.recorded_at, deals.c.deal_id)
        .limit(limit)
    )
    if not seen_by.roles & SEES_EVERY_DEAL:
        query = query.where(or_(deals.c.owner_id.is_(None), deals.c.owner_id == seen_by.user_id))
    if lead_source is not None:
        query = query.join(leads, leads.c.lead_id == deals.c.lead_id).where(leads.c.source_code == lead_source)
    if source is not None:
        query = query.where(deals.c.source == source)
    if first is not None:
        query = query.where(deals.c.closed_at >= _midnight(first))
    if last is not None and last < date.max:
        query = query.where(deals.c.closed_at < _midnight(last + timedelta(days=1)))
    if after is not None:
        query = query.where(tuple_(deals.c.recorded_at, deals.c.deal_id) > tuple_(*after))
    return await tx.all(query)


async def count_pipeline(tx: Transaction, question: Question) -> Pipeline:
    """Opportunities as they stood, and deals that had none, counted and summed in one statement.

    A deal's own total is what was won; what is open, or lost without lines, is worth the opportunity's amount.
    """
    things = _things(question).cte("things")
    kind, amount = things.c.stage_type, things.c.amount
    won, lost = kind == "won", kind == "lost"
    query = select(
        things.c.value,
        things.c.period,
        things.c.stage_code,
        kind,
        things.c.currency,
        cast(func.grouping(things.c.value), Boolean).label("is_total"),
        (func.grouping(things.c.stage_code) == 0).label("is_stage"),
        (func.grouping(things.c.currency) == 0).label("is_currency"),
        func.count().label("things"),
        *(func.count().filter(kind == name).label(name) for name in ("open", "won", "lost")),
        *_spread("days_won", things.c.days, won),
        *_spread("days_lost", things.c.days, lost),
        func.min(things.c.days).label("fewest_days"),
        func.max(things.c.days).label("most_days"),
        *_spread("value_won", amount, won),
        func.coalesce(func.sum(amount).filter(kind == "open"), 0).label("open_value"),
        func.coalesce(func.sum(amount * things.c.probability).filter(kind == "open"), 0).label("weighted_value"),
        func.coalesce(func.sum(amount).filter(lost), 0).label("lost_value"),
    ).group_by(
        func.rollup(tuple_(things.c.value, things.c.period)),
        func.grouping_sets(tuple_(), tuple_(things.c.stage_code, kind), things.c.currency),
    )
    return _pipeline(await tx.all(query), grouped=question.by is not None or question.per is not None)


def _things(question: Question) -> Any:
    state = _states(question.as_of)
    closed = select(deals).where(deals.c.recorded_at <= question.as_of).subquery("closed")
    is_closed = closed.c.deal_id.is_not(None)
    labels = case((is_closed, closed.c.labels), else_=state.c.labels)
    owner_id = case((is_closed, closed.c.owner_id), else_=state.c.owner_id)
    money = func.coalesce(closed.c.net_total, case((closed.c.outcome.is_distinct_from("won"), state.c.amount)))
    closed_on = _utc_day(func.coalesce(closed.c.closed_at, state.c.closed_at))
    known = ~func.coalesce(state.c.estimated, False) & ~func.coalesce(closed.c.estimated, False)
    conditions = [_is_real(labels)]
    if not question.seen_by.roles & SEES_EVERY_DEAL:
        conditions.append(or_(owner_id.is_(None), owner_id == question.seen_by.user_id))
    if question.source is not None:
        conditions.append(func.coalesce(closed.c.source, state.c.source) == question.source)
    if question.first is not None:
        conditions.append(closed_on >= question.first)
    if question.last is not None:
        conditions.append(closed_on <= question.last)
    return (
        select(
            cast(null() if question.by is None else _text(labels, question.by), Text).label("value"),
            cast(null() if question.per is None else func.to_char(closed_on, FORMATS[question.per]), Text).label("period"),
            func.coalesce(state.c.stage_code, case(CLOSING, value=closed.c.outcome)).label("stage_code"),
            func.coalesce(state.c.stage_type, closed.c.outcome).label("stage_type"),
            state.c.probability,
            cast(_text(money, "amount"), Numeric).label("amount"),
            _text(money, "currency").label("currency"),
            case((known, closed_on - _utc_day(state.c.opened_at))).label("days"),
        )
        .select_from(state.join(closed, closed.c.opportunity_id == state.c.opportunity_id, full=True))
        .where(*conditions)
    )


def _states(as_of: datetime) -> Subquery:
    """Opportunities in the state of their last step that was recorded by then."""
    last = (
        select(stage_changes)
        .ext(distinct_on(stage_changes.c.opportunity_id))
        .where(stage_changes.c.recorded_at <= as_of)
        .order_by(stage_changes.c.opportunity_id, stage_changes.c.opportunity_version.desc())
        .subquery("last")
    )
    of: FromClause = opportunities
    return (
        select(
            *(of.c[name] for name in ("opportunity_id", "source", "owner_id", "labels", "estimated", "opened_at")),
            _text(last.c.stage, "stage_code").label("stage_code"),
            last.c.stage_type,
            cast(_text(last.c.stage, "probability"), Numeric).label("probability"),
            last.c.amount,
            case((last.c.stage_type != "open", last.c.occurred_at)).label("closed_at"),
        )
        .join(last, last.c.opportunity_id == of.c.opportunity_id)
        .subquery("state")
    )


def _spread(name: str, number: ColumnElement[Any], which: ColumnElement[bool]) -> Iterable[ColumnElement[Any]]:
    # Taken from both ends, the discrete middle is exact in every type; the continuous one would be a double.
    middle = func.percentile_disc(0.5)
    yield func.count(number).filter(which).label(f"{name}_n")
    yield func.sum(number).filter(which).label(f"{name}_sum")
    yield middle.within_group(number.asc()).filter(which).label(f"{name}_lower")
    yield middle.within_group(number.desc()).filter(which).label(f"{name}_upper")


def _pipeline(rows: Sequence[Row[Any]], *, grouped: bool) -> Pipeline:
    stages: dict[tuple[Any, ...], list[StageCount]] = {}
    values: dict[tuple[Any, ...], list[Worth]] = {}
    for row in rows:
        if row.is_stage:
            found = StageCount(stage_code=row.stage_code, stage_type=row.stage_type, count=row.things)
            stages.setdefault(_group(row), []).append(found)
        elif row.is_currency and row.currency is not None:
            values.setdefault(_group(row), []).append(_worth(row))
    tallies = {
        _group(row): _tally(row, stages.get(_group(row), []), values.get(_group(row), []))
        for row in rows
        if not row.is_stage and not row.is_currency
    }
    total = tallies.pop((True, None, None))
    groups = sorted(tallies.values(), key=_place) if grouped else []
    return Pipeline(total=total, groups=tuple(groups))


def _group(row: Row[Any]) -> tuple[bool, str | None, str | None]:
    return row.is_total, row.value, row.period


def _place(tally: Tally) -> tuple[Any, ...]:
    return tally.period is None, tally.period or "", -tally.count, tally.value is None, tally.value or ""


def _tally(row: Row[Any], stages: Iterable[StageCount], values: Iterable[Worth]) -> Tally:
    return Tally(
        value=row.value,
        period=row.period,
        count=row.things,
        **{name: row._mapping[name] for name in ("open", "won", "lost", "fewest_days", "most_days")},
        days_won=_spread_of(row, "days_won"),
        days_lost=_spread_of(row, "days_lost"),
        stages=tuple(sorted(stages, key=lambda stage: (-stage.count, stage.stage_code))),
        values=tuple(sorted(values, key=lambda worth: worth.currency)),
    )


def _worth(row: Row[Any]) -> Worth:
    return Worth(
        currency=row.currency,
        open_value=row.open_value,
        weighted_value=row.weighted_value,
        lost_value=row.lost_value,
        won=_spread_of(row, "value_won"),
    )


def _spread_of(row: Row[Any], name: str) -> Spread:
    return Spread(**{part: row._mapping[f"{name}_{part}"] for part in ("n", "sum", "lower", "upper")})


def _is_real(labels: ColumnElement[Any]) -> ColumnElement[bool]:
    """What the label `standing` marks only stands in for a link that its source lacks."""
    return _text(labels, "standing").is_distinct_from("true")


def _text(json: ColumnElement[Any], name: str) -> ColumnElement[Any]:
    return func.jsonb_extract_path_text(json, literal(name, Text), type_=Text)


def _utc_day(instant: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(func.timezone("UTC", instant), Date)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
