"""Figures of fulfilment straight from the facts, as of any instant: only what was recorded by then counts. One statement each.

Everything is worked out per part: a line of an order, or the whole of an order that has no lines. A fact of a whole order holds for
each of its parts, lines that were added later included; a line is as far as the quantities say that facts name of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import ColumnElement, and_, case, cast, func, null, or_, select, tuple_

from services.distribution.approvals.tables import approvals
from services.distribution.cancellations.tables import cancellations, line_cancellations
from services.distribution.deliveries.tables import deliveries, delivery_lines
from services.distribution.orders.tables import order_lines, orders
from services.distribution.promises.tables import line_promises
from services.distribution.shipments.tables import shipment_lines, shipments
from shared.db.transaction import Transaction

Period = Literal["month", "quarter", "year"]
Level = Literal["order", "line"]
Boolean = ColumnElement[bool]

FORMATS: Mapping[str, str] = MappingProxyType({"month": "YYYY-MM", "quarter": 'YYYY-"Q"Q', "year": "YYYY"})
OUTCOME = ("complete", "is_cancelled", "day", "promise", "delivered_estimated", "by_day", "by_instant")
ESTIMATED = ("approved_estimated", "shipped_estimated", "delivered_estimated")
STEPS = (*ESTIMATED[:2], "approved_at", "shipped_at", "arrived_at", "delivered_at", "reported_on", "distance", "has_cancellation")
OWN = ("order_id", "order_line_id", "value", "period", "quantity", "net_amount", "freight_amount", "ship_by", "left_at")
RECEIVED = ("received_at", "received_on", "received_estimated")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which orders are looked at: of one source or all, received on local days (both ends included), as known at an instant.

    `by`: a label of lines, or else of their order, and `per`: the period of the day received, make groups.
    """

    source: str | None
    first: date | None
    last: date | None
    as_of: datetime
    by: str | None = None
    per: Period | None = None
    level: Level = "order"


async def count_fulfilment(tx: Transaction, question: Question) -> Sequence[sa.Row[Any]]:
    """How orders or lines, by the question's level, were fulfilled. An order is in the group of each value that its lines have.

    One row for all (`is_total`) and one per group; beside them, for each currency in them, a row with sums of money and nothing else.
    Numbers that are spread have four columns: how many (`_n`), their `_sum`, and the middle two, `_lower` and `_upper`.
    """
    units = _units(question)
    rows = [*_rows(units, (), units.c.is_one_of_all)]
    if question.by is not None or question.per is not None:
        rows += _rows(units, (units.c.value, units.c.period), units.c.is_one_of_group)
    return await tx.all(sa.union_all(*rows))


async def list_lines(tx: Transaction, question: Question, after: tuple[datetime, UUID] | None, limit: int) -> Sequence[sa.Row[Any]]:
    """At most `limit` lines, and orders without any, behind a position (recorded_at of the order, part_id)."""
    asked = _asked(question).subquery("asked")
    lines = _lines(question.as_of)
    part_id = func.coalesce(lines.c.order_line_id, asked.c.order_id)
    page = (
        select(part_id.label("part_id"), asked.c.order_id)
        .select_from(asked.outerjoin(lines, lines.c.order_id == asked.c.order_id))
        .order_by(asked.c.recorded_at, part_id)
        .limit(limit)
    )
    if after is not None:
        page = page.where(tuple_(asked.c.recorded_at, part_id) > tuple_(*after))
    chosen = page.cte("page")
    scope = _orders().where(orders.c.order_id.in_(select(chosen.c.order_id))).cte("scope")
    known = _known(question, _parts(question, scope))
    whole = _of_order(known)
    of_line = [known.c[name].label(f"line_{name}") for name in OUTCOME]
    found = select(*known.c, *of_line, *(whole[name].label(f"order_{name}") for name in OUTCOME)).subquery("found")
    wanted = select(found).where(found.c.part_id.in_(select(chosen.c.part_id)))
    return await tx.all(wanted.order_by(found.c.recorded_at, found.c.part_id))


