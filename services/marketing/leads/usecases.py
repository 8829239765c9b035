"""What is done with leads. A capture of many is the rule; one is a list of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from uuid import UUID

from services.marketing.campaigns import usecases as campaigns
from services.marketing.channels import usecases as channels
from services.marketing.leads import domain, store
from services.marketing.leads.store import LeadFilter
from services.marketing.lifecycles import usecases as lifecycles
from services.marketing.lifecycles.usecases import LifecycleStage, Step
from services.marketing.mediums import usecases as mediums
from services.marketing.sources import usecases as sources
from services.marketing.subjects import usecases as subjects
from services.marketing.subjects.usecases import Contact, Registration, StatedConsent
from shared.cause import Cause, Version
from shared.db.bulk import all_or_each
from shared.db.saving import Change
from shared.db.transaction import Transaction
from shared.errors import Refusal
from shared.ids import new_id

__all__ = ["Captured", "Contact", "LeadFilter", "LifecycleStage", "StatedConsent", "Step", "Submission"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A capture with what concerns the person alone, and its cause."""

    stated: domain.Capture
    contact: Contact
    consents: tuple[StatedConsent, ...]
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """What became of a capture."""

    status: domain.CaptureStatus
    lead_id: UUID
    subject_id: UUID
    version: Version


async def capture_lead(tx: Transaction, submission: Submission) -> Captured:
    """Captures one lead. Raises what is wrong with it: Invalid, LeadContentDiffers, LeadIdTaken."""
    (outcome,) = await _capture(tx, [submission])
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome


async def capture_leads(tx: Transaction, submissions: Sequence[Submission]) -> list[Captured | Refusal]:
    """Captures many leads, one outcome for each in their order; one that is refused does not hold up the others.

    The number of statements does not depend on the number of leads.
    """
    return await all_or_each(tx, submissions, partial(_capture, tx), failed=_refused)


async def get_lead(tx: Transaction, lead_id: UUID, *, captured_by: UUID | None) -> tuple[domain.Lead, LifecycleStage, list[Step]]:
    """A lead, its stage and the ladder as it took it. NotFound, also where `captured_by` is given and another one captured it."""
    lead = await store.get_lead(tx, lead_id, captured_by)
    return lead, *await lifecycles.get_lifecycle(tx, lead_id, lead.captured_at)


