"""What tests of parked events need: a log without a broker, handlers that refuse, and a look at what is kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import text

from shared.db.transaction import Database, Transaction
from shared.events.language import Received
from shared.events.sales.offers import LeadAccepted, LeadRejected
from shared.inbox.applying import Applier, Part
from shared.inbox.decoding import Record
from shared.inbox.draining import Drain
from shared.inbox.handlers import Handlers
from shared.outbox import cursor as cursors
from tests import kit
from tests.integration.shared import sample, traffic

ACCEPTED: Part = ("lead-accepted", 0)
HANDLERS: Handlers = {LeadAccepted: [sample.remember], LeadRejected: [sample.remember]}
"""What the sample does with events: it remembers them."""

SAID = 1_800_000_000_123
"""When the records were written, in milliseconds since 1970."""


class Refusing:
    """A handler that refuses the first event of some subjects, or every one, until it is told otherwise."""

    def __init__(self, *, every: bool = False) -> None:
        self.subjects: set[UUID] = set()
        self._every = every

    async def __call__(self, _: Transaction, events: Sequence[Received[Any]]) -> None:
        if bad := [one for one in events if (self._every or one.sequence == 1) and one.event.lead_id in self.subjects]:
            raise ValueError(str(bad[0].event.lead_id))


def applier_of(database: Database, refusing: Refusing, prefix: str = "", *, max_held_keys: int = 50) -> Applier:
    """Applies with a handler that refuses before one that remembers."""
    handlers = {LeadAccepted: [refusing, sample.remember], LeadRejected: [refusing, sample.remember]}
    return Applier(database, handlers, prefix, max_held_keys=max_held_keys)


async def log_of(database: Database, subjects: Sequence[UUID]) -> list[Record]:
    """One partition with an event of one kind of each subject named, in order; its position is the beginning."""
    for start in range(0, len(subjects), 200):
        async with database.transaction() as tx:
            for subject in subjects[start : start + 200]:
                tx.emit(sample.accepted(subject, tx.now), cause=kit.cause())
    await run(database, "INSERT INTO consumer_offset VALUES (:topic, :part, 0)", topic=ACCEPTED[0], part=ACCEPTED[1])
    return [replace(one, timestamp=SAID) for one in await traffic.records_of(database)]


async def rows(database: Database, statement: str, **values: Any) -> list[Any]:
    """All rows of a query."""
    async with database.engine.connect() as connection:
        return list((await connection.execute(text(statement), values)).all())


async def run(database: Database, statement: str, **values: Any) -> None:
    """A statement in a transaction of its own."""
    async with database.engine.begin() as connection:
        await connection.execute(text(statement), values)


async def ask_again(database: Database, key: str | None = None) -> None:
    """All held keys, or one, are due now."""
    await run(database, "UPDATE parked_key SET next_attempt_at = now() WHERE key = coalesce(cast(:key AS text), key)", key=key)


async def drained(drain: Drain) -> int:
    """Steps until nothing is due; how many there were."""
    steps = 0
    while await drain.step():
        steps += 1
    return steps


def record_of_row(row: cursors.Row, offset: int) -> Record:
    """What the relay's page puts into a log of one partition."""
    headers = [(name, value.encode()) for name, value in json.loads(row.headers)]
    return Record(row.topic, ACCEPTED[1], offset, row.key.encode(), headers, row.payload, SAID)


def number_of(record: Record) -> int:
    """Which of its subject's events it is."""
    return int(dict(record.headers)["ce_aggregatesequence"])


def subject_of(record: Record) -> UUID:
    """Whose event it is."""
    return UUID((record.key or b"").decode())