def _asked(question: Question) -> sa.Select[*tuple[Any, ...]]:
    received_on = _day(orders.c.time_zone, orders.c.received_at)
    conditions = [orders.c.recorded_at <= question.as_of]
    if question.source is not None:
        conditions.append(orders.c.source == question.source)
    if question.first is not None:
        conditions.append(received_on >= question.first)
    if question.last is not None:
        conditions.append(received_on <= question.last)
    return _orders().where(*conditions)


def _orders() -> sa.Select[*tuple[Any, ...]]:
    names = ("order_id", "deal_id", "lead_id", "customer_id", "received_at", "time_zone", "currency", "whole_promise_date", "recorded_at")
    return select(
        *(orders.c[name] for name in names),
        orders.c.estimated.label("received_estimated"),
        orders.c.labels.label("order_labels"),
        _day(orders.c.time_zone, orders.c.received_at).label("received_on"),
    )


def _lines(as_of: datetime) -> sa.FromClause:
    return select(order_lines).where(order_lines.c.recorded_at <= as_of).subquery("lines")


def _parts(question: Question, scope: sa.CTE) -> sa.CTE:
    """One row per line, and per order without lines, with the day that is promised for it."""
    lines = _lines(question.as_of)
    of_line = and_(
        line_promises.c.order_id == lines.c.order_id,
        line_promises.c.order_line_id == lines.c.order_line_id,
        line_promises.c.deal_version == lines.c.deal_version,
        line_promises.c.recorded_at <= question.as_of,
    )
    newest_first = [line_promises.c[name].desc() for name in ("occurred_at", "recorded_at", "promise_id")]
    last = select(line_promises).where(of_line).order_by(*newest_first).limit(1).lateral("last")
    is_newer = tuple_(last.c.occurred_at, last.c.recorded_at) >= tuple_(lines.c.occurred_at, lines.c.recorded_at)
    is_line = lines.c.order_line_id.is_not(None)
    ordered = func.coalesce(lines.c.confirmed_date, lines.c.requested_date)
    promise = case((is_newer, last.c.promise_date), (is_line, ordered), else_=scope.c.whole_promise_date)
    period = null() if question.per is None else func.to_char(scope.c.received_on, FORMATS[question.per])
    return (
        select(
            func.coalesce(lines.c.order_line_id, scope.c.order_id).label("part_id"),
            *scope.c,
            lines.c.order_line_id,
            *(lines.c[name] for name in ("labels", "quantity", "net_amount", "freight_amount", "ship_by", "deal_version")),
            (func.coalesce(lines.c.fulfilment_type, "goods") != "service").label("is_goods"),
            func.coalesce(lines.c.ship_to_time_zone, scope.c.time_zone).label("zone"),
            promise.label("promise"),
            cast(null() if question.by is None else _label(question.by, lines.c.labels, scope.c.order_labels), sa.Text).label("value"),
            cast(period, sa.Text).label("period"),
        )
        .select_from(scope.outerjoin(lines, lines.c.order_id == scope.c.order_id).outerjoin(last, sa.true()))
        .cte("parts")
    )


def _told(parts: sa.CTE, heads: sa.Table, lines: sa.Table, as_of: datetime, *more: ColumnElement[Any]) -> sa.CTE:
    """What facts of one kind say of each part that they hold for: when first and last, and of how much."""
    (key,) = heads.primary_key
    of_line = and_(lines.c[key.name] == key, lines.c.order_line_id == parts.c.order_line_id, lines.c.recorded_at <= as_of)
    if "deal_version" in lines.c:
        of_line = and_(of_line, lines.c.deal_version == parts.c.deal_version)
    holds_for_all = and_(heads.c.whole, parts.c.is_goods) if heads is shipments else heads.c.whole
    return (
        select(
            parts.c.part_id,
            func.min(heads.c.occurred_at).label("first"),
            func.max(heads.c.occurred_at).label("last"),
            func.bool_or(heads.c.estimated).label("estimated"),
            func.bool_or(or_(heads.c.whole, func.coalesce(lines.c.rest, False))).label("takes_all"),
            func.sum(lines.c.quantity).filter(~lines.c.rest).label("named"),
            *more,
        )
        .select_from(parts.join(heads, and_(heads.c.order_id == parts.c.order_id, heads.c.recorded_at <= as_of)).outerjoin(lines, of_line))
        .where(or_(holds_for_all, lines.c.order_line_id.is_not(None)))
        .group_by(parts.c.part_id)
        .cte(f"{heads.name}_told")
    )


