"""What happens to an order on its way to the customer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal
from uuid import UUID

from shared.events.language import Code, Instant, Listed, Open, event
from shared.events.sales.deals import FulfilmentType
from shared.money import Money, PlainDecimal

FulfilmentStatus = Literal[
    "received",
    "allocated",
    "partially_allocated",
    "backordered",
    "picking",
    "packed",
    "shipped",
    "delivered",
    "failed",
    "returned",
    "cancelled",
    "closed",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """What an order waits for, who must act, and since when."""

    blocker: Open[Literal["awaiting_stock", "awaiting_credit", "awaiting_carrier", "awaiting_customer"]]
    owner_role: Code
    since: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class PromisedLine:
    """One order line with its day: asked for, promised before, promised now."""

    order_line_id: UUID
    deal_line_no: int
    product_id: UUID
    fulfilment_type: Open[FulfilmentType]
    quantity: PlainDecimal
    outlet_id: UUID | None
    requested_date: date | None
    previous_promise_date: date | None
    promise_date: date | None
    status: Open[FulfilmentStatus]


@event("order-promised", "1.0", subject="order_id", key="lead_id")
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPromised:
    """An order was created or called off, grew by lines, or a promise of it changed. `promise_date` is the latest of its lines.

    sales shows it on the deal; handoff notes it on the journey.
    """

    lead_id: UUID
    order_id: UUID
    deal_id: UUID
    deal_version: int
    received_at: Instant | None
    order_value: Money
    cause: Open[Literal["received", "replanned", "stock", "carrier", "customer_request"]]
    promise_date: date | None
    blockers: Listed[Blocker]
    lines: Listed[PromisedLine]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedLine:
    """How much of a line left with a shipment."""

    order_line_id: UUID
    quantity: PlainDecimal


@event("order-shipped", "1.0", subject="order_id", key="lead_id")
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderShipped:
    """A shipment left; never for services.

    sales shows it on the deal; handoff notes it on the journey.
    """

    lead_id: UUID
    order_id: UUID
    deal_id: UUID
    shipment_id: UUID
    warehouse_id: UUID | None
    carrier_code: Code | None
    shipped_at: Instant
    expected_delivery_date: date | None
    final_shipment: bool
    lines: Listed[ShippedLine]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredLine:
    """What the customer received of a line. `on_time` and `in_full` are null where the source does not say."""

    order_line_id: UUID
    product_id: UUID
    outlet_id: UUID | None
    quantity: PlainDecimal
    accepted_quantity: PlainDecimal
    damaged_quantity: PlainDecimal
    on_time: bool | None
    in_full: bool | None


@event("order-delivered", "1.0", subject="order_id", key="lead_id")
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDelivered:
    """A delivery, or a service performed, was recorded; `order_complete` says whether anything is still to come.

    sales shows it on the deal; handoff and marketing note it on the journey of the lead.
    """

    lead_id: UUID
    order_id: UUID
    deal_id: UUID
    delivery_id: UUID
    shipment_id: UUID | None
    delivered_at: Instant
    delivered_local_date: date
    lines: Listed[DeliveredLine]
    order_complete: bool
    order_on_time: bool | None
    order_in_full: bool | None
    receipt_confirmed: bool | None
    documents_correct: bool | None
    satisfaction_score: int | None
    exception_codes: Listed[Code]


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelledLine:
    """How much of a line was cancelled."""

    order_line_id: UUID
    cancelled_quantity: PlainDecimal


@event("order-cancelled", "1.0", subject="order_id", key="lead_id")
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCancelled:
    """Quantities of an order will not be delivered; why is in `cause`.

    sales shows it on the deal; handoff notes it on the journey of the lead.
    """

    lead_id: UUID
    order_id: UUID
    deal_id: UUID
    cause: Open[Literal["deal_reopened", "customer_refused", "imported"]]
    cancelled_at: Instant
    whole_order: bool
    cancelled_value: Money
    lines: Listed[CancelledLine]
