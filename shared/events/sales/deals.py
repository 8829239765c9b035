"""How a deal ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal
from uuid import UUID

from shared.events.handoff.decisions import CustomerType
from shared.events.language import Code, Instant, Listed, Open, event
from shared.events.marketing.leads import SegmentVersion
from shared.events.sales.opportunities import LostReason
from shared.money import Money, PlainDecimal

CloseMode = Literal["negotiated", "direct_response", "renewal"]
FulfilmentType = Literal["goods", "service"]
Day = date
"""The type under a name that the field `date` does not hide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepCredit:
    """One person's share of a deal; the shares of a deal add up to 1."""

    user_id: UUID
    role: Code
    share: PlainDecimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Won:
    """What holds for a deal that was won."""

    credited_function: Open[Literal["marketing", "assisted"]] | None
    credit_override_reason_code: Code | None
    payment_terms_code: Code | None
    credit_status: Open[Literal["clear", "check_required"]]
    blanket_order: bool
    contract_starts_on: date | None
    contract_ends_on: date | None
    win_reason_codes: Listed[Code] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Why a deal was lost; at least one reason."""

    lost_reasons: Listed[Open[LostReason]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledQuantity:
    """A part of a line that is asked for on a day of its own."""

    date: Day
    quantity: PlainDecimal


@dataclass(frozen=True, slots=True, kw_only=True)
class DealLine:
    """One product of a deal. The agreed price never changes downstream; `net_amount` is quantity x agreed price."""

    line_no: int
    product_id: UUID
    sku: Code
    fulfilment_type: Open[FulfilmentType]
    quantity: PlainDecimal
    unit: Code
    list_unit_price: Money | None
    net_unit_price: Money
    net_amount: Money
    price_list_entry_id: UUID | None = None
    promotion_ids: Listed[UUID] = ()
    promise_id: UUID | None = None
    requested_date: date | None = None
    confirmed_date: date | None = None
    schedule: Listed[ScheduledQuantity] = ()
    outlet_id: UUID | None = None
    ship_to_id: UUID | None = None
    ship_to_country: Code | None = None
    ship_to_time_zone: Code | None = None
    delivery_preference_codes: Listed[Code] = ()
    instruction_id: UUID | None = None


@event("deal-closed", "1.0", subject="deal_id", key="lead_id", aggregate="opportunity")
@dataclass(frozen=True, slots=True, kw_only=True)
class DealClosed:
    """A deal was won or lost: exactly one of `won` and `lost` is present. Closed again after a reopening, `deal_version` is higher.

    distribution opens an order for a won deal that is not blanket; marketing and handoff close the journey of the lead.
    """

    lead_id: UUID
    deal_id: UUID
    deal_version: int
    opportunity_id: UUID | None
    previous_deal_id: UUID | None
    closed_at: Instant
    close_mode: Open[CloseMode]
    customer_id: UUID | None
    organisation_id: UUID | None
    subject_id: UUID | None
    customer_type: Open[CustomerType] | None
    lead_ids: Listed[UUID]
    campaign_ids: Listed[UUID]
    segment_versions: Listed[SegmentVersion]
    need_codes: Listed[Code]
    channel_id: UUID | None
    owner_id: UUID | None
    owner_role: Code | None
    rep_credits: Listed[RepCredit]
    first_touch_at: Instant | None
    first_response_at: Instant | None
    opportunity_created_at: Instant | None
    list_total: Money | None
    discount_total: Money | None
    net_total: Money | None
    margin_total: Money | None
    coverage_goal_ids: Listed[UUID]
    won: Won | None
    lost: Lost | None
    lines: Listed[DealLine]
