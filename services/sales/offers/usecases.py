"""A lead is offered, accepted or rejected."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.sales.offers import domain, store
from shared.cause import Actor, Cause, Version
from shared.db.saving import Change
from shared.db.transaction import Transaction
from shared.events.handoff.routing import LeadRouted
from shared.events.language import Received
from shared.ids import new_id


async def offer_leads(tx: Transaction, routings: Sequence[Received[LeadRouted]]) -> None:
    """One offer per lead, by its highest attempt, whatever arrives first, late or twice."""
    known = await store.lock_offers(tx, {routed.event.lead_id for routed in routings})
    changed: dict[UUID, Change[domain.Offer]] = {}
    for routed in sorted(routings, key=lambda routed: routed.event.lead_id):
        lead_id = routed.event.lead_id
        before = known.get(lead_id)
        after = domain.reroute(before, domain.offer(routed.event, at=routed.occurred_at, recorded_at=tx.now))
        if after != before:
            known[lead_id] = after
            changed[lead_id] = Change(after, (), routed.cause)
    await store.save_offers(tx, list(changed.values()))


async def accept_lead(tx: Transaction, lead_id: UUID, *, expected: Version | None, cause: Cause) -> domain.Offer:
    """The acting person takes the lead. Raises NotKnownYet, NotFound (another person's offer), Stale, OfferAlreadyAnswered."""
    offer = await store.lock_offer(tx, lead_id, expected, seen_by=cause.actor)
    offer, accepted = domain.accept(offer, by=cause.actor, at=cause.at)
    answer = domain.answer_of(accepted, answer_id=new_id(), recorded_at=tx.now)
    return await store.save_answer(tx, offer, accepted, answer, cause=cause)


async def reject_lead(tx: Transaction, lead_id: UUID, reason: domain.Reason, *, expected: Version | None, cause: Cause) -> domain.Offer:
    """The acting person refuses the lead. Raises NotKnownYet, NotFound (another person's offer), Stale, OfferAlreadyAnswered, Invalid."""
    offer = await store.lock_offer(tx, lead_id, expected, seen_by=cause.actor)
    offer, rejected = domain.reject(offer, reason, by=cause.actor, at=cause.at, note_id=new_id())
    answer = domain.answer_of(rejected, answer_id=new_id(), recorded_at=tx.now, note=reason.note)
    return await store.save_answer(tx, offer, rejected, answer, cause=cause)


async def get_offer(tx: Transaction, lead_id: UUID, *, seen_by: Actor) -> domain.Offer:
    """The offer of a lead. Raises NotFound, also for another person's."""
    return await store.get_offer(tx, lead_id, seen_by=seen_by)


async def list_offers(
    tx: Transaction, *, status: domain.OfferStatus | None, seen_by: Actor, after: tuple[datetime, UUID] | None, limit: int
) -> list[domain.Offer]:
    """At most `limit` offers that the person may see, behind the position (recorded_at, lead_id), oldest first."""
    return await store.list_offers(tx, status=status, seen_by=seen_by, after=after, limit=limit)
