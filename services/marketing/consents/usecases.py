"""What is done with consents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.marketing.consents import domain, store
from services.marketing.consents.domain import StatedConsent
from shared.db.transaction import Transaction
from shared.events.marketing.leads import Consent

__all__ = ["StatedConsent"]


async def record_consents(tx: Transaction, stated: Sequence[tuple[UUID, datetime, StatedConsent]]) -> Mapping[UUID, tuple[Consent, ...]]:
    """Adds statements (subject, time that stands in, statement) to the ledger; one that is there already is not added again.

    Returns per subject what these statements come to, as an event tells it.
    """
    entries: dict[UUID, list[domain.ConsentEntry]] = defaultdict(list)
    for subject_id, at, consent in stated:
        entries[subject_id].append(domain.enter(consent, subject_id, at=at, recorded_at=tx.now))
    await store.save_consents(tx, [entry for of_subject in entries.values() for entry in of_subject])
    return {subject_id: domain.announced(of_subject) for subject_id, of_subject in entries.items()}


async def list_consents(tx: Transaction, subject_id: UUID) -> Sequence[domain.ConsentEntry]:
    """A person's ledger, oldest first."""
    return await store.list_consents(tx, subject_id)