def _known(question: Question, parts: sa.CTE) -> sa.CTE:
    """Each part as far as it is."""
    as_of = question.as_of
    arrived_on = _day(parts.c.zone, deliveries.c.occurred_at)
    midnight = func.timezone(parts.c.zone, cast(parts.c.promise, sa.DateTime))
    in_time = case((deliveries.c.day_only, arrived_on <= parts.c.promise), else_=deliveries.c.occurred_at <= midnight)
    delivered = _told(
        parts,
        deliveries,
        delivery_lines,
        as_of,
        func.max(arrived_on).label("day"),
        func.bool_and(in_time).label("by_instant"),
        func.max(_day(parts.c.zone, deliveries.c.reported_at)).label("reported_on"),
    )
    shipped = _told(parts, shipments, shipment_lines, as_of)
    cancelled = _told(parts, cancellations, line_cancellations, as_of)
    first, estimated = func.min(approvals.c.occurred_at), func.bool_or(approvals.c.estimated)
    approved = (
        select(parts.c.part_id, first.label("first"), estimated.label("estimated"))
        .join(approvals, and_(approvals.c.order_id == parts.c.order_id, approvals.c.recorded_at <= as_of))
        .group_by(parts.c.part_id)
        .cte("approvals_told")
    )
    # Nothing is told of what is no part, so these are left joins. Said to be full, they are never nested loops, which would take forever
    # where the database knows nothing yet of what was just imported.
    joined: sa.FromClause = parts
    for told in (approved, shipped, delivered, cancelled):
        joined = joined.outerjoin(told, told.c.part_id == parts.c.part_id, full=True)
    dropped = case((cancelled.c.takes_all, parts.c.quantity), else_=func.coalesce(cancelled.c.named, 0))
    is_cancelled = or_(cancelled.c.takes_all, cancelled.c.named >= parts.c.quantity)
    complete = or_(delivered.c.takes_all, delivered.c.named >= parts.c.quantity - dropped)
    promise = parts.c.promise
    return (
        select(
            *parts.c,
            approved.c.first.label("approved_at"),
            approved.c.estimated.label("approved_estimated"),
            shipped.c.first.label("shipped_at"),
            shipped.c.last.label("left_at"),
            shipped.c.estimated.label("shipped_estimated"),
            delivered.c.first.label("arrived_at"),
            delivered.c.last.label("delivered_at"),
            cancelled.c.part_id.is_not(None).label("has_cancellation"),
            func.coalesce(complete, False).label("complete"),
            func.coalesce(is_cancelled, False).label("is_cancelled"),
            delivered.c.day,
            delivered.c.estimated.label("delivered_estimated"),
            delivered.c.by_instant,
            (delivered.c.day <= promise).label("by_day"),
            (delivered.c.day - promise).label("distance"),
            delivered.c.reported_on,
        )
        .select_from(joined)
        .cte("known")
    )


def _of_order(known: sa.CTE) -> dict[str, ColumnElement[Any]]:
    """The order of each part, as all of its parts are: complete when nothing is still to come, on time when every part is.

    Parts that were cancelled have no say in its days. An order that is late is so by its latest part.
    """
    live = ~known.c.is_cancelled
    day, promise, distance = (_over(known, func.max(known.c[name]).filter(live)) for name in ("day", "promise", "distance"))
    by_day, by_instant = (_over(known, func.bool_and(known.c[name]).filter(live)) for name in ("by_day", "by_instant"))
    is_through = _over(known, func.bool_and(or_(known.c.complete, known.c.is_cancelled)))
    return {
        "complete": and_(is_through, _over(known, func.bool_or(known.c.complete))),
        "is_cancelled": _over(known, func.bool_and(known.c.is_cancelled)),
        **{"day": day, "promise": promise, "by_day": by_day, "by_instant": by_instant},
        "distance": case((by_day, day - promise), else_=distance),
        **{name: _over(known, func.min(known.c[name])) for name in ("approved_at", "shipped_at", "arrived_at")},
        **{name: _over(known, func.max(known.c[name])) for name in ("delivered_at", "reported_on")},
        **{name: _over(known, func.bool_or(known.c[name])) for name in (*ESTIMATED, "has_cancellation")},
    }


