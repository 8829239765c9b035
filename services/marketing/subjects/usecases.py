"""What is done with the people and organisations behind leads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.marketing.consents import usecases as consents
from services.marketing.consents.usecases import StatedConsent
from services.marketing.subjects import domain, store
from services.marketing.subjects.domain import Contact
from shared.cause import Cause
from shared.db.transaction import Transaction
from shared.events.marketing.leads import Consent

__all__ = ["Contact", "Registration", "StatedConsent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What a source states about somebody: how to reach them, what they agreed to."""

    subject_id: UUID
    contact: Contact
    consents: tuple[StatedConsent, ...]
    cause: Cause


async def register_subjects(tx: Transaction, registrations: Sequence[Registration]) -> Mapping[UUID, tuple[Consent, ...]]:
    """Enters new subjects with their consents. Returns what an event may tell: the state per purpose, by subject (left out if none)."""
    await store.save_subjects(
        tx,
        [(domain.Subject(subject_id=new.subject_id, contact=new.contact, recorded_at=tx.now), new.cause) for new in registrations],
    )
    return await consents.record_consents(tx, _stated(registrations))


async def amend_subjects(tx: Transaction, registrations: Sequence[Registration]) -> None:
    """Replaces the contact data of known subjects (of several statements about one, the last) and continues their consent ledgers."""
    latest = {each.subject_id: each for each in registrations}
    known = await store.lock_subjects(tx, latest)
    amended = [(domain.amend(subject, latest[subject.subject_id].contact), latest[subject.subject_id].cause) for subject in known]
    await store.save_subjects(tx, amended)
    await consents.record_consents(tx, _stated(registrations))


async def get_contact(tx: Transaction, subject_id: UUID) -> domain.Subject:
    """A subject with its contact data: for callers who may read contacts. NotFound if there is none."""
    return await store.get_subject(tx, subject_id)


async def list_consents(tx: Transaction, subject_id: UUID) -> Sequence[consents.domain.ConsentEntry]:
    """A subject's consent ledger, oldest first. NotFound if there is no such subject."""
    await store.get_subject(tx, subject_id)
    return await consents.list_consents(tx, subject_id)


def _stated(registrations: Sequence[Registration]) -> list[tuple[UUID, datetime, StatedConsent]]:
    return [(each.subject_id, each.cause.at, consent) for each in registrations for consent in each.consents]
