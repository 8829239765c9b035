"""What distribution tells about orders is noted, and read as the state of a deal."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.sales.deals import usecases as deals
from services.sales.fulfilments import domain, store
from shared.cause import Actor
from shared.db.transaction import Transaction
from shared.events.language import Received


async def note_orders(tx: Transaction, told: Sequence[Received[domain.OrderEvent]]) -> None:
    """Every fact once; a delivery may be told before the order that it belongs to."""
    await store.save_facts(tx, [domain.note(each, recorded_at=tx.now) for each in told])


async def get_fulfilment(tx: Transaction, deal_id: UUID, *, seen_by: Actor) -> domain.Fulfilment:
    """How far the orders of a deal are. Raises NotFound without such a deal, also for another person's."""
    await deals.get_deal(tx, deal_id, seen_by=seen_by)
    return domain.fulfilment(deal_id, await store.list_facts(tx, deal_id))