def _over(known: sa.CTE, figure: Any) -> ColumnElement[Any]:
    return figure.over(partition_by=known.c.order_id)


def _units(question: Question) -> sa.CTE:
    """The parts, each with what is counted: itself or its order, which is one of all, and one of each group, only once."""
    known = _known(question, _parts(question, _asked(question).cte("asked")))
    is_line = known.c.order_line_id.is_not(None)
    is_one_of_all, is_one_of_group = is_line, is_line
    counted: dict[str, ColumnElement[Any]] = dict(known.c)
    if question.level == "order":
        counted = _of_order(known)
        is_one_of_all = func.row_number().over(partition_by=known.c.order_id) == 1
        is_one_of_group = func.row_number().over(partition_by=[known.c.order_id, known.c.value]) == 1
    return select(
        *(known.c[name] for name in (*OWN, *RECEIVED)),
        case((is_line, known.c.currency)).label("currency"),
        known.c.shipped_estimated.label("left_estimated"),
        (_over(known, func.min(known.c.value)) != _over(known, func.max(known.c.value))).label("has_several"),
        *(counted[name].label(name) for name in (*OUTCOME, *STEPS)),
        is_one_of_all.label("is_one_of_all"),
        is_one_of_group.label("is_one_of_group"),
    ).cte("units")


def _rows(units: sa.CTE, group: Sequence[ColumnElement[Any]], counts: Boolean) -> Iterator[sa.Select[*tuple[Any, ...]]]:
    """`counts`: whether a part stands for what is counted, and not only for a further line of it."""
    value, period = group or (null(), null())
    names = (cast(value, sa.Text).label("value"), cast(period, sa.Text).label("period"))
    is_total = (sa.false() if group else sa.true()).label("is_total")
    figures = [*_content(units), *_reached(units, counts), *_on_time(units, counts), *_cycle(units, counts), *_out_of_order(units, counts)]
    money = [func.sum(units.c[name]).label(name) for name in ("net_amount", "freight_amount")]
    nothing = [cast(null(), sa.Text).label("currency"), *(cast(null(), sa.Numeric).label(each.name) for each in money)]
    yield select(is_total, *names, *nothing, *figures).group_by(*group)
    yield (
        select(is_total, *names, units.c.currency, *money, *(null().label(each.name) for each in figures))
        .where(units.c.currency.is_not(None))
        .group_by(*group, units.c.currency)
    )


def _content(units: sa.CTE) -> Iterator[sa.Label[Any]]:
    line, order_id = units.c.order_line_id, units.c.order_id
    has_left = and_(units.c.ship_by.is_not(None), units.c.left_at.is_not(None), ~units.c.left_estimated)
    yield func.count(order_id.distinct()).label("orders")
    yield func.count(line).label("lines")
    yield func.count().filter(line.is_(None)).label("orders_without_lines")
    yield func.count(order_id.distinct()).filter(units.c.has_several).label("orders_with_several_values")
    yield func.count(units.c.value.distinct()).label("distinct_values")
    yield func.min(units.c.received_at).label("first_received_at")
    yield func.max(units.c.received_at).label("last_received_at")
    yield func.coalesce(func.sum(units.c.quantity), 0).label("quantity")
    yield func.count().filter(has_left).label("handover_lines")
    yield func.count().filter(has_left, units.c.left_at <= units.c.ship_by).label("handover_on_time")


