"""What is done with campaigns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from services.marketing.campaigns import domain, store
from shared.cause import Cause
from shared.db.transaction import Transaction
from shared.events.marketing.leads import Medium


async def create_campaign(
    tx: Transaction,
    *,
    campaign_id: UUID | None,
    code: str,
    name: str,
    kind: domain.CampaignKind,
    medium: Medium | None,
    cause: Cause,
) -> domain.Campaign:
    """Registers a campaign; said again, it gives the known one. CampaignDiffers if the code or id stands for something else."""
    known = await store.find_campaigns(tx, [campaign_id] if campaign_id else [], [code])
    campaign = domain.register(known, campaign_id=campaign_id, code=code, name=name, kind=kind, medium=medium, at=tx.now)
    return campaign if campaign.version else await store.save_campaign(tx, campaign, cause=cause)


async def get_campaign(tx: Transaction, campaign_id: UUID) -> domain.Campaign:
    """One campaign. NotFound if it is not registered."""
    return await store.get_campaign(tx, campaign_id)


async def find_campaigns(tx: Transaction, ids: Iterable[UUID], codes: Iterable[str]) -> Sequence[domain.Campaign]:
    """The registered ones among campaigns that are named by id or code."""
    ids, codes = list(ids), list(codes)
    return await store.find_campaigns(tx, ids, codes) if ids or codes else []


async def list_campaigns(tx: Transaction, after: tuple[datetime, UUID] | None, limit: int) -> Sequence[domain.Campaign]:
    """At most `limit` campaigns behind a position, as they were recorded."""
    return await store.list_campaigns(tx, after, limit)