async def list_leads(
    tx: Transaction, chosen: LeadFilter, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[tuple[domain.Lead, str]]:
    """At most `limit` leads behind a position, as they were recorded, each with its stage."""
    return await store.list_leads(tx, chosen, lifecycles.STANDINGS, after, limit)


def _refused(_: Submission, refusal: Refusal) -> Captured | Refusal:
    return refusal


@dataclass(slots=True)
class _Decided:
    """What the captures of one transaction come to. `known` has leads by id and by (source, external id), as the batch leaves them."""

    known: dict[UUID | tuple[str, str | None], domain.Lead]
    created: dict[UUID, tuple[domain.Lead, Registration]]
    revised: dict[UUID, domain.Lead]
    amendments: list[Registration]


async def _capture(tx: Transaction, submissions: Sequence[Submission]) -> list[Captured | Refusal]:
    stated = [each.stated for each in submissions]
    ids = [domain.stated_id(each) for each in stated]
    registries = await _registries(tx, stated)
    keys = {(each.source, each.external_id) for each in stated if each.external_id is not None}
    locked = await store.lock_leads(tx, {lead_id for lead_id in ids if lead_id}, keys)
    decided = _Decided(known={}, created={}, revised={}, amendments=[])
    for lead in locked:
        _know(decided, lead)
    outcomes = [_decide(each, lead_id or new_id(), registries, decided, tx.now) for each, lead_id in zip(submissions, ids, strict=True)]
    versions = await _save(tx, decided)
    return [
        outcome if isinstance(outcome, Refusal) else replace(outcome, version=versions.get(outcome.lead_id, outcome.version))
        for outcome in outcomes
    ]


def _decide(each: Submission, lead_id: UUID, registries: domain.Registries, decided: _Decided, now: datetime) -> Captured | Refusal:
    try:
        placement = domain.place(each.stated, registries)
        lead = decided.known.get((each.stated.source, each.stated.external_id)) or decided.known.get(lead_id)
        status = domain.compare(lead, each.stated) if lead else "created"
    except Refusal as refusal:
        return refusal
    if lead is None:
        lead = domain.capture(
            each.stated,
            placement,
            lead_id=lead_id,
            subject_id=new_id(),
            captured_by=each.cause.actor.user_id,
            occurred_at=each.cause.at,
            recorded_at=now,
        )
        decided.created[lead.lead_id] = lead, _registration(lead, each)
    elif status == "updated":
        lead = domain.revise(lead, each.stated, placement)
        decided.revised[lead.lead_id] = lead
        decided.amendments.append(_registration(lead, each))
    _know(decided, lead)
    return Captured(status=status, lead_id=lead.lead_id, subject_id=lead.subject_id, version=lead.version)


async def _save(tx: Transaction, decided: _Decided) -> dict[UUID, Version]:
    versions: dict[UUID, Version] = {}
    if decided.created:
        consents = await subjects.register_subjects(tx, [registration for _, registration in decided.created.values()])
        created = [
            Change(lead, [domain.announce(lead, consents.get(lead.subject_id, ()))], registration.cause)
            for lead, registration in sorted(decided.created.values(), key=_by_id)
        ]
        versions |= {lead.lead_id: lead.version for lead in await store.save_leads(tx, created)}
        await sources.use_sources(tx, {change.thing.source for change in created})
    if decided.revised:
        await subjects.amend_subjects(tx, decided.amendments)
        causes = {amendment.subject_id: amendment.cause for amendment in decided.amendments}
        revised = [
            Change(replace(lead, version=versions.get(lead_id, lead.version)), (), causes[lead.subject_id])
            for lead_id, lead in decided.revised.items()
        ]
        versions |= {lead.lead_id: lead.version for lead in await store.save_leads(tx, revised)}
    return versions


async def _registries(tx: Transaction, stated: Sequence[domain.Capture]) -> domain.Registries:
    named_campaigns = await campaigns.find_campaigns(
        tx, {each.campaign_id for each in stated if each.campaign_id}, {each.campaign_code for each in stated if each.campaign_code}
    )
    named_channels = await channels.find_channels(
        tx, {each.channel_id for each in stated if each.channel_id}, {each.channel_code for each in stated if each.channel_code}
    )
    by_campaign: dict[UUID | str, domain.Reference] = {}
    for campaign in named_campaigns:
        by_campaign[campaign.campaign_id] = by_campaign[campaign.code] = domain.Reference(id=campaign.campaign_id, medium=campaign.medium)
    by_channel: dict[UUID | str, domain.Reference] = {}
    for channel in named_channels:
        by_channel[channel.channel_id] = by_channel[channel.code] = domain.Reference(id=channel.channel_id, medium=channel.medium)
    return domain.Registries(
        sources=await sources.known_sources(tx, {each.source for each in stated}),
        campaigns=by_campaign,
        channels=by_channel,
        mediums=await mediums.classify(tx, {each.utm_medium for each in stated if each.utm_medium is not None}),
    )


def _by_id(created: tuple[domain.Lead, Registration]) -> UUID:
    # Two transactions that insert the same leads must not wait for each other in a circle.
    return created[0].lead_id


def _registration(lead: domain.Lead, each: Submission) -> Registration:
    return Registration(subject_id=lead.subject_id, contact=each.contact, consents=each.consents, cause=each.cause)


def _know(decided: _Decided, lead: domain.Lead) -> None:
    decided.known[lead.lead_id] = lead
    if lead.external_id is not None:
        decided.known[lead.source, lead.external_id] = lead
