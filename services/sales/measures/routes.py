"""Figures of sales over HTTP."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from services.sales.measures import store
from shared.errors import Invalid
from shared.http import edge
from shared.http.bodies import STORABLE, Answer, AsOf
from shared.http.edge import Call, requires
from shared.http.pages import PageRequest, page_request
from shared.http.problems import problems

router = edge.router(tags=["metrics"])

MOST_ROWS = 1000
PIPELINE = ("count", "open", "won", "lost", "win_rate", "stages", "days_to_close", "values")
METRICS = {figure: f"sales.pipeline.{figure}.1" for figure in PIPELINE}

Source = Annotated[str | None, Query(max_length=64, pattern=STORABLE)]
Figure = Annotated[Decimal, PlainSerializer(lambda number: format(number, "f"), return_type=str, when_used="json")]


class WonDealOut(Answer):
    """A standing won deal. `estimated`: the time of closing stands in for an unknown one and belongs in no duration."""

    deal_id: UUID
    lead_id: UUID
    closed_at: datetime
    estimated: bool
    labels: dict[str, str]


class WonDeals(Answer):
    """Won deals one by one, to be joined by id with the leads of another service's answer."""

    as_of: datetime
    metrics: dict[str, str]
    items: list[WonDealOut]
    next: str | None


class PipelineQuery(BaseModel):
    """Which opportunities and deals are counted; `from` and `to`, UTC days of closing, leave out what is open."""

    model_config = ConfigDict(frozen=True)

    source: Annotated[str, Field(max_length=64, pattern=STORABLE)] | None = None
    by: Annotated[str, Field(min_length=1, max_length=32, pattern=STORABLE)] | None = None
    per: store.Period | None = None
    first_day: Annotated[date | None, Field(alias="from")] = None
    last_day: Annotated[date | None, Field(alias="to")] = None
    as_of: AsOf | None = None


class StageOut(Answer):
    """How many stand in one stage."""

    stage_code: str
    stage_type: str
    count: int


class SpreadOut(Answer):
    """Durations in calendar days; median and mean are null of nothing."""

    n: int
    median: Figure | None
    mean: Figure | None


class DaysToCloseOut(Answer):
    """UTC calendar days from opening to closing, without those whose times only stand in for unknown ones."""

    won: SpreadOut
    lost: SpreadOut
    min: int | None
    max: int | None


class ValuesOut(Answer):
    """Money of one currency. Weighted: each amount times the chance of its stage. Mean and median are of the won deals with a total."""

    currency: str
    open_value: Figure
    weighted_value: Figure
    won_value: Figure
    mean_won_value: Figure | None
    median_won_value: Figure | None
    won_with_value: int
    lost_value: Figure


class TallyOut(Answer):
    """What is open, won and lost. `win_rate` = won ÷ (won + lost) to six places, null where nothing closed."""

    count: int
    open: int
    won: int
    lost: int
    win_rate: Figure | None
    stages: list[StageOut]
    days_to_close: DaysToCloseOut
    values: list[ValuesOut]

    @classmethod
    def of(cls, tally: store.Tally) -> "TallyOut":
        """The figures of one tally."""
        return cls.model_validate(_figures(tally))


class GroupOut(TallyOut):
    """The figures of one value of the label in one period; null stands for no label, and for what is still open."""

    value: str | None
    period: str | None

    @classmethod
    def of(cls, tally: store.Tally) -> "GroupOut":
        """The figures of one group."""
        return cls.model_validate({"value": tally.value, "period": tally.period} | _figures(tally))


class PipelineOut(Answer):
    """The pipeline as it stood; without a label and a period there are no groups."""

    as_of: datetime
    metrics: dict[str, str]
    total: TallyOut
    groups: list[GroupOut]


@router.get("/metrics/won-deals")
async def list_won_deals(
    *,
    call: Annotated[Call, requires("deals:read", figures=True)],
    page: Annotated[PageRequest, page_request(max_size=MOST_ROWS)],
    lead_source: Source = None,
    source: Source = None,
    first: Annotated[date | None, Query(alias="from")] = None,
    last: Annotated[date | None, Query(alias="to")] = None,
    as_of: AsOf | None = None,
) -> WonDeals:
    """Won deals that stood by `as_of`: by source of lead or deal, and by UTC day of closing (both days included)."""
    moment = as_of or call.tx.now
    rows = await store.list_won_deals(
        call.tx,
        seen_by=call.cause.actor,
        lead_source=lead_source,
        source=source,
        first=first,
        last=last,
        as_of=moment,
        after=page.after,
        limit=page.limit + 1,
    )
    found = page.answer(rows, key=lambda row: (row.recorded_at, row.deal_id), out=WonDealOut.model_validate)
    return WonDeals(as_of=moment, metrics={"won_deals": "sales.won_deals.1"}, items=found.items, next=found.next)


@router.get("/metrics/pipeline", responses=problems(Invalid))
async def pipeline(chosen: Annotated[PipelineQuery, Query()], call: Annotated[Call, requires("deals:read", figures=True)]) -> PipelineOut:
    """How opportunities and deals stood by `as_of`: where they are, what they are worth, and how those that closed have ended."""
    question = _question(chosen, call)
    found = await store.count_pipeline(call.tx, question)
    groups = [GroupOut.of(group) for group in found.groups]
    return PipelineOut(as_of=question.as_of, metrics=METRICS, total=TallyOut.of(found.total), groups=groups)


def _question(chosen: PipelineQuery, call: Call) -> store.Question:
    if chosen.first_day is not None and chosen.last_day is not None and chosen.first_day > chosen.last_day:
        raise Invalid.at("from", "RANGE_REVERSED", "The first day must not be after the last.")
    return store.Question(
        seen_by=call.cause.actor,
        source=chosen.source,
        by=chosen.by,
        per=chosen.per,
        first=chosen.first_day,
        last=chosen.last_day,
        as_of=min(chosen.as_of or call.tx.now, call.tx.now),
    )


def _figures(tally: store.Tally) -> dict[str, object]:
    return {
        **{name: getattr(tally, name) for name in ("count", "open", "won", "lost", "win_rate", "stages")},
        "days_to_close": {"won": tally.days_won, "lost": tally.days_lost, "min": tally.fewest_days, "max": tally.most_days},
        "values": [_values(worth) for worth in tally.values],
    }


def _values(worth: store.Worth) -> dict[str, object]:
    return {
        **{name: getattr(worth, name) for name in ("currency", "open_value", "weighted_value", "lost_value")},
        "won_value": worth.won.sum or Decimal(0),
        "mean_won_value": worth.won.mean,
        "median_won_value": worth.won.median,
        "won_with_value": worth.won.n,
    }
