"""A deal is how a sale ends: won with its lines and money, or lost with its reasons."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import Literal, TypeVar, get_args
from uuid import UUID

from shared import calendar, ids, money
from shared.cause import Version
from shared.errors import Conflict, Invalid
from shared.events import language
from shared.events.handoff.decisions import CustomerType
from shared.events.language import Instant
from shared.events.marketing.leads import SegmentVersion
from shared.events.sales.deals import CloseMode, DealClosed, DealLine, FulfilmentType, Lost, RepCredit, Won
from shared.events.sales.opportunities import LostReason
from shared.money import Money

Outcome = Literal["won", "lost"]
T = TypeVar("T")

SEES_EVERY_DEAL = frozenset({"sales_manager", "key_account_manager", "importer", "reader"})
"""Roles that see the deals of everybody."""

MOST_LISTED = 200
"""How many an event lists of anything."""

SURELY_FITS = 100
"""Lines and needs, each of the longest words, that fit an event without being measured."""

MOST_MONEY = Decimal(10) ** 15
"""A total from here on does not fit an amount of money."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreedLine:
    """One product as it was agreed, before what follows from it is worked out."""

    line_no: int
    product_id: UUID | None = None
    sku: str | None = None
    fulfilment_type: FulfilmentType = "goods"
    quantity: Decimal
    unit: str = "piece"
    list_unit_price: Money | None = None
    net_unit_price: Money
    requested_date: date | None = None
    confirmed_date: date | None = None
    outlet_id: UUID | None = None
    ship_to_id: UUID | None = None
    ship_to_country: str | None = None
    ship_to_time_zone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseDeal:
    """What somebody asks for who closes a deal; kept as it was asked, to know the same request again.

    Without `lead_id` it is that of the opportunity with the deal's id.
    """

    deal_id: UUID
    lead_id: UUID | None = None
    lead_ids: tuple[UUID, ...] = ()
    outcome: Outcome
    source: str | None = None
    external_id: str | None = None
    close_mode: CloseMode = "negotiated"
    lines: tuple[AgreedLine, ...] = ()
    blanket_order: bool = False
    currency: str | None = None
    customer_id: UUID | None = None
    customer_type: CustomerType | None = None
    owner_id: UUID | None = None
    owner_role: str | None = None
    lost_reasons: tuple[LostReason, ...] = ()
    note: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    estimated: bool = False
    occurred_at: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a deal takes over from one of the leads that led to it."""

    lead_id: UUID
    organisation_id: UUID | None = None
    subject_id: UUID | None = None
    campaign_id: UUID | None = None
    channel_id: UUID | None = None
    segment_versions: tuple[SegmentVersion, ...] = ()
    need_codes: tuple[str, ...] = ()
    first_response_at: datetime | None = None
    customer_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """What a deal takes over from the opportunity that it ends."""

    opportunity_id: UUID
    opened_at: datetime
    need_codes: tuple[str, ...] = ()
    source: str | None = None
    customer_id: UUID | None = None
    owner_id: UUID | None = None
    owner_role: str | None = None
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """A closed deal. Its id is that of its opportunity where there was one; totals are null for a blanket deal, and lost without lines.

    The note is free text and stays here; so do labels, and whether `closed_at` only stands in for an unknown time (`estimated`).
    """

    deal_id: UUID
    deal_version: int
    lead_id: UUID
    lead_ids: tuple[UUID, ...]
    opportunity_id: UUID | None
    outcome: Outcome
    source: str | None
    external_id: str | None
    close_mode: CloseMode
    closed_at: datetime
    customer_id: UUID | None
    customer_type: CustomerType | None
    owner_id: UUID | None
    owner_role: str | None
    blanket_order: bool
    lines: tuple[DealLine, ...]
    lost_reasons: tuple[LostReason, ...]
    note: str | None
    list_total: Money | None
    discount_total: Money | None
    net_total: Money | None
    labels: dict[str, str]
    estimated: bool
    recorded_at: datetime
    asked: CloseDeal
    version: Version = 0


class DealAlreadyClosed(Conflict):
    """A deal with this id, or this source and external id, was closed with other content."""


class PrimaryLeadDiffers(Conflict):
    """The opportunity belongs to another lead; the primary lead never changes."""


def must_ask_the_same(known: Deal, command: CloseDeal) -> Deal:
    """The known deal if it was closed by this very request. Raises DealAlreadyClosed."""
    if known.asked != command:
        raise DealAlreadyClosed(deal_id=known.deal_id, version=known.version)
    return known


def must_have_lead(opportunity_lead_id: UUID, command: CloseDeal) -> None:
    """Raises PrimaryLeadDiffers when a deal names another primary lead than the opportunity it ends."""
    if command.lead_id not in {None, opportunity_lead_id}:
        raise PrimaryLeadDiffers(deal_id=command.deal_id, lead_id=opportunity_lead_id)


def close(
    command: CloseDeal, *, origins: Sequence[Origin], pipeline: Pipeline | None, at: datetime, recorded_at: datetime
) -> tuple[Deal, DealClosed]:
    """The closed deal and its event. `origins`: its leads, the primary first; `at`: when it closed (UTC).

    Raises Invalid: a won deal needs lines or is a blanket order, a lost one needs a reason, all money is of one currency; and for more
    content than an event holds.
    """
    _must_be_complete(command)
    lines = tuple(_line(index, line) for index, line in enumerate(command.lines))
    list_total, discount_total, net_total = totals(command, lines)
    customer_type = command.customer_type or next((known for known in get_args(CustomerType) if known == origins[0].customer_type), None)
    owner_id, owner_role = _owner(command, pipeline)
    deal = Deal(
        deal_id=command.deal_id,
        deal_version=1,
        lead_id=origins[0].lead_id,
        lead_ids=tuple(origin.lead_id for origin in origins),
        opportunity_id=pipeline.opportunity_id if pipeline else None,
        outcome=command.outcome,
        source=command.source or (pipeline.source if pipeline else None),
        external_id=command.external_id,
        close_mode=command.close_mode,
        closed_at=at,
        customer_id=command.customer_id or (pipeline.customer_id if pipeline else None),
        customer_type=customer_type,
        owner_id=owner_id,
        owner_role=owner_role,
        blanket_order=command.blanket_order,
        lines=lines,
        lost_reasons=command.lost_reasons,
        note=command.note,
        list_total=list_total,
        discount_total=discount_total,
        net_total=net_total,
        labels={**(pipeline.labels if pipeline else {}), **command.labels},
        estimated=command.estimated,
        recorded_at=recorded_at,
        asked=command,
    )
    closed = _closed(deal, origins, pipeline)
    _must_fit(closed)
    return deal, closed


def totals(command: CloseDeal, lines: Sequence[DealLine]) -> tuple[Money | None, Money | None, Money | None]:
    """List, discount and net total of the lines, to the cent; list and discount only where every line has a list price.

    All null for a blanket deal and without lines. Raises Invalid for a second currency and for a sum too large to be money.
    """
    currency = command.currency or next((line.net_unit_price.currency for line in lines), None)
    for index, line in enumerate(lines):
        if {line.net_unit_price.currency, (line.list_unit_price or line.net_unit_price).currency} != {currency}:
            raise Invalid.at(f"/lines/{index}/net_unit_price", "CURRENCY_DIFFERS", "A deal has one currency.")
    if command.blanket_order or not lines or currency is None:
        return None, None, None
    net = money.total((line.net_amount for line in lines), currency)
    listed = [line.list_unit_price.times(line.quantity) for line in lines if line.list_unit_price]
    gross = money.total(listed, currency) if len(listed) == len(lines) else None
    if max(net.amount, gross.amount if gross else net.amount) >= MOST_MONEY:
        raise Invalid.at("/lines", "TOTAL_TOO_LARGE", "The lines add up to more than an amount of money can hold.")
    return gross, gross - net if gross else None, net


def _must_be_complete(command: CloseDeal) -> None:
    if command.external_id is not None and command.source is None:
        raise Invalid.at("/source", "SOURCE_REQUIRED", "An external id belongs to a source.")
    if command.outcome == "won":
        if not command.lines and not command.blanket_order:
            raise Invalid.at("/lines", "LINES_REQUIRED", "A won deal needs lines, or is a blanket order.")
        if command.lost_reasons:
            raise Invalid.at("/lost_reasons", "NOT_LOST", "A won deal has no reason of loss.")
    else:
        _must_say_why(command)
    seen: set[int] = set()
    for index, line in enumerate(command.lines):
        if line.line_no in seen:
            raise Invalid.at(f"/lines/{index}/line_no", "DUPLICATE_LINE", "Each line has a number of its own.")
        seen.add(line.line_no)


def _must_say_why(command: CloseDeal) -> None:
    if not command.lost_reasons:
        raise Invalid.at("/lost_reasons", "REASON_REQUIRED", "A lost deal needs a reason.")
    if "other" in command.lost_reasons and not command.note:
        raise Invalid.at("/note", "NOTE_REQUIRED", "The reason `other` needs a note.")
    if "not_recorded" in command.lost_reasons and command.external_id is None:
        raise Invalid.at("/lost_reasons", "IMPORTS_ONLY", "Only an imported deal may lack its reason.")
    if command.blanket_order:
        raise Invalid.at("/blanket_order", "NOT_WON", "A lost deal is no blanket order.")


def _owner(command: CloseDeal, pipeline: Pipeline | None) -> tuple[UUID | None, str | None]:
    if command.owner_id is not None or pipeline is None:
        return command.owner_id, command.owner_role
    return pipeline.owner_id, pipeline.owner_role


def _line(index: int, line: AgreedLine) -> DealLine:
    if line.product_id is None and line.sku is None:
        raise Invalid.at(f"/lines/{index}/sku", "PRODUCT_REQUIRED", "A line names its product by product_id or sku.")
    if line.quantity <= 0:
        raise Invalid.at(f"/lines/{index}/quantity", "NOT_POSITIVE", "A quantity is more than zero.")
    if line.ship_to_time_zone is not None:
        try:
            calendar.zone(line.ship_to_time_zone)
        except ValueError:
            raise Invalid.at(f"/lines/{index}/ship_to_time_zone", "UNKNOWN_TIME_ZONE", "There is no such time zone.") from None
    sku = line.sku or str(line.product_id)
    return DealLine(
        line_no=line.line_no,
        product_id=line.product_id or ids.derived_id("sales", "product", sku),
        sku=sku,
        fulfilment_type=line.fulfilment_type,
        quantity=line.quantity,
        unit=line.unit,
        list_unit_price=line.list_unit_price,
        net_unit_price=line.net_unit_price,
        net_amount=line.net_unit_price.times(line.quantity),
        requested_date=line.requested_date,
        confirmed_date=line.confirmed_date,
        outlet_id=line.outlet_id,
        ship_to_id=line.ship_to_id,
        ship_to_country=line.ship_to_country,
        ship_to_time_zone=line.ship_to_time_zone,
    )


def _closed(deal: Deal, origins: Sequence[Origin], pipeline: Pipeline | None) -> DealClosed:
    primary = origins[0]
    need_codes = (*(pipeline.need_codes if pipeline else ()), *(code for origin in origins for code in origin.need_codes))
    return DealClosed(
        lead_id=deal.lead_id,
        deal_id=deal.deal_id,
        deal_version=deal.deal_version,
        opportunity_id=deal.opportunity_id,
        previous_deal_id=None,
        closed_at=deal.closed_at,
        close_mode=deal.close_mode,
        customer_id=deal.customer_id,
        organisation_id=primary.organisation_id,
        subject_id=primary.subject_id,
        customer_type=deal.customer_type,
        lead_ids=deal.lead_ids,
        campaign_ids=_distinct(origin.campaign_id for origin in origins if origin.campaign_id),
        segment_versions=_distinct(version for origin in origins for version in origin.segment_versions),
        need_codes=_distinct(need_codes),
        channel_id=primary.channel_id,
        owner_id=deal.owner_id,
        owner_role=deal.owner_role,
        rep_credits=_credits(deal),
        first_touch_at=None,
        first_response_at=primary.first_response_at,
        opportunity_created_at=pipeline.opened_at if pipeline else None,
        list_total=deal.list_total,
        discount_total=deal.discount_total,
        net_total=deal.net_total,
        margin_total=None,
        coverage_goal_ids=(),
        won=_won(deal) if deal.outcome == "won" else None,
        lost=Lost(lost_reasons=deal.lost_reasons) if deal.outcome == "lost" else None,
        lines=deal.lines,
    )


def _must_fit(closed: DealClosed) -> None:
    if len(closed.lines) + len(closed.need_codes) <= SURELY_FITS:
        return
    if len(language.adapter(DealClosed).dump_json(closed)) >= language.MAX_DATA_BYTES:
        raise Invalid.at("/lines", "DEAL_TOO_LARGE", "The lines are more than can be announced: fewer of them, or shorter words.")


def _won(deal: Deal) -> Won:
    return Won(
        credited_function=None,
        credit_override_reason_code=None,
        payment_terms_code=None,
        credit_status="clear",
        blanket_order=deal.blanket_order,
        contract_starts_on=None,
        contract_ends_on=None,
    )


def _credits(deal: Deal) -> tuple[RepCredit, ...]:
    if deal.owner_id is None:
        return ()
    return (RepCredit(user_id=deal.owner_id, role=deal.owner_role or "unknown", share=Decimal(1)),)


def _distinct(values: Iterable[T]) -> tuple[T, ...]:
    # the primary lead's come first, so that a list too long for an event loses those of the leads that joined last
    return tuple(islice(dict.fromkeys(values), MOST_LISTED))
