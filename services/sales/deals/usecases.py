"""Deals are closed: one or many, from an opportunity or without one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Literal
from uuid import UUID

from services.sales.deals import domain, store
from services.sales.leads import usecases as leads
from services.sales.opportunities import usecases as opportunities
from shared.cause import Actor, Cause, Version
from shared.db.bulk import all_or_each
from shared.db.saving import Change
from shared.db.transaction import Transaction
from shared.errors import NotKnownYet, Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One deal that somebody wants closed, and why."""

    command: domain.CloseDeal
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """A deal that was closed just now, or stands as it was closed by the same request before."""

    deal: domain.Deal
    status: Literal["created", "unchanged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decided:
    deal: Change[domain.Deal]
    closing: opportunities.Closing | None


async def close_deal(tx: Transaction, asked: Asked) -> Closed:
    """Closes one deal, once; a deal with the id of an open opportunity ends it.

    Raises NotKnownYet for a lead, DealAlreadyClosed, PrimaryLeadDiffers, Invalid.
    """
    (outcome,) = await _close(tx, [asked])
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome


async def close_deals(tx: Transaction, asked: Sequence[Asked]) -> list[Closed | Refusal]:
    """Closes many, each once; one outcome per item, a refusal being the outcome of its item alone."""
    return await all_or_each(tx, asked, partial(_close, tx), failed=_refused)


async def close_opportunity(tx: Transaction, asked: Asked, *, expected: Version | None) -> domain.Deal:
    """Wins or loses the open opportunity that has the deal's id.

    Raises NotFound, Stale, OpportunityAlreadyClosed, DealAlreadyClosed, Invalid.
    """
    await opportunities.lock_open_opportunity(tx, asked.command.deal_id, expected=expected, by=asked.cause.actor)
    return (await close_deal(tx, asked)).deal


async def get_deal(tx: Transaction, deal_id: UUID, *, seen_by: Actor) -> domain.Deal:
    """One deal. Raises NotFound, also for another person's."""
    return await store.get_deal(tx, deal_id, seen_by=seen_by)


async def list_deals(
    tx: Transaction,
    *,
    lead_id: UUID | None,
    outcome: domain.Outcome | None,
    source: str | None,
    seen_by: Actor,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[domain.Deal]:
    """At most `limit` deals that the person may see, behind the position (recorded_at, deal_id), in the order of recording."""
    return await store.list_deals(tx, lead_id=lead_id, outcome=outcome, source=source, seen_by=seen_by, after=after, limit=limit)


async def _close(tx: Transaction, asked: Sequence[Asked]) -> list[Closed | Refusal]:
    ending = await opportunities.lock_opportunities(tx, [item.command.deal_id for item in asked])
    known = {deal.deal_id: deal for deal in await store.lock_known(tx, [item.command for item in asked])}
    keyed: dict[tuple[str | None, str | None], domain.Deal] = {
        (deal.source, deal.external_id): deal for deal in known.values() if deal.external_id is not None
    }
    leading = {item.command.deal_id: _leading(item.command, ending) for item in asked}
    origins = await leads.find_leads(tx, {lead_id for lead_ids in leading.values() for lead_id in lead_ids})
    fresh: dict[UUID, _Decided] = {}
    outcomes: list[tuple[UUID, Literal["created", "unchanged"]] | Refusal] = []
    for item in asked:
        command = item.command
        try:
            if (found := known.get(command.deal_id) or keyed.get((command.source, command.external_id))) is not None:
                domain.must_ask_the_same(found, command)
                outcomes.append((command.deal_id, "unchanged"))
                continue
            decided = _decide(tx, item, [_origin(origins, lead_id) for lead_id in leading[command.deal_id]], ending)
        except Refusal as refusal:
            outcomes.append(refusal)
            continue
        known[command.deal_id] = decided.deal.thing
        if command.external_id is not None:
            keyed[command.source, command.external_id] = decided.deal.thing
        fresh[command.deal_id] = decided
        outcomes.append((command.deal_id, "created"))
    decisions = [fresh[deal_id] for deal_id in sorted(fresh)]
    await opportunities.close_opportunities(tx, [decided.closing for decided in decisions if decided.closing])
    for saved in await store.save_deals(tx, [decided.deal for decided in decisions]):
        known[saved.deal_id] = saved
    return [outcome if isinstance(outcome, Refusal) else Closed(deal=known[outcome[0]], status=outcome[1]) for outcome in outcomes]


def _decide(tx: Transaction, item: Asked, origins: Sequence[domain.Origin], ending: opportunities.Opportunities) -> _Decided:
    command, cause = item.command, item.cause
    opportunity = ending.get(command.deal_id)
    pipeline = None
    if opportunity is not None:
        opportunities.must_be_closable(opportunity, by=cause.actor)
        domain.must_have_lead(opportunity.lead_id, command)
        pipeline = domain.Pipeline(
            opportunity_id=opportunity.opportunity_id,
            opened_at=opportunity.opened_at,
            need_codes=opportunity.need_codes,
            source=opportunity.source,
            customer_id=opportunity.customer_id,
            owner_id=opportunity.owner_id,
            owner_role=opportunity.owner_role,
            labels=opportunity.labels,
        )
    deal, closed = domain.close(command, origins=origins, pipeline=pipeline, at=cause.at, recorded_at=tx.now)
    if opportunity is None:
        return _Decided(deal=Change(deal, (closed,), cause), closing=None)
    closing = opportunities.Closing(
        opportunity=opportunity,
        outcome=deal.outcome,
        amount=deal.net_total,
        product_ids=[line.product_id for line in deal.lines],
        lost_reasons=deal.lost_reasons,
        cause=cause,
    )
    return _Decided(deal=Change(deal, (closed,), cause), closing=closing)


def _leading(command: domain.CloseDeal, ending: opportunities.Opportunities) -> tuple[UUID, ...]:
    opportunity = ending.get(command.deal_id)
    of_opportunity = opportunity.lead_ids if opportunity else ()
    named = (command.lead_id,) if command.lead_id else ()
    return tuple(dict.fromkeys((*named, *of_opportunity, *command.lead_ids)))


def _origin(known: leads.Leads, lead_id: UUID) -> domain.Origin:
    if lead_id not in known:
        raise NotKnownYet(lead_id=lead_id)
    lead, decision = known[lead_id].lead, known[lead_id].standing
    return domain.Origin(
        lead_id=lead_id,
        organisation_id=lead.organisation_id,
        subject_id=lead.subject_id,
        campaign_id=lead.campaign_id,
        channel_id=lead.channel_id,
        segment_versions=lead.segment_versions,
        need_codes=lead.need_codes,
        first_response_at=lead.first_response_at,
        customer_type=decision.customer_type if decision else None,
    )


def _refused(_: Asked, refusal: Refusal) -> Closed | Refusal:
    return refusal
