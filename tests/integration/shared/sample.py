"""A service of one table, for the tests of what all services share."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import BigInteger, Column, Identity, Integer, MetaData, Table, Text, Uuid, bindparam, func, select

from shared.db import saving
from shared.db.tables import NAMING, kernel_tables
from shared.db.transaction import Transaction
from shared.db.types import Instant
from shared.errors import Conflict, Invalid, NotKnownYet
from shared.events.language import Received, type_of
from shared.events.sales.offers import LeadAccepted, LeadRejected
from shared.http import edge
from shared.http.bodies import Answer, Command, ItemList, Result, Results
from shared.http.edge import Call, requires
from shared.http.pages import Page, PageRequest, page_request
from shared.ids import new_id
from shared.runtime.service import Service

METADATA = MetaData(naming_convention=NAMING)
kernel_tables(METADATA)
notes = Table(
    "notes",
    METADATA,
    Column("note_id", Uuid, primary_key=True),
    Column("text", Text, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("version", Integer, nullable=False),
)
seen = Table(
    "seen",
    METADATA,
    Column("place", BigInteger, Identity(), primary_key=True),
    Column("event_id", Uuid, nullable=False),
    Column("topic", Text, nullable=False),
    Column("subject", Uuid, nullable=False),
    Column("sequence", BigInteger, nullable=False),
)
"""What the handlers were given. No unique key: a second effect would show."""

LOCK = select(notes).where(notes.c.note_id == bindparam("note_id")).with_for_update()
LIST = select(notes).order_by(notes.c.recorded_at, notes.c.note_id).limit(bindparam("limit"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A text."""

    note_id: UUID
    text: str
    recorded_at: datetime
    version: int = 0


class NoteIsFinal(Conflict):
    """A final note cannot be changed."""


class WriteNote(Command):
    """A new note."""

    note_id: UUID | None = None
    text: Annotated[str, Field(min_length=1, max_length=300_000)]


class WriteNotes(Command):
    """Several."""

    items: ItemList[WriteNote]


class NoteOut(Answer):
    """A note."""

    note_id: UUID
    text: str
    version: int


def accepted(note_id: UUID, at: datetime) -> LeadAccepted:
    """An event of this service about a note."""
    return LeadAccepted(
        lead_id=note_id, decision_id=note_id, routing_id=note_id, accepted_by_id=None, accepted_at=at, acceptance_mode="manual"
    )


async def save(tx: Transaction, note: Note, call: Call) -> Note:
    """Saves and tells."""
    return await saving.save(tx, notes, note, accepted(note.note_id, tx.now), cause=call.cause)


router = edge.router(tags=["notes"])


@router.post("/notes", status_code=201)
async def write_note(body: WriteNote, call: Annotated[Call, requires("notes:write")]) -> NoteOut:
    """Writes a note."""
    call.cause_at(body)
    note = Note(note_id=body.note_id or new_id(), text=body.text, recorded_at=call.tx.now)
    saved = await save(call.tx, note, call)
    if body.text == "refuse me":
        raise NoteIsFinal(note_id=saved.note_id)
    if body.text == "too early":
        raise NotKnownYet(note_id=saved.note_id)
    if body.text == "nonsense":
        raise Invalid.at("/text", "NONSENSE", "This makes no sense.")
    if body.text == "break":
        raise RuntimeError("secret inside")
    if body.text == "hang":
        await asyncio.Event().wait()
    if body.text == "sleep":
        for _ in range(10):
            await call.tx.execute(select(func.pg_sleep(2)))
    return NoteOut.model_validate(saved)


@router.post("/notes/{note_id}/change")
async def change_note(note_id: UUID, body: WriteNote, call: Annotated[Call, requires("notes:write", if_match=True)]) -> NoteOut:
    """Changes a note."""
    note = saving.one(await call.tx.first(LOCK, {"note_id": note_id}), Note, call.expected, note_id=note_id)
    return NoteOut.model_validate(
        await save(call.tx, Note(note_id=note_id, text=body.text, recorded_at=note.recorded_at, version=note.version), call)
    )


@router.put("/notes/{note_id}")
async def replace_note(note_id: UUID, body: WriteNote, call: Annotated[Call, requires("notes:write", if_match=True)]) -> NoteOut:
    """Replaces a note."""
    return await change_note(note_id, body, call)


@router.post("/notes/batch")
async def write_notes(body: WriteNotes, call: Annotated[Call, requires("notes:write", bulk=True)]) -> Results:
    """Writes many."""
    results = []
    for index, item in body.items.parsed():
        if isinstance(item, Invalid):
            results.append(Result.failed(index, item))
        else:
            note = await save(call.tx, Note(note_id=item.note_id or new_id(), text=item.text, recorded_at=call.tx.now), call)
            results.append(Result(index=index, status="created", id=note.note_id, version=note.version))
    return Results(items=results)


@router.get("/notes/{note_id}")
async def get_note(note_id: UUID, call: Annotated[Call, requires("notes:read")]) -> NoteOut:
    """A note."""
    return NoteOut.model_validate(saving.one(await call.tx.first(LOCK, {"note_id": note_id}), Note, note_id=note_id))


@router.get("/notes")
async def list_notes(page: Annotated[PageRequest, page_request()], call: Annotated[Call, requires("notes:read")]) -> Page[NoteOut]:
    """All notes."""
    statement = LIST
    if page.after:
        at, identity = page.after
        statement = statement.where((notes.c.recorded_at > at) | ((notes.c.recorded_at == at) & (notes.c.note_id > identity)))
    found = saving.many(await call.tx.all(statement, {"limit": page.limit + 1}), Note)
    return page.answer(found, key=lambda note: (note.recorded_at, note.note_id), out=NoteOut.model_validate)


@router.get("/bounded/{number}")
async def get_bounded(number: int, call: Annotated[Call, requires("notes:read")]) -> Result:
    """Asks the database for a number that may be none of its."""
    found = await call.tx.first(select(notes.c.version).where(notes.c.version == bindparam("number", type_=Integer)), {"number": number})
    return Result(index=0, status="unchanged", version=found.version if found else None)


@router.get("/figures")
async def get_figures(call: Annotated[Call, requires("notes:read", figures=True)]) -> Result:
    """Counts slowly, and says whether it could have changed anything."""
    await call.tx.execute(select(func.pg_sleep(edge.REQUEST_SECONDS + 0.5)))
    read_only = (await call.tx.execute(select(func.current_setting("transaction_read_only")))).scalar_one()
    return Result(index=0, status="unchanged" if read_only == "on" else "updated")


def rejected(note_id: UUID, at: datetime) -> LeadRejected:
    """Another event of this service about the same note."""
    return LeadRejected(
        lead_id=note_id,
        decision_id=note_id,
        routing_id=note_id,
        phase="before_acceptance",
        rejected_by_id=note_id,
        rejected_at=at,
        reason_code="other",
        note_id=None,
        suggested_disposition="recycle",
        touch_count=0,
    )


async def remember(tx: Transaction, events: Sequence[Received[Any]]) -> None:
    """An effect that can be counted."""
    rows = [
        {
            "event_id": received.id,
            "topic": type_of(type(received.event)).name,
            "subject": received.event.lead_id,
            "sequence": received.sequence,
        }
        for received in events
    ]
    await tx.execute(seen.insert(), rows)


def service() -> Service:
    """The sample."""
    handlers = {LeadAccepted: [remember], LeadRejected: [remember]}
    folder = Path(__file__).parent / "sample_service"
    return Service(name="sales", metadata=METADATA, routers=[router], handlers=handlers, folder=folder)
