"""What distribution knows of a deal: how it closed last, and so whether an order must stand for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from shared.events.sales.deals import DealClosed


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """The newest close of a deal that was heard of; `closed_at` is when it happened."""

    deal_id: UUID
    lead_id: UUID
    deal_version: int
    outcome: str
    blanket_order: bool
    closed_at: datetime
    recorded_at: datetime
    version: int = 0

    @property
    def owes_order(self) -> bool:
        """Whether exactly one order must stand for it. A lost deal owes none, and a blanket deal has only its call-offs."""
        return self.outcome == "won" and not self.blanket_order


def asks_for_order(closed: DealClosed) -> bool:
    """Whether this close asks for an order: won, not blanket. One without lines can only be called off, whatever it says."""
    return closed.won is not None and not closed.won.blanket_order and bool(closed.lines)


def hear(deal: Deal | None, closed: DealClosed, *, now: datetime) -> Deal:
    """The deal after one more close was heard of; whatever order closes arrive in, the highest `deal_version` holds."""
    if deal is not None and closed.deal_version <= deal.deal_version:
        return deal
    heard = Deal(
        deal_id=closed.deal_id,
        lead_id=closed.lead_id,
        deal_version=closed.deal_version,
        outcome="lost" if closed.won is None else "won",
        blanket_order=closed.won is not None and not asks_for_order(closed),
        closed_at=closed.closed_at,
        recorded_at=now,
    )
    return replace(heard, version=deal.version) if deal else heard
