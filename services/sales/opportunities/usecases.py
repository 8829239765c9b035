"""Opportunities are opened, moved through their stages, and closed together with their deal."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Literal
from uuid import UUID

from services.sales.leads import usecases as leads
from services.sales.opportunities import domain, store
from shared.cause import Actor, Cause, Version
from shared.db.bulk import all_or_each
from shared.db.saving import Change
from shared.db.transaction import Transaction
from shared.errors import NotKnownYet, Refusal
from shared.events.sales.opportunities import LostReason
from shared.money import Money

Opportunities = dict[UUID, domain.Opportunity]
"""Opportunities by id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One opportunity that somebody wants opened, and why."""

    command: domain.OpenOpportunity
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An opportunity that was opened just now, or stands as it was opened by the same request before."""

    opportunity: domain.Opportunity
    status: Literal["created", "unchanged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """How an open opportunity ends."""

    opportunity: domain.Opportunity
    outcome: domain.Outcome
    amount: Money | None
    product_ids: Sequence[UUID]
    lost_reasons: Sequence[LostReason]
    cause: Cause


async def open_opportunity(tx: Transaction, asked: Asked) -> Opened:
    """Opens one, once. Raises NotKnownYet for a lead, OpportunityAlreadyExists, ClosingStage, Invalid."""
    (outcome,) = await _open(tx, [asked])
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome


async def open_opportunities(tx: Transaction, asked: Sequence[Asked]) -> list[Opened | Refusal]:
    """Opens many, each once; one outcome per item, a refusal being the outcome of its item alone."""
    return await all_or_each(tx, asked, partial(_open, tx), failed=_refused)


async def change_stage(
    tx: Transaction,
    opportunity_id: UUID,
    *,
    stage_code: str,
    amount: Money | None,
    expected_close_date: date | None,
    expected: Version | None,
    cause: Cause,
) -> domain.Opportunity:
    """Moves one to another open stage. Raises NotFound, Stale, OpportunityAlreadyClosed, ClosingStage, StageUnchanged, Invalid."""
    opportunity = await store.lock_opportunity(tx, opportunity_id, expected, seen_by=cause.actor)
    opportunity, changed = domain.change_stage(
        opportunity, stage_code=stage_code, amount=amount, expected_close_date=expected_close_date, at=cause.at
    )
    (saved,) = await store.save_opportunities(tx, [Change(opportunity, (changed,), cause)])
    return saved


async def lock_open_opportunity(tx: Transaction, opportunity_id: UUID, *, expected: Version | None, by: Actor) -> domain.Opportunity:
    """An opportunity that may still be won or lost. Raises NotFound, Stale, OpportunityAlreadyClosed."""
    opportunity = await store.lock_opportunity(tx, opportunity_id, expected, seen_by=by)
    domain.must_be_open(opportunity)
    return opportunity


async def lock_opportunities(tx: Transaction, opportunity_ids: Collection[UUID]) -> Opportunities:
    """Those of the opportunities that exist, locked, by id."""
    return {known.opportunity_id: known for known in await store.lock_opportunities(tx, opportunity_ids)}


def must_be_closable(opportunity: domain.Opportunity, *, by: Actor) -> None:
    """Raises NotFound for another person's opportunity, OpportunityAlreadyClosed for one that has ended."""
    domain.must_be_seen(opportunity, by=by)
    domain.must_be_open(opportunity)


async def close_opportunities(tx: Transaction, closings: Sequence[Closing]) -> None:
    """Moves locked, open opportunities to their closing stages. Raises OpportunityAlreadyClosed."""
    changes: list[Change[domain.Opportunity]] = []
    for closing in closings:
        closed, changed = domain.close(
            closing.opportunity,
            outcome=closing.outcome,
            amount=closing.amount,
            product_ids=closing.product_ids,
            lost_reasons=closing.lost_reasons,
            at=closing.cause.at,
        )
        changes.append(Change(closed, (changed,), closing.cause))
    await store.save_opportunities(tx, changes)


async def get_opportunity(tx: Transaction, opportunity_id: UUID, *, seen_by: Actor) -> domain.Opportunity:
    """One opportunity. Raises NotFound, also for another person's."""
    return await store.get_opportunity(tx, opportunity_id, seen_by=seen_by)


async def list_opportunities(
    tx: Transaction,
    *,
    lead_id: UUID | None,
    stage_type: str | None,
    source: str | None,
    seen_by: Actor,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[domain.Opportunity]:
    """At most `limit` that the person may see, behind the position (recorded_at, opportunity_id), in the order of recording."""
    return await store.list_opportunities(
        tx, lead_id=lead_id, stage_type=stage_type, source=source, seen_by=seen_by, after=after, limit=limit
    )


async def _open(tx: Transaction, asked: Sequence[Asked]) -> list[Opened | Refusal]:
    origins = await leads.find_leads(tx, {lead_id for item in asked for lead_id in (item.command.lead_id, *item.command.lead_ids)})
    known = {found.opportunity_id: found for found in await store.lock_known(tx, [item.command for item in asked])}
    keyed: dict[tuple[str | None, str | None], domain.Opportunity] = {
        (found.source, found.external_id): found for found in known.values() if found.external_id is not None
    }
    fresh: dict[UUID, Change[domain.Opportunity]] = {}
    outcomes: list[tuple[UUID, Literal["created", "unchanged"]] | Refusal] = []
    for item in asked:
        command = item.command
        try:
            if (found := known.get(command.opportunity_id) or keyed.get((command.source, command.external_id))) is not None:
                domain.must_ask_the_same(found, command)
                outcomes.append((command.opportunity_id, "unchanged"))
                continue
            change = _decide(tx, item, origins)
        except Refusal as refusal:
            outcomes.append(refusal)
            continue
        known[command.opportunity_id] = change.thing
        if command.external_id is not None:
            keyed[command.source, command.external_id] = change.thing
        fresh[command.opportunity_id] = change
        outcomes.append((command.opportunity_id, "created"))
    for saved in await store.save_opportunities(tx, sorted(fresh.values(), key=lambda change: change.thing.opportunity_id)):
        known[saved.opportunity_id] = saved
    return [outcome if isinstance(outcome, Refusal) else Opened(opportunity=known[outcome[0]], status=outcome[1]) for outcome in outcomes]


def _decide(tx: Transaction, item: Asked, origins: leads.Leads) -> Change[domain.Opportunity]:
    command = item.command
    for lead_id in (command.lead_id, *command.lead_ids):
        if lead_id not in origins:
            raise NotKnownYet(lead_id=lead_id)
    lead = origins[command.lead_id].lead
    opportunity, opened = domain.open_opportunity(
        command,
        organisation_id=lead.organisation_id,
        need_codes=lead.need_codes,
        by=item.cause.actor,
        at=item.cause.at,
        recorded_at=tx.now,
    )
    return Change(opportunity, (opened,), item.cause)


def _refused(_: Asked, refusal: Refusal) -> Opened | Refusal:
    return refusal
