"""A campaign is what a lead responded to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.errors import Conflict
from shared.events.marketing.leads import Medium
from shared.ids import derived_id

CampaignKind = Literal["time_boxed", "always_on"]


class CampaignDiffers(Conflict):
    """A campaign with this code or id exists and says something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A registered campaign; `code` is what other systems call it."""

    campaign_id: UUID
    code: str
    name: str
    kind: CampaignKind
    medium: Medium | None
    recorded_at: datetime
    version: int = 0


def register(
    known: Sequence[Campaign], *, campaign_id: UUID | None, code: str, name: str, kind: CampaignKind, medium: Medium | None, at: datetime
) -> Campaign:
    """The campaign as stated, new (version 0) or, if it says the same, the known one.

    `known`: what the registry has under the id or the code. CampaignDiffers if that says anything else. Without an id the code gives it.
    """
    stated_id = campaign_id or derived_id("marketing", "campaign", code)
    if not known:
        return Campaign(campaign_id=stated_id, code=code, name=name, kind=kind, medium=medium, recorded_at=at)
    first = known[0]
    says_the_same = (first.code, first.name, first.kind, first.medium) == (code, name, kind, medium)
    if len(known) > 1 or not says_the_same or campaign_id not in (None, first.campaign_id):
        raise CampaignDiffers(campaign_id=first.campaign_id)
    return first