def _reached(units: sa.CTE, counts: Boolean) -> Iterator[sa.Label[Any]]:
    was_delivered = units.c.delivered_at.is_not(None)
    yield func.count().filter(counts).label("size")
    yield func.count().filter(counts, units.c.approved_at.is_not(None)).label("approved")
    yield func.count().filter(counts, units.c.shipped_at.is_not(None)).label("shipped")
    yield func.count().filter(counts, was_delivered).label("delivered")
    yield func.count().filter(counts, units.c.has_cancellation).label("cancelled")
    yield func.count().filter(counts, was_delivered, units.c.has_cancellation).label("delivered_and_cancelled")


def _on_time(units: sa.CTE, counts: Boolean) -> Iterator[sa.Label[Any]]:
    ended = and_(counts, units.c.complete, ~units.c.is_cancelled, ~units.c.delivered_estimated)
    due = and_(ended, units.c.promise.is_not(None))
    distance = units.c.distance
    yield func.count().filter(due).label("on_time_delivered")
    yield func.count().filter(ended, units.c.promise.is_(None)).label("on_time_without_promise")
    yield func.count().filter(due, units.c.by_day).label("on_time_by_day")
    yield func.count().filter(due, units.c.by_instant).label("on_time_by_instant")
    yield func.count().filter(due, distance < 0).label("on_time_early")
    yield func.count().filter(due, distance == 0).label("on_time_exact")
    yield func.count().filter(due, distance > 0).label("on_time_late")
    yield from _spread("days_late", case((and_(due, distance > 0), distance)))
    yield func.max(distance).filter(due, distance > 0).label("on_time_max_days_late")
    yield func.max(-distance).filter(due, distance < 0).label("on_time_max_days_early")


def _cycle(units: sa.CTE, counts: Boolean) -> Iterator[sa.Label[Any]]:
    received, approved, shipped, delivered = (
        and_(counts, ~units.c[f"{step}_estimated"]) for step in ("received", "approved", "shipped", "delivered")
    )
    ended = and_(received, delivered, units.c.complete, ~units.c.is_cancelled)
    reported = case((delivered, units.c.reported_on - units.c.day))
    yield from _spread("received_to_delivered_days", case((ended, units.c.day - units.c.received_on)))
    yield from _spread("received_to_approved", _seconds(received & approved, units.c.received_at, units.c.approved_at))
    yield from _spread("approved_to_shipped", _seconds(approved & shipped, units.c.approved_at, units.c.shipped_at))
    yield from _spread("shipped_to_delivered", _seconds(shipped & delivered, units.c.shipped_at, units.c.delivered_at))
    yield from _spread("delivered_to_reported_days", reported)
    yield func.max(reported).label("delivered_to_reported_days_max")
    yield func.count().filter(reported == 0).label("delivered_to_reported_days_same_day")


def _out_of_order(units: sa.CTE, counts: Boolean) -> Iterator[sa.Label[Any]]:
    steps = {"shipped": "shipped_at", "delivered": "arrived_at", "received": "received_at", "approved": "approved_at"}
    for late, early in (("shipped", "received"), ("shipped", "approved"), ("delivered", "received"), ("delivered", "shipped")):
        known = and_(counts, ~units.c[f"{late}_estimated"], ~units.c[f"{early}_estimated"])
        is_reversed = units.c[steps[late]] < units.c[steps[early]]
        yield func.count().filter(known, is_reversed).label(f"{late}_before_{early}")


def _spread(name: str, number: ColumnElement[Any]) -> Iterator[sa.Label[Any]]:
    # Taken from both ends, the discrete middle is exact in every type; the continuous one would be a double.
    middle = func.percentile_disc(0.5)
    yield func.count(number).label(f"{name}_n")
    yield func.sum(number).label(f"{name}_sum")
    yield middle.within_group(number.asc()).label(f"{name}_lower")
    yield middle.within_group(number.desc()).label(f"{name}_upper")


def _seconds(known: Boolean, start: ColumnElement[Any], end: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((known, sa.extract("epoch", end - start)))


def _label(name: str, *owners: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.coalesce(*(func.jsonb_extract_path_text(labels, sa.literal(name, sa.Text), type_=sa.Text) for labels in owners))


def _day(time_zone: ColumnElement[Any], instant: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(func.timezone(time_zone, instant), sa.Date)
