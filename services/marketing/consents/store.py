"""How the consent ledger is read and continued."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import bindparam, select

from services.marketing.consents.domain import ConsentEntry
from services.marketing.consents.tables import consents
from shared.db import saving
from shared.db.transaction import Transaction

_LEDGER = (
    select(consents)
    .where(consents.c.subject_id == bindparam("subject_id"))
    .order_by(consents.c.occurred_at, consents.c.recorded_at, consents.c.consent_id)
)


async def list_consents(tx: Transaction, subject_id: UUID) -> list[ConsentEntry]:
    """A person's entries, oldest first."""
    return saving.many(await tx.all(_LEDGER, {"subject_id": subject_id}), ConsentEntry)


async def save_consents(tx: Transaction, entries: Iterable[ConsentEntry]) -> None:
    """Continues the ledger; an entry that it has stays as it is."""
    await saving.insert_many(tx, consents, entries, skip_existing=True)
