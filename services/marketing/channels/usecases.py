"""What is done with channels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from services.marketing.channels import domain, store
from shared.cause import Cause
from shared.db.transaction import Transaction
from shared.events.marketing.leads import Medium


async def create_channel(
    tx: Transaction,
    *,
    channel_id: UUID | None,
    code: str,
    name: str,
    kind: domain.ChannelKind,
    medium: Medium | None,
    cause: Cause,
) -> domain.Channel:
    """Registers a channel; said again, it gives the known one. ChannelDiffers if the code or id stands for something else."""
    known = await store.find_channels(tx, [channel_id] if channel_id else [], [code])
    channel = domain.register(known, channel_id=channel_id, code=code, name=name, kind=kind, medium=medium, at=tx.now)
    return channel if channel.version else await store.save_channel(tx, channel, cause=cause)


async def get_channel(tx: Transaction, channel_id: UUID) -> domain.Channel:
    """One channel. NotFound if it is not registered."""
    return await store.get_channel(tx, channel_id)


async def find_channels(tx: Transaction, ids: Iterable[UUID], codes: Iterable[str]) -> Sequence[domain.Channel]:
    """The registered ones among channels that are named by id or code."""
    ids, codes = list(ids), list(codes)
    return await store.find_channels(tx, ids, codes) if ids or codes else []


async def list_channels(tx: Transaction, after: tuple[datetime, UUID] | None, limit: int) -> Sequence[domain.Channel]:
    """At most `limit` channels behind a position, as they were recorded."""
    return await store.list_channels(tx, after, limit)
