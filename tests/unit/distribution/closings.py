"""Deals that closed, for tests of orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from services.distribution.calloffs import domain
from services.distribution.deals import domain as deals
from services.distribution.orders.domain import Order, OrderLine
from shared.events.sales.deals import DealClosed, DealLine, Lost, Won
from shared.ids import derived_id
from shared.money import Money

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
NOW = datetime(2026, 3, 20, 8, 0, tzinfo=UTC)
DAY = date(2026, 3, 10)
LEAD, DEAL = UUID(int=1), UUID(int=2)


def make_deal_line(line_no: int = 1, quantity: str = "10", price: str = "2.50", **overrides: Any) -> DealLine:
    """A line of goods."""
    money = Money(amount=Decimal(price), currency="EUR")
    line = DealLine(
        line_no=line_no,
        product_id=derived_id("test", "product", str(line_no)),
        sku=f"SKU-{line_no}",
        fulfilment_type="goods",
        quantity=Decimal(quantity),
        unit="piece",
        list_unit_price=None,
        net_unit_price=money,
        net_amount=money.times(Decimal(quantity)),
    )
    return replace(line, **overrides)


def make_closed(
    lines: Sequence[DealLine] | None = None, *, version: int = 1, lost: bool = False, blanket: bool = False, **overrides: Any
) -> DealClosed:
    """A deal that was won with one line of goods; later versions close an hour later each."""
    won = Won(
        credited_function=None,
        credit_override_reason_code=None,
        payment_terms_code=None,
        credit_status="clear",
        blanket_order=blanket,
        contract_starts_on=None,
        contract_ends_on=None,
    )
    closed = DealClosed(
        lead_id=LEAD,
        deal_id=DEAL,
        deal_version=version,
        opportunity_id=None,
        previous_deal_id=None,
        closed_at=NOON + timedelta(hours=version - 1),
        close_mode="negotiated",
        customer_id=None,
        organisation_id=None,
        subject_id=None,
        customer_type=None,
        lead_ids=(LEAD,),
        campaign_ids=(),
        segment_versions=(),
        need_codes=(),
        channel_id=None,
        owner_id=None,
        owner_role=None,
        rep_credits=(),
        first_touch_at=None,
        first_response_at=None,
        opportunity_created_at=None,
        list_total=None,
        discount_total=None,
        net_total=None,
        margin_total=None,
        coverage_goal_ids=(),
        won=None if lost else won,
        lost=Lost(lost_reasons=("pricing",)) if lost else None,
        lines=() if lost or blanket else tuple(lines or (make_deal_line(),)),
    )
    return replace(closed, **overrides)


def make_order(*lines: DealLine) -> Order:
    """The stored order of a won deal with these lines."""
    closed = make_closed(lines or None)
    order = domain.apply_deal(None, deals.hear(None, closed, now=NOON), closed, now=NOON)
    assert order is not None
    return replace(order, version=1)


def only(order: Order) -> OrderLine:
    """The order's single line."""
    (line,) = order.lines
    return line
