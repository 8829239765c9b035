"""A chunk in its transaction: position, inbox, effects and what follows, without a broker."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text
from structlog.testing import capture_logs

from shared.db.transaction import Database, Transaction
from shared.errors import Unavailable
from shared.events.language import Received
from shared.events.sales.offers import LeadAccepted, LeadRejected
from shared.ids import new_id
from shared.inbox import applying
from shared.inbox.applying import Applier, LostPosition, Part
from shared.inbox.decoding import Record
from shared.inbox.handlers import Handler
from tests import kit
from tests.integration.shared import sample, traffic
from tests.integration.shared.traffic import breaches
from tests.integration.shared.waiting import until

ACCEPTED, REJECTED = ("lead-accepted", 0), ("lead-rejected", 0)
Events = Sequence[Received[Any]]


def applier(database: Database, *before: Handler) -> Applier:
    """The sample's effects, after whatever is given."""
    return Applier(database, {LeadAccepted: [*before, sample.remember], LeadRejected: [*before, sample.remember]})


async def log_of(database: Database, subjects: Sequence[UUID]) -> tuple[list[Record], dict[Part, int]]:
    """Records of one event per subject named, and the position at the beginning."""
    await traffic.write(database, subjects)
    async with database.engine.begin() as connection:
        for topic, part in (ACCEPTED, REJECTED):
            await connection.execute(text("INSERT INTO consumer_offset VALUES (:topic, :part, 0)"), {"topic": topic, "part": part})
    return await traffic.records_of(database), {ACCEPTED: 0, REJECTED: 0}


async def positions(database: Database) -> dict[Part, int]:
    async with database.engine.connect() as connection:
        rows = await connection.execute(text("SELECT topic, part, next_offset FROM consumer_offset"))
        return {(row.topic, row.part): row.next_offset for row in rows}


async def parked(database: Database) -> list[tuple[str, int, str, str]]:
    """Topic, offset, class and code of what is parked."""
    async with database.engine.connect() as connection:
        rows = await connection.execute(text("SELECT * FROM parked_event ORDER BY id"))
        return [(row.topic, row.offset, row.error_class, row.error_code) for row in rows]


async def is_waiting_for_a_lock(database: Database) -> bool:
    statement = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
    async with database.engine.connect() as connection:
        return bool((await connection.execute(statement)).scalar_one())


async def test_a_chunk_moves_the_position_with_its_effects(alone: Database) -> None:
    subjects = [new_id() for _ in range(30)]
    records, start = await log_of(alone, subjects)
    await applier(alone).apply(records, start)
    assert start == await positions(alone) == {ACCEPTED: 15, REJECTED: 15}
    assert breaches(await traffic.seen(alone), Counter(subjects)) == set()


async def test_a_copy_inside_a_chunk_has_no_effect(alone: Database) -> None:
    subjects = [new_id() for _ in range(4)]
    records, start = await log_of(alone, subjects)
    doubled = [replace(one, offset=one.offset * 2 + copy) for one in records for copy in (0, 1)]
    await applier(alone).apply(doubled, start)
    assert breaches(await traffic.seen(alone), Counter(subjects)) == set()


async def test_an_owner_that_stalled_moves_nothing(alone: Database) -> None:
    """One owner stalls inside its transaction, another comes meanwhile, and the first one comes back with what it had read."""
    subjects = [new_id() for _ in range(20)]
    records, start = await log_of(alone, subjects)
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def stall(tx: Transaction, events: Events) -> None:
        inside.set()
        await go_on.wait()

    first = asyncio.create_task(applier(alone, stall).apply(records, dict(start)))
    await inside.wait()
    second = asyncio.create_task(applier(alone).apply(records, dict(start)))
    await until(lambda: is_waiting_for_a_lock(alone))
    go_on.set()
    await first
    with pytest.raises(LostPosition):
        await second
    with pytest.raises(LostPosition):
        await applier(alone).apply(records[:3], dict(start))
    assert await positions(alone) == {ACCEPTED: 10, REJECTED: 10}
    assert breaches(await traffic.seen(alone), Counter(subjects)) == set()


