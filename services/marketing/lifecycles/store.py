"""How the facts of a lifecycle are added, and where a lead stands is kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, select

from services.marketing.lifecycles.domain import DealOutcome, Delivery, Lifecycle, StageEntry
from services.marketing.lifecycles.tables import deal_outcomes, deliveries, lifecycles, stage_entries
from shared.cause import Cause
from shared.db import saving
from shared.db.saving import Change
from shared.db.transaction import Transaction

_IDS = any_(bindparam("ids", type_=ARRAY(Uuid)))
_LOCK_LIFECYCLES = select(lifecycles).where(lifecycles.c.lead_id == _IDS).order_by(lifecycles.c.lead_id).with_for_update()
_ENTRIES = select(stage_entries).where(stage_entries.c.lead_id == _IDS)
_OUTCOMES = select(deal_outcomes).where(deal_outcomes.c.deal_id.in_(select(deal_outcomes.c.deal_id).where(deal_outcomes.c.lead_id == _IDS)))
_LEADS_OF_DEALS = select(deal_outcomes.c.lead_id).distinct().where(deal_outcomes.c.deal_id == _IDS)

STANDINGS = select(lifecycles.c.lead_id, lifecycles.c.stage).subquery("standings")
"""Where every lead stands that anything was told of, for a query that lists leads."""


async def lock_lifecycles(tx: Transaction, lead_ids: Iterable[UUID]) -> dict[UUID, Lifecycle]:
    """Where these leads stand, locked; a lead of which nothing was told stands at its beginning."""
    ids = sorted(lead_ids)
    known = {each.lead_id: each for each in saving.many(await tx.all(_LOCK_LIFECYCLES, {"ids": ids}), Lifecycle)}
    return {lead_id: known.get(lead_id) or Lifecycle(lead_id=lead_id) for lead_id in ids}


async def list_facts(tx: Transaction, lead_ids: Iterable[UUID]) -> tuple[list[StageEntry], list[DealOutcome]]:
    """All stage entries of these leads, and all outcomes of their deals, for other leads too."""
    ids = {"ids": list(lead_ids)}
    return saving.many(await tx.all(_ENTRIES, ids), StageEntry), saving.many(await tx.all(_OUTCOMES, ids), DealOutcome)


async def list_leads_of_deals(tx: Transaction, deal_ids: Iterable[UUID]) -> set[UUID]:
    """The leads that any known version of these deals names."""
    return {row.lead_id for row in await tx.all(_LEADS_OF_DEALS, {"ids": list(deal_ids)})}


async def save_entries(tx: Transaction, entries: Sequence[StageEntry]) -> None:
    """Adds stage entries; one that is known stays as it is."""
    await saving.insert_many(tx, stage_entries, entries, skip_existing=True)


async def save_outcomes(tx: Transaction, outcomes: Sequence[DealOutcome]) -> None:
    """Adds outcomes; one that is known stays as it is."""
    await saving.insert_many(tx, deal_outcomes, outcomes, skip_existing=True)


async def save_deliveries(tx: Transaction, delivered: Sequence[Delivery]) -> None:
    """Adds deliveries; one that is known stays as it is."""
    await saving.insert_many(tx, deliveries, delivered, skip_existing=True)


async def save_lifecycles(tx: Transaction, moved: Sequence[Lifecycle], *, cause: Cause) -> None:
    """Stores where leads stand, in the order of their ids, so that two transactions never wait for each other in a circle."""
    ordered = sorted(moved, key=lambda lifecycle: lifecycle.lead_id)
    await saving.save_many(tx, lifecycles, [Change(lifecycle, (), cause) for lifecycle in ordered])
