"""What handoff knows of a lead: the facts that marketing announced, and the view of them that rules read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias
from uuid import UUID

from shared.events.language import Received
from shared.events.marketing.leads import Consent, Fact, LeadGenerated, LeadSnapshot

Input: TypeAlias = bool | int | str | list[str] | dict[str, str] | dict[str, bool]
Inputs: TypeAlias = dict[str, Input]
"""What is known of a lead at one moment, by the names that conditions use; what is not known is absent. Decimals are plain text."""

_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,8})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadFacts:
    """One lead as it was captured. Written once; what happens later is facts of its own.

    `captured_at` is when the response was made (also the time it occurred), `recorded_at` when handoff learned of it.
    """

    lead_id: UUID
    event_id: UUID
    lead: LeadSnapshot
    source_code: str
    captured_at: datetime
    first_response_at: datetime | None
    customer_initiated: bool | None
    interaction_mode: str | None
    audience: str | None
    touch_intent: str | None
    verification: str
    facts: tuple[Fact, ...]
    consents: tuple[Consent, ...]
    possible_duplicate_of: tuple[UUID, ...]
    occurred_at: datetime
    recorded_at: datetime

    @property
    def is_history(self) -> bool:
        """Recorded long after it happened: no clock runs for it."""
        return self.lead.origin == "import"


def note(received: Received[LeadGenerated], *, at: datetime) -> LeadFacts:
    """The facts of an announced lead, recorded at `at` (aware, UTC)."""
    event = received.event
    return LeadFacts(
        lead_id=event.lead_id,
        event_id=received.id,
        lead=event.lead,
        source_code=event.source_code,
        captured_at=event.captured_at,
        first_response_at=event.first_response_at,
        customer_initiated=event.customer_initiated,
        interaction_mode=event.interaction_mode,
        audience=event.audience,
        touch_intent=event.touch_intent,
        verification=event.verification,
        facts=tuple(event.facts),
        consents=tuple(event.consents),
        possible_duplicate_of=tuple(event.possible_duplicate_of),
        occurred_at=received.occurred_at,
        recorded_at=at,
    )


def inputs_of(known: LeadFacts, *, as_of: datetime) -> Inputs:
    """The facts by the names that conditions use, as of an instant (aware); the same facts and day always give the same inputs.

    A fact code that was observed several times counts with its last observation. Ages are whole days.
    """
    lead = known.lead
    given: dict[str, Input | None] = {
        "lead.origin": lead.origin,
        "lead.source": known.source_code,
        "lead.medium": lead.medium,
        "lead.country": lead.country,
        "lead.region": lead.region_code,
        "lead.language": lead.language,
        "lead.journey_stage": lead.journey_stage,
        "lead.interaction_mode": known.interaction_mode,
        "lead.audience": known.audience,
        "lead.touch_intent": known.touch_intent,
        "lead.verification": known.verification,
        "lead.customer_initiated": known.customer_initiated,
        "lead.has_organisation": True if lead.organisation_id else None,
        "lead.has_campaign": True if lead.campaign_id else None,
        "lead.possible_duplicate": True if known.possible_duplicate_of else None,
        "lead.expected_units": _plain(lead.expected_units),
        "lead.expected_value": _plain(lead.expected_value.amount if lead.expected_value else None),
        "lead.currency": lead.expected_value.currency if lead.expected_value else None,
        "lead.need_codes": sorted(set(lead.need_codes)) or None,
        "lead.consents": sorted({consent.purpose for consent in known.consents if consent.state == "granted"}) or None,
        "lead.age_days": (as_of - known.captured_at).days,
        **_fact_maps(known.facts),
    }
    return {name: value for name, value in given.items() if value is not None}


def _fact_maps(facts: Sequence[Fact]) -> dict[str, Input | None]:
    text: dict[str, str] = {}
    number: dict[str, str] = {}
    flag: dict[str, bool] = {}
    latest = {fact.fact_code: fact for fact in sorted(facts, key=lambda fact: (fact.observed_at, str(fact.value)))}
    for code, fact in sorted(latest.items()):
        if isinstance(fact.value, bool):
            flag[code] = fact.value
            continue
        written = str(fact.value)
        if isinstance(fact.value, str) or len(written) > 16:
            text[code] = written
        if _NUMBER.fullmatch(written):
            number[code] = _plain(Decimal(written)) or "0"
    return {"text": text or None, "number": number or None, "flag": flag or None}


def _plain(value: Decimal | None) -> str | None:
    if value is None:
        return None
    written = format(value + 0, "f")  # adding nothing turns minus zero into zero
    return written.rstrip("0").rstrip(".") if "." in written else written
