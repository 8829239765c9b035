"""What has to happen before a test of sales begins: leads become known, offers are made, opportunities opened."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import text

from services.sales.handlers import HANDLERS
from shared.auth.tokens import user_id_of
from shared.db.transaction import Database, Transaction
from shared.events.language import Received
from shared.ids import new_id
from tests import kit
from tests.unit.sales import examples

Json = dict[str, Any]


def user(sub: str) -> UUID:
    """The id of the person with that subject in their token."""
    return user_id_of(kit.ISSUER, sub)


async def apply(tx: Transaction, told: Sequence[Received[Any]]) -> None:
    """One batch of one topic, through the real handlers."""
    for handler in HANDLERS[type(told[0].event)]:
        await handler(tx, told)


async def tell(database: Database, *events: Any) -> None:
    """Each event in a transaction of its own, committed."""
    for event in events:
        async with database.transaction() as tx:
            await apply(tx, [kit.received(event)])


async def known_lead(database: Database, **given: Any) -> UUID:
    """A lead that marketing has announced."""
    event = examples.generated(**given)
    await tell(database, event)
    return event.lead_id


async def offered_lead(database: Database, **given: Any) -> UUID:
    """A lead that is offered to sales."""
    lead_id = await known_lead(database)
    await tell(database, examples.routed(lead_id, **given))
    return lead_id


async def opened(api: kit.Api, lead_id: UUID, *, role: str = "sales_rep", sub: str = "somebody", **given: Any) -> Json:
    """An opportunity that was opened over HTTP."""
    response = await api.post("/v1/opportunities", role=role, sub=sub, json={"lead_id": str(lead_id), **given})
    assert response.status_code == 201, response.text
    return response.json()


def line(line_no: int = 1, **given: Any) -> Json:
    """A deal line as a caller writes it."""
    return {"line_no": line_no, "sku": "A-1", "quantity": "2", "net_unit_price": {"amount": "10.00", "currency": "EUR"}} | given


def deal(lead_id: UUID, **given: Any) -> Json:
    """A won deal as a caller writes it."""
    return {"lead_id": str(lead_id), "outcome": "won", "lines": [line()]} | given


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """Collects the statements that are sent to the database meanwhile."""
    sent: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        sent.append(statement)

    sqlalchemy_event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        sqlalchemy_event.remove(database.engine.sync_engine, "before_cursor_execute", note)


@asynccontextmanager
async def alone(database: Database) -> AsyncIterator[Transaction]:
    """A transaction that leaves nothing behind."""
    async with kit.rolled_back(database) as tx:
        yield tx


async def published(database: Database, topic: str, subject: UUID) -> list[str]:
    """The payloads on their way to a topic about one subject, oldest first."""
    query = text("SELECT convert_from(payload, 'UTF8') FROM outbox WHERE topic = :topic AND headers::text LIKE :subject ORDER BY id")
    async with database.transaction() as tx:
        rows = await tx.all(query, {"topic": topic, "subject": f"%{subject}%"})
    return [row[0] for row in rows]


def unknown() -> str:
    """An id that nobody has."""
    return str(new_id())
