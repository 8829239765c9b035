"""Distribution's figures over HTTP, each answer with its instant and the ids of its definitions."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from services.distribution.measures import store
from shared.errors import Invalid
from shared.http import edge
from shared.http.bodies import STORABLE, Answer, AsOf
from shared.http.edge import Call, requires
from shared.http.pages import PageRequest, page_request
from shared.http.problems import problems
from shared.money import Money, ratio

router = edge.router(tags=["metrics"])

MOST_ROWS = 1000
SECONDS_PER_HOUR = 3600

Figure = Annotated[Decimal, PlainSerializer(lambda number: format(number, "f"), return_type=str, when_used="json")]
Source = Annotated[str, Field(max_length=64, pattern=STORABLE)]


class LinesQuery(BaseModel):
    """Which orders are looked at: of one source or all, received on local days, as known at an instant."""

    model_config = ConfigDict(frozen=True)

    source: Source | None = None
    first_day: Annotated[date | None, Field(alias="from")] = None
    last_day: Annotated[date | None, Field(alias="to")] = None
    as_of: AsOf | None = None


class FulfilmentQuery(LinesQuery):
    """`by`: a label of lines, or else of their order, and `per`: the period of the day received, make groups; `level`: what is counted."""

    by: Annotated[str, Field(min_length=1, max_length=32, pattern=STORABLE)] | None = None
    per: store.Period | None = None
    level: store.Level = "order"


class OnTimeOut(Answer):
    """Of what is completely delivered, not cancelled, at a known time and promised for a day (`delivered`): what came in time.

    By day: delivered on the promised day or before. By instant: before that day began, except where only the day of a delivery is known.
    """

    delivered: int
    without_promise: int
    by_day: int
    rate_by_day: Figure | None
    by_instant: int
    rate_by_instant: Figure | None
    early: int
    exact: int
    late: int
    median_days_late: Figure | None
    max_days_late: int | None
    max_days_early: int | None


class DaysOut(Answer):
    """Local calendar days."""

    n: int
    median: Figure | None
    mean: Figure | None


class HoursOut(Answer):
    """Hours, to four places."""

    n: int
    median: Figure | None


class ReportedOut(Answer):
    """Local calendar days from a delivery until its source heard of it."""

    n: int
    median: Figure | None
    max: int | None
    same_day: int


class CycleOut(Answer):
    """How long each step took, without times that only stand in for unknown ones: from the first of a kind to the first of the next,
    and to the last delivery. Days are of what is completely delivered and not cancelled; hours of all that has both facts.
    """

    received_to_delivered_days: DaysOut
    received_to_approved_hours: HoursOut
    approved_to_shipped_hours: HoursOut
    shipped_to_delivered_hours: HoursOut
    delivered_to_reported_days: ReportedOut


class OutOfOrderOut(Answer):
    """How often a step came before one that it follows, both at known times."""

    shipped_before_received: int
    shipped_before_approved: int
    delivered_before_received: int
    delivered_before_shipped: int


class HandoverOut(Answer):
    """Lines that left and had to leave by an instant; on time if all of the line had left by then."""

    lines: int
    on_time: int
    rate: Figure | None


class ValuesOut(Answer):
    """Lines of one currency: what was agreed for them, and the freight beside it."""

    currency: str
    value: Figure
    freight: Figure


class TallyOut(Answer):
    """How orders or lines were fulfilled. Approved, shipped, delivered, cancelled: those with such a fact, complete or not."""

    orders: int
    lines: int
    orders_without_lines: int
    orders_with_several_values: int | None
    distinct_values: int | None
    first_received_at: datetime | None
    last_received_at: datetime | None
    approved: int
    shipped: int
    delivered: int
    cancelled: int
    delivered_and_cancelled: int
    on_time: OnTimeOut
    cycle: CycleOut
    out_of_order: OutOfOrderOut
    handover: HandoverOut
    quantity: Figure
    values: list[ValuesOut]


METRICS = {figure: f"distribution.fulfilment.{figure}.1" for figure in TallyOut.model_fields}


class GroupOut(TallyOut):
    """The figures of one value of the label in one period; null stands for no label."""

    value: str | None
    period: str | None


class FulfilmentOut(Answer):
    """Fulfilment as it was known; without a label and a period there are no groups."""

    as_of: datetime
    metrics: dict[str, str]
    level: store.Level
    total: TallyOut
    groups: list[GroupOut]


class LineOut(Answer):
    """One line, or an order that has none (line fields null). On time is null for what is not counted there; delivered is completely."""

    order_id: UUID
    deal_id: UUID
    lead_id: UUID
    customer_id: UUID | None
    received_at: datetime
    received_on: date
    order_labels: dict[str, str]
    order_delivered: bool
    order_cancelled: bool
    order_on_time_by_day: bool | None
    order_on_time_by_instant: bool | None
    order_days: int | None
    order_line_id: UUID | None
    labels: dict[str, str] | None
    quantity: Figure | None
    amount: Money | None
    delivered: bool | None
    cancelled: bool | None
    on_time_by_day: bool | None
    on_time_by_instant: bool | None


class LinesOut(Answer):
    """Lines one by one, to be joined with what other services know. No `next`: these were the last ones."""

    as_of: datetime
    items: list[LineOut]
    next: str | None


@router.get("/metrics/fulfilment", responses=problems(Invalid))
async def fulfilment(
    chosen: Annotated[FulfilmentQuery, Query()], call: Annotated[Call, requires("metrics:read", figures=True)]
) -> FulfilmentOut:
    """How orders, or their lines, were fulfilled as of an instant."""
    question = _question(chosen, call, by=chosen.by, per=chosen.per, level=chosen.level)
    rows = await store.count_fulfilment(call.tx, question)
    first, *others = _tallies(rows, question)
    total, groups = TallyOut.model_validate(first), [GroupOut.model_validate(group) for group in others]
    return FulfilmentOut(as_of=question.as_of, metrics=METRICS, level=question.level, total=total, groups=groups)


@router.get("/metrics/fulfilment/lines", responses=problems(Invalid))
async def fulfilment_lines(
    chosen: Annotated[LinesQuery, Query()],
    page: Annotated[PageRequest, page_request(max_size=MOST_ROWS)],
    call: Annotated[Call, requires("metrics:read", figures=True)],
) -> LinesOut:
    """The lines behind the figures, so that those of other services can be joined to them by id or label."""
    question = _question(chosen, call)
    rows = await store.list_lines(call.tx, question, page.after, page.limit + 1)
    following = page.next(rows, key=lambda row: (row.recorded_at, row.part_id))
    return LinesOut(as_of=question.as_of, items=[_line(row) for row in rows[: page.limit]], next=following)


def _question(chosen: LinesQuery, call: Call, **more: Any) -> store.Question:
    if chosen.first_day is not None and chosen.last_day is not None and chosen.first_day > chosen.last_day:
        raise Invalid.at("from", "RANGE_REVERSED", "The first day must not be after the last.")
    as_of = min(chosen.as_of or call.tx.now, call.tx.now)
    return store.Question(source=chosen.source, first=chosen.first_day, last=chosen.last_day, as_of=as_of, **more)


def _tallies(rows: Sequence[Any], question: store.Question) -> list[dict[str, Any]]:
    """The figures of all, then those of the groups in their order."""
    values: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        if row.currency is not None:
            worth = {"currency": row.currency, "value": row.net_amount, "freight": row.freight_amount or Decimal(0)}
            values.setdefault((row.is_total, row.value, row.period), []).append(worth)
    return [
        _figures(row, values.get((row.is_total, row.value, row.period), []), question)
        for row in sorted((row for row in rows if row.currency is None), key=_place)
    ]


def _place(row: Any) -> tuple[Any, ...]:
    return not row.is_total, row.period is None, row.period or "", -row.size, row.value is None, row.value or ""


def _figures(row: Any, values: list[dict[str, Any]], question: store.Question) -> dict[str, Any]:
    figures = row._mapping
    grouped = question.by is not None
    return {
        **{name: figures[name] for name in GroupOut.model_fields if name in figures},
        "orders_with_several_values": row.orders_with_several_values if grouped else None,
        "distinct_values": row.distinct_values if grouped else None,
        "on_time": _on_time(figures),
        "cycle": _cycle(figures),
        "out_of_order": {name: figures[name] for name in OutOfOrderOut.model_fields},
        "handover": {
            "lines": row.handover_lines,
            "on_time": row.handover_on_time,
            "rate": ratio(row.handover_on_time, row.handover_lines),
        },
        "values": sorted(values, key=lambda worth: worth["currency"]),
    }


def _on_time(figures: Any) -> dict[str, Any]:
    return {
        **{name: figures[f"on_time_{name}"] for name in OnTimeOut.model_fields if f"on_time_{name}" in figures},
        "rate_by_day": ratio(figures["on_time_by_day"], figures["on_time_delivered"]),
        "rate_by_instant": ratio(figures["on_time_by_instant"], figures["on_time_delivered"]),
        "median_days_late": _median(figures, "days_late"),
    }


def _cycle(figures: Any) -> dict[str, Any]:
    return {
        "received_to_delivered_days": {
            "n": figures["received_to_delivered_days_n"],
            "median": _median(figures, "received_to_delivered_days"),
            "mean": ratio(figures["received_to_delivered_days_sum"], figures["received_to_delivered_days_n"]),
        },
        **{
            f"{step}_hours": {"n": figures[f"{step}_n"], "median": _hours(_median(figures, step))}
            for step in ("received_to_approved", "approved_to_shipped", "shipped_to_delivered")
        },
        "delivered_to_reported_days": {
            **{name: figures[f"delivered_to_reported_days_{name}"] for name in ("n", "max", "same_day")},
            "median": _median(figures, "delivered_to_reported_days"),
        },
    }


def _line(row: Any) -> LineOut:
    is_line = row.order_line_id is not None
    whole, own = _ended(row, "order"), _ended(row, "line") if is_line else {}
    days = (row.order_day - row.received_on).days if _is_timed(row, "order") and not row.received_estimated else None
    return LineOut.model_validate(
        {
            **{name: row._mapping[name] for name in LineOut.model_fields if name in row._mapping},
            **{f"order_{name}": value for name, value in whole.items()},
            "order_days": days,
            "amount": Money(amount=row.net_amount, currency=row.currency) if is_line else None,
            **{name: own.get(name) for name in whole},
        }
    )


def _ended(row: Any, which: str) -> dict[str, bool | None]:
    due = _is_timed(row, which) and row._mapping[f"{which}_promise"] is not None
    return {
        "delivered": row._mapping[f"{which}_complete"],
        "cancelled": row._mapping[f"{which}_is_cancelled"],
        "on_time_by_day": row._mapping[f"{which}_by_day"] if due else None,
        "on_time_by_instant": row._mapping[f"{which}_by_instant"] if due else None,
    }


def _is_timed(row: Any, which: str) -> bool:
    complete, is_cancelled, is_estimated = (row._mapping[f"{which}_{name}"] for name in ("complete", "is_cancelled", "delivered_estimated"))
    return complete and not is_cancelled and not is_estimated


def _median(figures: Any, name: str) -> Decimal | None:
    lower, upper = figures[f"{name}_lower"], figures[f"{name}_upper"]
    return None if lower is None else (Decimal(lower) + upper) / 2


def _hours(seconds: Decimal | None) -> Decimal | None:
    return None if seconds is None else (seconds / SECONDS_PER_HOUR).quantize(Decimal("0.0001"), ROUND_HALF_EVEN)
