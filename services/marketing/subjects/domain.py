"""A subject is the person or organisation behind a lead. Its contact data stand nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """How to reach somebody; each part may be unknown."""

    given_name: str | None = None
    family_name: str | None = None
    email: str | None = None
    phone: str | None = None
    organisation_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A pseudonym that travels, and the contact data that stay."""

    subject_id: UUID
    contact: Contact
    recorded_at: datetime
    version: int = 0


def amend(subject: Subject, contact: Contact) -> Subject:
    """The subject under newly stated contact data; the former ones are gone, for nothing is kept about a person without need."""
    return replace(subject, contact=contact)
