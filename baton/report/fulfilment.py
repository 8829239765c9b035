"""Fulfilment by what sales or marketing know: each order line joined with a won deal, that deal with its lead. Pure.

A line meets its deal by the value of a label that both carry, or by the id of the deal that its order hangs on. Lines without such a deal
are left out. Orders are counted once in each group in which they have a line, so groups may add up to more than the total.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from baton.report import figures
from shared import calendar
from shared.money import Money, ratio

Level = Literal["order", "line"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """A line with what its order says; an order without lines is one of them with `line_id` None.

    `received_on`: the local day of the order. `days`: calendar days from receipt to complete delivery. On time is None for what is not in
    the denominator: not delivered, cancelled, or never promised.
    """

    order_id: UUID
    deal_id: UUID | None
    received_at: datetime
    received_on: date
    order_labels: Mapping[str, str]
    order_on_time_by_day: bool | None
    order_on_time_by_instant: bool | None
    days: int | None
    line_id: UUID | None
    labels: Mapping[str, str]
    amount: Money | None
    on_time_by_day: bool | None
    on_time_by_instant: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """A standing won deal. `closed_at` is an aware instant, only an estimate of it if `estimated`.

    `preferred`: it comes from the source asked for, and so counts before deals of other sources with the same value of a label.
    """

    deal_id: UUID
    lead_id: UUID
    closed_at: datetime
    estimated: bool
    labels: Mapping[str, str]
    preferred: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A line and the deal it belongs to. `through`: what both have in common."""

    line: OrderLine
    deal: Deal
    through: str | UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """The sum of the lines in one currency."""

    currency: str
    value: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """Calendar days: how many there are, the middle and the mean of them."""

    n: int
    median: Decimal | None
    mean: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DaysToFirstOrder:
    """Calendar days from winning a deal to its first order. `negative`: the order was there before the deal was won."""

    n: int
    median: Decimal | None
    mean: Decimal | None
    negative: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Fulfilment of one group. `delivered` is the denominator of both rates; `days` are those of orders, receipt to delivery."""

    through_values: int
    orders: int
    lines: int
    values: tuple[Value, ...]
    delivered: int
    on_time_by_day: int
    rate_by_day: Decimal | None
    on_time_by_instant: int
    rate_by_instant: Decimal | None
    days: Days


def join(lines: Iterable[OrderLine], deals: Iterable[Deal], *, through: str | None) -> list[Joined]:
    """Every line with its deal. `through`: the label whose value both share; None: the order's own deal.

    Of several deals with one value a preferred one counts, and of these the one closed first, so that no line is counted twice.
    """
    known: dict[str | UUID, Deal] = {}
    for deal in sorted(deals, key=lambda deal: (not deal.preferred, deal.closed_at, deal.deal_id)):
        shared = deal.deal_id if through is None else deal.labels.get(through)
        if shared is not None:
            known.setdefault(shared, deal)
    joined: list[Joined] = []
    for line in lines:
        shared = line.deal_id if through is None else line.labels.get(through)
        deal = known.get(shared) if shared is not None else None
        if shared is not None and deal is not None:
            joined.append(Joined(line=line, deal=deal, through=shared))
    return joined


def summary(joined: Sequence[Joined], level: Level) -> Figures:
    """The figures of a set of joined lines, in whatever order they come; on time is told of orders or of lines."""
    orders = {each.line.order_id: each.line for each in joined}.values()
    lines = [each.line for each in joined if each.line.line_id is not None]
    if level == "order":
        told = [(line.order_on_time_by_day, line.order_on_time_by_instant) for line in orders]
    else:
        told = [(line.on_time_by_day, line.on_time_by_instant) for line in lines]
    counted = [(by_day, by_instant) for by_day, by_instant in told if by_day is not None]
    by_day, by_instant = sum(each[0] for each in counted), sum(bool(each[1]) for each in counted)
    days = [line.days for line in orders if line.days is not None]
    return Figures(
        through_values=len({each.through for each in joined}),
        orders=len(orders),
        lines=len(lines),
        values=_values(lines),
        delivered=len(counted),
        on_time_by_day=by_day,
        rate_by_day=ratio(by_day, len(counted)),
        on_time_by_instant=by_instant,
        rate_by_instant=ratio(by_instant, len(counted)),
        days=Days(n=len(days), median=figures.median(days), mean=figures.mean(days)),
    )


def by_group(joined: Iterable[Joined], value_of: Callable[[Deal], str | None], level: Level) -> list[tuple[str | None, Figures]]:
    """The figures per value of the deal: most orders first, then by name, the missing one last among equals."""
    groups: dict[str | None, list[Joined]] = {}
    for each in joined:
        groups.setdefault(value_of(each.deal), []).append(each)
    counted = [(value, summary(group, level)) for value, group in groups.items()]
    return sorted(counted, key=lambda group: (-group[1].orders, group[0] is None, group[0] or ""))


def orders_by_label(joined: Iterable[Joined]) -> dict[str, dict[str, int]]:
    """Orders per value of each label that they carry themselves: labels by name, values by count. An order without a label is in none."""
    counts: dict[str, dict[str, int]] = {}
    for line in {each.line.order_id: each.line for each in joined}.values():
        for label, value in line.order_labels.items():
            values = counts.setdefault(label, {})
            values[value] = values.get(value, 0) + 1
    return {label: dict(sorted(counts[label].items(), key=lambda each: (-each[1], each[0]))) for label in sorted(counts)}


def days_to_first_order(joined: Iterable[Joined], zone_of: Callable[[Deal], str]) -> DaysToFirstOrder:
    """Days from the local day of winning to the local day on which the deal's first order was received; estimated closings left out."""
    first: dict[UUID, Joined] = {}
    for each in joined:
        known = first.get(each.deal.deal_id)
        if not each.deal.estimated and (known is None or each.line.received_at < known.line.received_at):
            first[each.deal.deal_id] = each
    days = [(each.line.received_on - calendar.local_day(each.deal.closed_at, zone_of(each.deal))).days for each in first.values()]
    return DaysToFirstOrder(n=len(days), median=figures.median(days), mean=figures.mean(days), negative=sum(each < 0 for each in days))


def received_before_won(joined: Iterable[Joined]) -> int:
    """Orders that were received before a deal they belong to was closed; estimated closings left out."""
    return len({each.line.order_id for each in joined if not each.deal.estimated and each.line.received_at < each.deal.closed_at})


def _values(lines: Iterable[OrderLine]) -> tuple[Value, ...]:
    sums: dict[str, Decimal] = {}
    for line in lines:
        if line.amount is not None:
            sums[line.amount.currency] = sums.get(line.amount.currency, Decimal(0)) + line.amount.amount
    return tuple(Value(currency=currency, value=sums[currency]) for currency in sorted(sums))
