"""Offers and answers in the database. Who may see an offer is a condition of the query."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Boolean, ColumnElement, Uuid, any_, bindparam, exists, or_, select, tuple_

from services.sales.offers import domain
from services.sales.offers.tables import answers, offers
from shared.cause import Actor, Cause, Version
from shared.db import saving
from shared.db.transaction import Transaction
from shared.errors import NotFound, NotKnownYet
from shared.events.sales.offers import LeadAccepted, LeadRejected

_IS_SEEN: ColumnElement[bool] = or_(
    bindparam("sees_every", type_=Boolean), offers.c.assignee_id.is_(None), offers.c.assignee_id == bindparam("user_id", type_=Uuid)
)
_LEAD = offers.c.lead_id == bindparam("lead_id")
_GET = select(offers).where(_LEAD, _IS_SEEN)
_LOCK = _GET.with_for_update()
_EXISTS = select(exists().where(_LEAD))
_LOCK_MANY = (
    select(offers).where(offers.c.lead_id == any_(bindparam("ids", type_=ARRAY(Uuid)))).order_by(offers.c.lead_id).with_for_update()
)


async def get_offer(tx: Transaction, lead_id: UUID, *, seen_by: Actor) -> domain.Offer:
    """The offer of a lead. Raises NotFound, also for another person's."""
    return saving.one(await tx.first(_GET, {"lead_id": lead_id, **_eyes(seen_by)}), domain.Offer, lead_id=lead_id)


async def lock_offer(tx: Transaction, lead_id: UUID, expected: Version | None, *, seen_by: Actor) -> domain.Offer:
    """The offer of a lead, to be changed. Raises NotKnownYet without any offer, NotFound for another person's, Stale."""
    row = await tx.first(_LOCK, {"lead_id": lead_id, **_eyes(seen_by)})
    if row is None and not (await tx.execute(_EXISTS, {"lead_id": lead_id})).scalar_one():
        raise NotKnownYet(lead_id=lead_id)
    return saving.one(row, domain.Offer, expected, NotFound, lead_id=lead_id)


async def lock_offers(tx: Transaction, lead_ids: Collection[UUID]) -> dict[UUID, domain.Offer]:
    """The offers of these leads that exist, to be changed, by lead."""
    rows = await tx.all(_LOCK_MANY, {"ids": list(lead_ids)})
    return {offer.lead_id: offer for offer in saving.many(rows, domain.Offer)}


async def list_offers(
    tx: Transaction, *, status: str | None, seen_by: Actor, after: tuple[datetime, UUID] | None, limit: int
) -> list[domain.Offer]:
    """Offers that the person may see, oldest first."""
    query = select(offers).where(_IS_SEEN).order_by(offers.c.recorded_at, offers.c.lead_id).limit(limit)
    if status is not None:
        query = query.where(offers.c.status == status)
    if after is not None:
        query = query.where(tuple_(offers.c.recorded_at, offers.c.lead_id) > tuple_(*after))
    return saving.many(await tx.all(query, _eyes(seen_by)), domain.Offer)


async def save_answer(
    tx: Transaction, offer: domain.Offer, event: LeadAccepted | LeadRejected, answer: domain.Answer, *, cause: Cause
) -> domain.Offer:
    """The answered offer with the record of the answer."""
    await saving.insert_many(tx, answers, [answer])
    return await saving.save(tx, offers, offer, event, cause=cause)


async def save_offers(tx: Transaction, changes: Sequence[saving.Change[domain.Offer]]) -> None:
    """New and changed offers, each at most once."""
    await saving.save_many(tx, offers, changes)


def _eyes(actor: Actor) -> dict[str, Any]:
    return {"sees_every": bool(actor.roles & domain.SEES_EVERY_OFFER), "user_id": actor.user_id}
