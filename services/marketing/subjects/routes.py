"""Contact data and consents over HTTP: the only place where they can be read."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from services.marketing.subjects import domain, usecases
from shared.errors import NotFound
from shared.http import edge
from shared.http.bodies import Answer
from shared.http.edge import Call, requires
from shared.http.problems import problems

router = edge.router(tags=["subjects"])


class ContactOut(Answer):
    """How to reach somebody."""

    subject_id: UUID
    given_name: str | None
    family_name: str | None
    email: str | None
    phone: str | None
    organisation_name: str | None
    version: int

    @classmethod
    def of(cls, subject: domain.Subject) -> "ContactOut":
        contact = subject.contact
        return cls(
            subject_id=subject.subject_id,
            given_name=contact.given_name,
            family_name=contact.family_name,
            email=contact.email,
            phone=contact.phone,
            organisation_name=contact.organisation_name,
            version=subject.version,
        )


class ConsentOut(Answer):
    """One entry of the ledger; of each purpose the latest holds."""

    consent_id: UUID
    purpose: str
    state: str
    lawful_basis: str
    source_text: str
    occurred_at: datetime
    recorded_at: datetime


class ConsentsOut(Answer):
    """A person's ledger, oldest entry first."""

    subject_id: UUID
    items: list[ConsentOut]


@router.get("/subjects/{subject_id}/contact", responses=problems(NotFound))
async def get_contact(subject_id: UUID, call: Annotated[Call, requires("contacts:read")]) -> ContactOut:
    """How to reach somebody."""
    return ContactOut.of(await usecases.get_contact(call.tx, subject_id))


@router.get("/subjects/{subject_id}/consents", responses=problems(NotFound))
async def list_consents(subject_id: UUID, call: Annotated[Call, requires("consents:read")]) -> ConsentsOut:
    """What somebody agreed to, when, and in which words."""
    entries = await usecases.list_consents(call.tx, subject_id)
    return ConsentsOut(subject_id=subject_id, items=[ConsentOut.model_validate(entry) for entry in entries])
