"""A channel is the way on which a lead came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.errors import Conflict
from shared.events.marketing.leads import Medium
from shared.ids import derived_id

ChannelKind = Literal["retail", "distribution", "advertising"]


class ChannelDiffers(Conflict):
    """A channel with this code or id exists and says something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A registered channel; `code` is what other systems call it."""

    channel_id: UUID
    code: str
    name: str
    kind: ChannelKind
    medium: Medium | None
    recorded_at: datetime
    version: int = 0


def register(
    known: Sequence[Channel], *, channel_id: UUID | None, code: str, name: str, kind: ChannelKind, medium: Medium | None, at: datetime
) -> Channel:
    """The channel as stated, new (version 0) or, if it says the same, the known one.

    `known`: what the registry has under the id or the code. ChannelDiffers if that says anything else. Without an id the code gives it.
    """
    stated_id = channel_id or derived_id("marketing", "channel", code)
    if not known:
        return Channel(channel_id=stated_id, code=code, name=name, kind=kind, medium=medium, recorded_at=at)
    first = known[0]
    says_the_same = (first.code, first.name, first.kind, first.medium) == (code, name, kind, medium)
    if len(known) > 1 or not says_the_same or channel_id not in (None, first.channel_id):
        raise ChannelDiffers(channel_id=first.channel_id)
    return first
