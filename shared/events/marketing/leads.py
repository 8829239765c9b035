"""What marketing tells about leads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from shared.events.language import Code, Instant, Listed, Open, event
from shared.money import Money, PlainDecimal

Origin = Literal["form", "api", "batch", "import", "order_form", "inbound_call", "event", "partner", "sales_generated"]
Medium = Literal[
    "advertising",
    "social",
    "email",
    "content",
    "search",
    "event",
    "direct_mail",
    "tv",
    "radio",
    "referral",
    "partner",
    "web",
    "unknown",
    "unregistered",
]
InteractionMode = Literal["one_way", "two_way"]
Audience = Literal["broadcast", "segment", "individual"]
TouchIntent = Literal["relationship", "informational", "promotional", "transactional"]
JourneyStage = Literal["awareness", "consideration", "purchase", "post_purchase"]
Verification = Literal["unverified", "human_likely", "bot"]
ConsentState = Literal["granted", "withdrawn", "expired"]
LawfulBasis = Literal["consent", "contract", "legitimate_interest", "legal_obligation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One non-personal fact for fit rules; a decimal value is written as text."""

    fact_code: Code
    value: bool | int | Code
    source_code: Code
    observed_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """The state of one purpose when the lead was captured."""

    purpose: Code
    state: Open[ConsentState]
    lawful_basis: Open[LawfulBasis]
    recorded_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentVersion:
    """A segment as it was defined when it was used."""

    segment_id: UUID
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingSuggestion:
    """What marketing would do; input to routing, never an order."""

    queue_code: Code | None = None
    segment_id: UUID | None = None
    campaign_intent: Code | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadSnapshot:
    """A lead at one moment, without its id: who (pseudonymous), from where, with which need and expectation."""

    subject_id: UUID
    organisation_id: UUID | None = None
    origin: Open[Origin]
    campaign_id: UUID | None = None
    channel_id: UUID | None = None
    medium: Open[Medium] | None = None
    segment_versions: Listed[SegmentVersion] = ()
    need_codes: Listed[Code] = ()
    journey_stage: Open[JourneyStage] | None = None
    expected_units: PlainDecimal | None = None
    expected_value: Money | None = None
    country: Code | None = None
    region_code: Code | None = None
    language: Code | None = None
    time_zone: Code | None = None
    nurture_programme_id: UUID | None = None
    routing_suggestion: RoutingSuggestion | None = None


@event("lead-generated", "1.0", subject="lead_id", key="lead_id")
@dataclass(frozen=True, slots=True, kw_only=True)
class LeadGenerated:
    """A new lead was stored, whatever the way in; once per lead.

    handoff decides on it and opens its journey; sales learns that the lead exists.
    """

    lead_id: UUID
    lead: LeadSnapshot
    source_code: Code
    captured_at: Instant
    first_response_at: Instant | None
    customer_initiated: bool | None
    touch_id: UUID | None
    interaction_mode: Open[InteractionMode] | None
    audience: Open[Audience] | None
    touch_intent: Open[TouchIntent] | None
    facts: Listed[Fact] = ()
    consents: Listed[Consent] = ()
    verification: Open[Verification] = "unverified"
    possible_duplicate_of: Listed[UUID] = ()