async def test_the_check_catches_a_move_that_does_not_compare(alone: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    records, start = await log_of(alone, [new_id() for _ in range(20)])
    await applier(alone).apply(records, dict(start))
    statement = str(applying._MOVE).replace("WHERE c.next_offset = w.expected", "")
    assert statement != str(applying._MOVE)
    monkeypatch.setattr(applying, "_MOVE", text(statement).bindparams(*applying._MOVE._bindparams.values()))
    await applier(alone).apply(records[:3], dict(start))  # nobody says that the position is lost
    assert (await positions(alone))[ACCEPTED] == 3  # and it went back


@pytest.mark.parametrize("bad", [0, 7, 9])
async def test_a_permanent_error_is_narrowed_to_its_one_record(alone: Database, bad: int) -> None:
    subjects = [new_id() for _ in range(20)]
    records, start = await log_of(alone, subjects)
    accepted = [one for one in records if one.topic == "lead-accepted"]
    poison = accepted[bad].key

    async def refuse(tx: Transaction, events: Events) -> None:
        if any(str(one.event.lead_id).encode() == poison for one in events):
            raise ValueError("not with me")

    with capture_logs() as logged:
        await applier(alone, refuse).apply(records, start)
    assert start == await positions(alone) == {ACCEPTED: 10, REJECTED: 10}
    assert {one.subject for one in await traffic.seen(alone)} == set(subjects) - {UUID((poison or b"").decode())}
    assert await parked(alone) == [("lead-accepted", bad, "handler", "ValueError")]
    assert [(one["event"], one["offset"]) for one in logged if one["log_level"] == "error"] == [("event_refused", bad)]


async def test_a_record_that_breaks_its_contract_is_named(alone: Database) -> None:
    records, start = await log_of(alone, [new_id() for _ in range(6)])
    broken = [replace(one, value=b'{"lead_id": 3}') if (one.topic, one.offset) == ("lead-rejected", 1) else one for one in records]
    await applier(alone).apply(broken, start)
    assert await positions(alone) == {ACCEPTED: 3, REJECTED: 3}
    assert await parked(alone) == [("lead-rejected", 1, "decode", "SCHEMA")]


async def note_once(tx: Transaction, events: Events) -> None:
    """An effect that creates what is not there."""
    for one in events:
        if await tx.first(select(sample.notes).where(sample.notes.c.note_id == one.event.lead_id)) is None:
            row = {"note_id": one.event.lead_id, "text": "a", "recorded_at": tx.now, "version": 1}
            await tx.execute(sample.notes.insert(), row)


async def test_what_another_creates_at_the_same_moment_is_met_at_the_second_attempt(alone: Database) -> None:
    subject = new_id()
    records, start = await log_of(alone, [subject])
    async with alone.engine.connect() as other:
        await other.execute(sample.notes.insert(), {"note_id": subject, "text": "b", "recorded_at": kit.NOON, "version": 1})
        work = asyncio.create_task(applier(alone, note_once).apply(records, start))
        await until(lambda: is_waiting_for_a_lock(alone))
        await other.commit()
    await work
    assert breaches(await traffic.seen(alone), Counter([subject])) == set()


async def test_a_duplicate_that_stays_one_is_permanent(alone: Database) -> None:
    subjects = [new_id() for _ in range(4)]
    records, start = await log_of(alone, subjects)

    async def note_always(tx: Transaction, events: Events) -> None:
        for one in events:
            if one.event.lead_id == subjects[2]:
                row = {"note_id": subjects[0], "text": "a", "recorded_at": tx.now, "version": 1}
                await tx.execute(sample.notes.insert(), [row, row])

    await applier(alone, note_always).apply(records, start)
    assert await parked(alone) == [("lead-accepted", 1, "database", "UniqueViolationError")]


async def test_a_value_that_cannot_be_stored_is_permanent(alone: Database) -> None:
    records, start = await log_of(alone, [new_id()])

    async def overflow(tx: Transaction, events: Events) -> None:
        await tx.execute(select(sample.notes).where(sample.notes.c.version == 10**30))

    await applier(alone, overflow).apply(records, start)
    assert [kept[:3] for kept in await parked(alone)] == [("lead-accepted", 0, "database")]


async def test_what_passes_by_itself_undoes_the_chunk_and_is_left_to_the_caller(alone: Database) -> None:
    subjects = [new_id() for _ in range(4)]
    records, start = await log_of(alone, subjects)
    attempts: list[int] = []

    async def early(tx: Transaction, events: Events) -> None:
        attempts.append(len(events))
        if len(attempts) == 1:
            raise Unavailable

    with pytest.raises(Unavailable):
        await applier(alone, early).apply(records, start)
    assert (start, await traffic.seen(alone)) == ({ACCEPTED: 0, REJECTED: 0}, [])
    await applier(alone, early).apply(records, start)
    assert breaches(await traffic.seen(alone), Counter(subjects)) == set()


async def test_what_follows_from_an_event_names_it_as_its_cause(alone: Database) -> None:
    records, start = await log_of(alone, [new_id()])

    async def answer(tx: Transaction, events: Events) -> None:
        for one in events:
            tx.emit(sample.rejected(one.event.lead_id, one.occurred_at), cause=one.cause)

    await Applier(alone, {LeadAccepted: [answer]}).apply([one for one in records if one.topic == "lead-accepted"], start)
    cause, effect = (
        {name: value.decode() for name, value in one.headers} for one in sorted(await traffic.records_of(alone), key=lambda one: one.topic)
    )
    assert effect["ce_causationid"] == cause["ce_id"]
    assert effect["ce_correlationid"] == cause["ce_correlationid"]
    assert (cause["ce_aggregatesequence"], effect["ce_aggregatesequence"]) == ("1", "2")
    assert effect["ce_journeyid"] == cause["ce_journeyid"] == cause["ce_subject"]
