"""A lead is a response of somebody. It is captured once, whatever the way in and however often it is sent."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, fields, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from shared.errors import Conflict, FieldError, Invalid
from shared.events.marketing.leads import (
    Audience,
    Consent,
    Fact,
    InteractionMode,
    JourneyStage,
    LeadGenerated,
    LeadSnapshot,
    Medium,
    Origin,
    TouchIntent,
)
from shared.ids import derived_id
from shared.money import Money

CaptureStatus = Literal["created", "updated", "unchanged"]
OnConflict = Literal["refuse", "update"]


class LeadContentDiffers(Conflict):
    """This lead is known with other content; `on_conflict=update` would replace it."""


class LeadIdTaken(Conflict):
    """The id belongs to a lead with another source or external id, or this lead is known under another id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedFact:
    """A non-personal fact as a source states it."""

    fact_code: str
    value: bool | int | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What is said about a lead, and kept as it was said."""

    source: str
    external_id: str | None
    origin: Origin
    estimated: bool
    customer_initiated: bool | None
    first_response_at: datetime | None
    interaction_mode: InteractionMode | None
    audience: Audience | None
    touch_intent: TouchIntent | None
    journey_stage: JourneyStage | None
    need_codes: tuple[str, ...]
    facts: tuple[StatedFact, ...]
    expected_units: Decimal | None
    expected_value: Money | None
    country: str | None
    region_code: str | None
    language: str | None
    time_zone: str | None
    organisation_id: UUID | None
    labels: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture(Content):
    """A lead as a source sends it: ids and codes are still to be looked up.

    `captured_at`: when the response was made; None where the source does not say. `fingerprint`: SHA-256 of all that was said, contact
    data and consents included, without the id and what to do on a conflict.
    """

    lead_id: UUID | None
    captured_at: datetime | None
    campaign_id: UUID | None
    campaign_code: str | None
    channel_id: UUID | None
    channel_code: str | None
    medium: Medium | None
    utm_medium: str | None
    fingerprint: bytes
    on_conflict: OnConflict = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead(Content):
    """A captured lead. Who it is stands in the subject register; `captured_by` is the user or system that sent it first."""

    lead_id: UUID
    subject_id: UUID
    touch_id: UUID
    captured_at: datetime
    campaign_id: UUID | None
    channel_id: UUID | None
    medium: Medium | None
    fingerprint: bytes
    captured_by: UUID | None
    recorded_at: datetime
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An entry of a registry: its id, and the medium it stands for."""

    id: UUID
    medium: Medium | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Registries:
    """What is registered of all that some captures name: campaigns and channels by id and by code, media by `utm_medium`."""

    sources: Set[str]
    campaigns: Mapping[UUID | str, Reference]
    channels: Mapping[UUID | str, Reference]
    mediums: Mapping[str, Medium]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a lead came from, by registered ids."""

    campaign_id: UUID | None
    channel_id: UUID | None
    medium: Medium | None


_CONTENT = tuple(field.name for field in fields(Content))


def place(stated: Capture, registries: Registries) -> Placement:
    """Campaign, channel and medium of a capture. Invalid names every reference that is not registered.

    The medium is the one stated; else what `utm_medium` counts as; else that of the channel or the campaign; else it is missing.
    """
    errors: list[FieldError] = []
    if stated.source not in registries.sources:
        errors.append(FieldError(code="UNKNOWN_SOURCE", field="/source", message="The source is not registered."))
    campaign = _reference("campaign", stated.campaign_id, stated.campaign_code, registries.campaigns, errors)
    channel = _reference("channel", stated.channel_id, stated.channel_code, registries.channels, errors)
    codes = [fact.fact_code for fact in stated.facts]
    if len(codes) != len(set(codes)):
        errors.append(FieldError(code="FACT_TWICE", field="/facts", message="Each fact may be stated once."))
    if errors:
        raise Invalid(errors=errors)
    medium = stated.medium
    if medium is None and stated.utm_medium is not None:
        medium = registries.mediums[stated.utm_medium]
    for reference in (channel, campaign):
        medium = medium or (reference.medium if reference else None)
    return Placement(campaign_id=campaign.id if campaign else None, channel_id=channel.id if channel else None, medium=medium)


def stated_id(stated: Capture) -> UUID | None:
    """The id that a capture gives its lead: the one it states, else derived from source and external id; None if it has neither."""
    if stated.lead_id is not None or stated.external_id is None:
        return stated.lead_id
    return derived_id(stated.source, "lead", stated.external_id)


def compare(lead: Lead, stated: Capture) -> CaptureStatus:
    """Whether a capture of a known lead says the same (`unchanged`) or is to replace what was said (`updated`).

    LeadIdTaken when id and external id belong to different leads, LeadContentDiffers when other content is to be refused.
    """
    same_origin = (lead.source, lead.external_id) == (stated.source, stated.external_id)
    if not same_origin or stated.lead_id not in (None, lead.lead_id):
        raise LeadIdTaken(lead_id=lead.lead_id)
    if lead.fingerprint == stated.fingerprint:
        return "unchanged"
    if stated.on_conflict == "refuse":
        raise LeadContentDiffers(lead_id=lead.lead_id, version=lead.version)
    return "updated"


def capture(
    stated: Capture,
    placement: Placement,
    *,
    lead_id: UUID,
    subject_id: UUID,
    captured_by: UUID | None,
    occurred_at: datetime,
    recorded_at: datetime,
) -> Lead:
    """A new lead, which `announce` tells of. `occurred_at` stands in where the source does not say when it was captured."""
    return Lead(
        **_content(stated),
        lead_id=lead_id,
        subject_id=subject_id,
        touch_id=derived_id("marketing", "touch", str(lead_id)),
        captured_at=stated.captured_at or occurred_at,
        campaign_id=placement.campaign_id,
        channel_id=placement.channel_id,
        medium=placement.medium,
        fingerprint=stated.fingerprint,
        captured_by=captured_by,
        recorded_at=recorded_at,
    )


def revise(lead: Lead, stated: Capture, placement: Placement) -> Lead:
    """The lead with newly stated content. Its ids stay, and its time where the source does not say another."""
    return replace(
        lead,
        **_content(stated),
        captured_at=stated.captured_at or lead.captured_at,
        campaign_id=placement.campaign_id,
        channel_id=placement.channel_id,
        medium=placement.medium,
        fingerprint=stated.fingerprint,
    )


def announce(lead: Lead, consents: tuple[Consent, ...]) -> LeadGenerated:
    """What others are told of a new lead, once: no contact data, the state of consent per purpose."""
    return LeadGenerated(
        lead_id=lead.lead_id,
        lead=LeadSnapshot(
            subject_id=lead.subject_id,
            organisation_id=lead.organisation_id,
            origin=lead.origin,
            campaign_id=lead.campaign_id,
            channel_id=lead.channel_id,
            medium=lead.medium,
            need_codes=lead.need_codes,
            journey_stage=lead.journey_stage,
            expected_units=lead.expected_units,
            expected_value=lead.expected_value,
            country=lead.country,
            region_code=lead.region_code,
            language=lead.language,
            time_zone=lead.time_zone,
        ),
        source_code=lead.source,
        captured_at=lead.captured_at,
        first_response_at=lead.first_response_at,
        customer_initiated=lead.customer_initiated,
        touch_id=lead.touch_id,
        interaction_mode=lead.interaction_mode,
        audience=lead.audience,
        touch_intent=lead.touch_intent,
        facts=tuple(
            Fact(fact_code=fact.fact_code, value=fact.value, source_code=lead.source, observed_at=lead.captured_at) for fact in lead.facts
        ),
        consents=consents,
    )


def _content(stated: Capture) -> dict[str, Any]:
    return {name: getattr(stated, name) for name in _CONTENT}


def _reference(
    kind: str, stated_id: UUID | None, code: str | None, known: Mapping[UUID | str, Reference], errors: list[FieldError]
) -> Reference | None:
    found: list[Reference] = []
    for part, name in (("id", stated_id), ("code", code)):
        if name is None:
            continue
        if name in known:
            found.append(known[name])
        else:
            errors.append(
                FieldError(code=f"UNKNOWN_{kind.upper()}", field=f"/{kind}_{part}", message=f"There is no such {kind} in the registry.")
            )
    if len({reference.id for reference in found}) > 1:
        errors.append(FieldError(code="REFERENCES_DIFFER", field=f"/{kind}_code", message=f"Id and code name different {kind}s."))
    return found[0] if found else None
