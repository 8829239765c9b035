"""An order is approved: somebody said that it may be carried out. The earliest approval counts, whenever it is recorded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from services.distribution.orders import domain as orders
from services.distribution.orders.domain import NothingOpen, Order, Told
from shared.errors import Conflict


class OrderAlreadyApproved(Conflict):
    """An order is approved once."""


class ApprovalAlreadyRecorded(Conflict):
    """An approval of this id, but other content, is recorded already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """An order was approved; `occurred_at` is when. `asked`: digest of the command that told it, if a source did."""

    approval_id: UUID
    order_id: UUID
    estimated: bool
    occurred_at: datetime
    recorded_at: datetime
    asked: str | None = None
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldApproval(Told):
    """That a source approved an order."""


def approve(order: Order, *, approval_id: UUID, at: datetime, now: datetime) -> tuple[Order, Approval]:
    """Approves an order that is not approved yet. Raises OrderAlreadyApproved, NothingOpen for a cancelled one."""
    if order.approved_at is not None:
        raise OrderAlreadyApproved(order_id=order.order_id)
    if order.status == "cancelled":
        raise NothingOpen(order_id=order.order_id)
    approval = Approval(approval_id=approval_id, order_id=order.order_id, estimated=False, occurred_at=at, recorded_at=now)
    return replace(order, approved_at=at), approval


def record(order: Order, told: ToldApproval, now: datetime) -> tuple[Order, Approval, tuple[()]]:
    """Notes an approval that a source tells of, whatever has become of the order. Nobody is told of it."""
    approval = Approval(
        approval_id=told.fact_id,
        order_id=order.order_id,
        estimated=told.estimated,
        occurred_at=told.occurred_at,
        recorded_at=now,
        asked=orders.digest(told),
    )
    return replace(order, approved_at=min(told.occurred_at, order.approved_at or told.occurred_at)), approval, ()
