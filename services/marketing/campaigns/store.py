"""How campaigns are read and saved."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, any_, bindparam, or_, select, tuple_

from services.marketing.campaigns.domain import Campaign
from services.marketing.campaigns.tables import campaigns
from shared.cause import Cause
from shared.db import saving
from shared.db.transaction import Transaction
from shared.db.types import Instant

_CAMPAIGN = select(campaigns).where(campaigns.c.campaign_id == bindparam("campaign_id"))
_NAMED = (
    select(campaigns)
    .where(
        or_(
            campaigns.c.campaign_id == any_(bindparam("ids", type_=ARRAY(Uuid))),
            campaigns.c.code == any_(bindparam("codes", type_=ARRAY(Text))),
        )
    )
    .order_by(campaigns.c.campaign_id)
)
_FIRST = select(campaigns).order_by(campaigns.c.recorded_at, campaigns.c.campaign_id).limit(bindparam("limit"))
_NEXT = _FIRST.where(
    tuple_(campaigns.c.recorded_at, campaigns.c.campaign_id) > tuple_(bindparam("at", type_=Instant), bindparam("id", type_=Uuid))
)


async def get_campaign(tx: Transaction, campaign_id: UUID) -> Campaign:
    """The campaign of that id. NotFound if there is none."""
    return saving.one(await tx.first(_CAMPAIGN, {"campaign_id": campaign_id}), Campaign, campaign_id=campaign_id)


async def find_campaigns(tx: Transaction, ids: Iterable[UUID], codes: Iterable[str]) -> list[Campaign]:
    """The campaigns that have one of the ids or codes."""
    return saving.many(await tx.all(_NAMED, {"ids": list(ids), "codes": list(codes)}), Campaign)


async def list_campaigns(tx: Transaction, after: tuple[datetime, UUID] | None, limit: int) -> list[Campaign]:
    """At most `limit` campaigns behind a position, as they were recorded."""
    if after is None:
        return saving.many(await tx.all(_FIRST, {"limit": limit}), Campaign)
    return saving.many(await tx.all(_NEXT, {"limit": limit, "at": after[0], "id": after[1]}), Campaign)


async def save_campaign(tx: Transaction, campaign: Campaign, *, cause: Cause) -> Campaign:
    """Stores a campaign."""
    return await saving.save(tx, campaigns, campaign, cause=cause)
