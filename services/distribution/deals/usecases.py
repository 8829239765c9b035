"""What is done with deals."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from services.distribution.deals import domain, store
from services.distribution.deals.domain import Deal
from shared.db.saving import Change
from shared.db.transaction import Transaction
from shared.events.language import Received
from shared.events.sales.deals import DealClosed


async def note_deals(tx: Transaction, received: Sequence[Received[DealClosed]]) -> dict[UUID, Deal]:
    """How each of these deals closed last, by id, whatever order their closes arrived in."""
    known = await store.lock_deals(tx, {each.event.deal_id for each in received})
    heard = dict(known)
    causes = {each.event.deal_id: each.cause for each in received}
    for each in received:
        heard[each.event.deal_id] = domain.hear(heard.get(each.event.deal_id), each.event, now=tx.now)
    await store.save_deals(tx, [Change(deal, (), causes[deal_id]) for deal_id, deal in heard.items() if deal != known.get(deal_id)])
    return heard


async def hold_deals(tx: Transaction, deal_ids: Collection[UUID]) -> dict[UUID, Deal]:
    """Those of the deals that are known, by id; none of them closes anew before the end of the transaction."""
    return await store.lock_shared(tx, deal_ids)
