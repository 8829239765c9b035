"""A consent is a ledger of statements; what holds now is folded from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.events.marketing.leads import Consent, ConsentState, LawfulBasis
from shared.ids import derived_id


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedConsent:
    """What somebody agreed to, or no longer agrees to, as a source states it. `occurred_at`: None where the source does not say."""

    purpose: str
    state: ConsentState
    lawful_basis: LawfulBasis
    source_text: str
    occurred_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentEntry:
    """One grant, withdrawal or expiry for one purpose, with the words that prove it; never changed."""

    consent_id: UUID
    subject_id: UUID
    purpose: str
    state: ConsentState
    lawful_basis: LawfulBasis
    source_text: str
    occurred_at: datetime
    recorded_at: datetime


def enter(stated: StatedConsent, subject_id: UUID, *, at: datetime, recorded_at: datetime) -> ConsentEntry:
    """The ledger's entry for a statement. `at` stands in where the source gives no time. The same statement always has the same id."""
    occurred_at = stated.occurred_at or at
    words = "\x1f".join((str(subject_id), stated.purpose, stated.state, stated.lawful_basis, occurred_at.isoformat(), stated.source_text))
    return ConsentEntry(
        consent_id=derived_id("marketing", "consent", words),
        subject_id=subject_id,
        purpose=stated.purpose,
        state=stated.state,
        lawful_basis=stated.lawful_basis,
        source_text=stated.source_text,
        occurred_at=occurred_at,
        recorded_at=recorded_at,
    )


def standing(entries: Iterable[ConsentEntry]) -> dict[str, ConsentEntry]:
    """The entry that holds for each purpose: the one that happened last, whatever the order of recording.

    At the same instant the one that grants less holds, so that a doubt never allows a message.
    """
    latest: dict[str, ConsentEntry] = {}
    for entry in entries:
        known = latest.get(entry.purpose)
        if known is None or _rank(entry) > _rank(known):
            latest[entry.purpose] = entry
    return latest


def announced(entries: Iterable[ConsentEntry]) -> tuple[Consent, ...]:
    """What an event tells of one person's consents: the standing state per purpose, by purpose, without the words."""
    return tuple(
        Consent(purpose=entry.purpose, state=entry.state, lawful_basis=entry.lawful_basis, recorded_at=entry.recorded_at)
        for _, entry in sorted(standing(entries).items())
    )


def _rank(entry: ConsentEntry) -> tuple[datetime, bool, datetime, UUID]:
    return entry.occurred_at, entry.state != "granted", entry.recorded_at, entry.consent_id
