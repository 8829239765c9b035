"""SQL of the ledger of journeys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, select, tuple_, union_all

from services.handoff.journeys.domain import JourneyFact
from services.handoff.journeys.tables import journey_facts
from shared.db import saving
from shared.db.transaction import Transaction
from shared.db.types import Instant

_IDS = bindparam("lead_ids", type_=ARRAY(Uuid))
_own = journey_facts.alias("own")
_deals = (
    select(_own.c.lead_id.label("journey_id"), _own.c.deal_id)
    .where(_own.c.lead_id == any_(_IDS), _own.c.deal_id.is_not(None))
    .distinct()
    .subquery("deals")
)
# Orders name one lead; the other leads of a deal share its facts by the deal.
_shared = select(_deals.c.journey_id, *(c for c in journey_facts.columns)).where(
    journey_facts.c.deal_id == _deals.c.deal_id, journey_facts.c.lead_id != _deals.c.journey_id
)
_direct = select(journey_facts.c.lead_id.label("journey_id"), *(c for c in journey_facts.columns)).where(
    journey_facts.c.lead_id == any_(_IDS)
)
_FACTS = union_all(_direct, _shared)

_captured = journey_facts.alias("captured")
_passed = journey_facts.alias("passed")
_LIST = (
    select(_captured.c.lead_id, _captured.c.recorded_at)
    .where(_captured.c.event == "lead-generated")
    .order_by(_captured.c.recorded_at, _captured.c.lead_id)
    .limit(bindparam("limit"))
)
_AFTER = tuple_(_captured.c.recorded_at, _captured.c.lead_id) > tuple_(
    bindparam("after_at", type_=Instant()), bindparam("after_id", type_=Uuid())
)
_WITH_STAGE = select(_passed.c.event_id).where(_passed.c.lead_id == _captured.c.lead_id, _passed.c.stage == bindparam("stage")).exists()


async def list_facts(tx: Transaction, lead_ids: Collection[UUID]) -> dict[UUID, list[JourneyFact]]:
    """The facts of each of these journeys, those included that its deals share with other leads."""
    found: dict[UUID, list[JourneyFact]] = defaultdict(list)
    for row in await tx.all(_FACTS, {"lead_ids": sorted(lead_ids)}):
        fields = dict(row._mapping)
        found[fields.pop("journey_id")].append(JourneyFact(**fields))
    return found


async def list_journey_ids(
    tx: Transaction, *, stage: str | None, after: tuple[datetime, UUID] | None, limit: int
) -> list[tuple[datetime, UUID]]:
    """Announced leads in the order in which they were recorded, behind a position; optionally those of which a stage was told."""
    statement = _LIST
    parameters: dict[str, Any] = {"limit": limit}
    if stage is not None:
        statement = statement.where(_WITH_STAGE)
        parameters["stage"] = stage
    if after is not None:
        statement = statement.where(_AFTER)
        parameters |= {"after_at": after[0], "after_id": after[1]}
    return [(row.recorded_at, row.lead_id) for row in await tx.all(statement, parameters)]


async def save_facts(tx: Transaction, facts: Sequence[JourneyFact]) -> int:
    """Stores facts that are not known yet; returns how many were new."""
    return await saving.insert_many(tx, journey_facts, facts, skip_existing=True)
