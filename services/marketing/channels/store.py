"""How channels are read and saved."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, any_, bindparam, or_, select, tuple_

from services.marketing.channels.domain import Channel
from services.marketing.channels.tables import channels
from shared.cause import Cause
from shared.db import saving
from shared.db.transaction import Transaction
from shared.db.types import Instant

_CHANNEL = select(channels).where(channels.c.channel_id == bindparam("channel_id"))
_NAMED = (
    select(channels)
    .where(
        or_(
            channels.c.channel_id == any_(bindparam("ids", type_=ARRAY(Uuid))),
            channels.c.code == any_(bindparam("codes", type_=ARRAY(Text))),
        )
    )
    .order_by(channels.c.channel_id)
)
_FIRST = select(channels).order_by(channels.c.recorded_at, channels.c.channel_id).limit(bindparam("limit"))
_NEXT = _FIRST.where(
    tuple_(channels.c.recorded_at, channels.c.channel_id) > tuple_(bindparam("at", type_=Instant), bindparam("id", type_=Uuid))
)


async def get_channel(tx: Transaction, channel_id: UUID) -> Channel:
    """The channel of that id. NotFound if there is none."""
    return saving.one(await tx.first(_CHANNEL, {"channel_id": channel_id}), Channel, channel_id=channel_id)


async def find_channels(tx: Transaction, ids: Iterable[UUID], codes: Iterable[str]) -> list[Channel]:
    """The channels that have one of the ids or codes."""
    return saving.many(await tx.all(_NAMED, {"ids": list(ids), "codes": list(codes)}), Channel)


async def list_channels(tx: Transaction, after: tuple[datetime, UUID] | None, limit: int) -> list[Channel]:
    """At most `limit` channels behind a position, as they were recorded."""
    if after is None:
        return saving.many(await tx.all(_FIRST, {"limit": limit}), Channel)
    return saving.many(await tx.all(_NEXT, {"limit": limit, "at": after[0], "id": after[1]}), Channel)


async def save_channel(tx: Transaction, channel: Channel, *, cause: Cause) -> Channel:
    """Stores a channel."""
    return await saving.save(tx, channels, channel, cause=cause)
