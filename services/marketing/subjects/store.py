"""How the subject register is read and saved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, select

from services.marketing.subjects.domain import Subject
from services.marketing.subjects.tables import subjects
from shared.cause import Cause
from shared.db import saving
from shared.db.saving import Change
from shared.db.transaction import Transaction

_SUBJECT = select(subjects).where(subjects.c.subject_id == bindparam("subject_id"))
_LOCK_SUBJECTS = (
    select(subjects)
    .where(subjects.c.subject_id == any_(bindparam("ids", type_=ARRAY(Uuid))))
    .order_by(subjects.c.subject_id)
    .with_for_update()
)


async def get_subject(tx: Transaction, subject_id: UUID) -> Subject:
    """The subject of that id. NotFound if there is none."""
    return saving.one(await tx.first(_SUBJECT, {"subject_id": subject_id}), Subject, subject_id=subject_id)


async def lock_subjects(tx: Transaction, ids: Iterable[UUID]) -> list[Subject]:
    """The subjects of these ids, locked."""
    return saving.many(await tx.all(_LOCK_SUBJECTS, {"ids": list(ids)}), Subject)


async def save_subjects(tx: Transaction, changed: Sequence[tuple[Subject, Cause]]) -> None:
    """Stores subjects, new and amended ones."""
    await saving.save_many(tx, subjects, [Change(subject, (), cause) for subject, cause in changed])
