"""A bad event holds its key and nothing else, is kept byte for byte, and is applied in order once it can be."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from shared.db.transaction import Database, Transaction
from shared.events.language import Received
from shared.events.sales.offers import LeadAccepted, LeadRejected
from shared.ids import new_id
from shared.inbox.applying import OUTSIDE, Applier, Part
from shared.inbox.decoding import Record
from shared.inbox.draining import Drain, record_of
from shared.inbox.gaps import Gaps
from shared.inbox.parking import RETRY_AFTER, TooManyHeld
from tests.integration.shared import sample, traffic
from tests.integration.shared.waiting import running

ACCEPTED, REJECTED = ("lead-accepted", 0), ("lead-rejected", 0)
SAID = 1_800_000_000_123
Events = Sequence[Received[Any]]


class Refusing:
    """A handler that refuses some subjects until it is told otherwise."""

    def __init__(self, *subjects: UUID) -> None:
        self.subjects = set(subjects)

    async def __call__(self, _: Transaction, events: Events) -> None:
        if bad := [one for one in events if one.event.lead_id in self.subjects]:
            raise ValueError(str(bad[0].event.lead_id))


def applier(database: Database, refusing: Refusing, *, max_held_keys: int = 50) -> Applier:
    handlers = {LeadAccepted: [refusing, sample.remember], LeadRejected: [refusing, sample.remember]}
    return Applier(database, handlers, max_held_keys=max_held_keys)


async def log_of(database: Database, subjects: Sequence[UUID]) -> tuple[list[Record], dict[Part, int]]:
    """Records of the subjects' events, alternately of two topics, and positions at the beginning."""
    await traffic.write(database, subjects)
    async with database.engine.begin() as connection:
        for topic, part in (ACCEPTED, REJECTED):
            values = {"topic": topic, "part": part}
            await connection.execute(text("INSERT INTO consumer_offset VALUES (:topic, :part, 0) ON CONFLICT DO NOTHING"), values)
    return [replace(one, timestamp=SAID) for one in await traffic.records_of(database)], {ACCEPTED: 0, REJECTED: 0}


async def rows(database: Database, table: str) -> list[Any]:
    async with database.engine.connect() as connection:
        return list((await connection.execute(text(f"SELECT * FROM {table} ORDER BY 1"))).all())


async def run(database: Database, statement: str, **values: Any) -> None:
    async with database.engine.begin() as connection:
        await connection.execute(text(statement), values)


async def ask_again(database: Database) -> None:
    await run(database, "UPDATE parked_key SET next_attempt_at = now()")


async def drained(drain: Drain) -> int:
    """Steps until nothing is due."""
    steps = 0
    while await drain.step():
        steps += 1
    return steps


def subject_of(record: Record) -> UUID:
    return UUID((record.key or b"").decode())


async def test_followers_wait_behind_a_refused_event_and_are_applied_in_order(alone: Database) -> None:
    bad, *others = [new_id() for _ in range(9)]
    records, start = await log_of(alone, [bad, *others] * 4)
    refusing = Refusing(bad)
    working = applier(alone, refusing)
    await working.apply(records, start)
    assert {one.subject for one in await traffic.seen(alone)} == set(others)
    kept = await rows(alone, "parked_event")
    assert [(row.error_class, row.error_code) for row in kept] == [("handler", "ValueError")] + [(None, None)] * 3
    assert all(row.in_inbox and row.error_text in {None, ""} for row in kept)
    (key,) = await rows(alone, "parked_key")
    assert key.key == str(bad)
    assert (key.next_attempt_at - kept[0].parked_at) == RETRY_AFTER[0]

    drain = Drain(alone, working)
    assert await drained(drain) == 0  # nothing is due
    await ask_again(alone)
    assert await drained(drain) == 1  # still refused
    refusing.subjects.clear()
    await ask_again(alone)
    assert await drained(drain) == 4
    assert await rows(alone, "parked_key") == []
    for topic, numbers in (("lead-accepted", [1, 3]), ("lead-rejected", [2, 4])):
        assert [one.sequence for one in await traffic.seen(alone, topic) if one.subject == bad] == numbers
    assert {row.state for row in await rows(alone, "parked_event")} == {"applied"}


async def test_each_failed_attempt_waits_longer_and_after_the_last_a_person_decides(alone: Database) -> None:
    bad = new_id()
    records, start = await log_of(alone, [bad])
    working = applier(alone, Refusing(bad))
    await working.apply(records, start)
    waits = []
    for _ in RETRY_AFTER:
        await ask_again(alone)
        assert await drained(Drain(alone, working)) == 1
        (key,) = await rows(alone, "parked_key")
        async with alone.engine.connect() as connection:
            now = (await connection.execute(text("SELECT now()"))).scalar_one()
        waits.append(None if key.next_attempt_at is None else round((key.next_attempt_at - now).total_seconds() / 30) * 30)
    assert waits == [120, 600, 3600, None]


async def test_a_record_that_is_no_event_waits_for_a_person_with_all_its_bytes(alone: Database) -> None:
    subjects = [new_id() for _ in range(6)]
    records, start = await log_of(alone, subjects)
    hostile = [("x", b"\xff\x00"), ("y", None), ("z", b""), ("ü\x00", "grün".encode())]
    odd = replace(records[2], value=b"\x00\xff{", headers=[*records[2].headers, *hostile])
    none = replace(records[4], value=None, key=b"\xff\xfe", timestamp=2**62)
    working = applier(alone, Refusing())
    await working.apply([odd if one is records[2] else none if one is records[4] else one for one in records], start)
    kept = await rows(alone, "parked_event")
    assert [(row.error_class, row.key, row.in_inbox) for row in kept] == [
        ("decode", (odd.key or b"").decode(), False),
        ("decode", None, False),
    ]
    again = [record_of(row) for row in kept]
    assert (again[0], replace(again[1], timestamp=2**62)) == (odd, none)
    assert [(row.key, row.next_attempt_at) for row in await rows(alone, "parked_key")] == [((odd.key or b"").decode(), None)]
    assert len(await traffic.seen(alone)) == 4


async def test_a_copy_of_a_bad_record_is_not_kept_twice_and_holds_nothing_anew(alone: Database) -> None:
    records, start = await log_of(alone, [new_id()])
    bad = replace(records[0], value=b"{")
    working = applier(alone, Refusing())
    await working.apply([bad, replace(bad, offset=1)], start)
    await run(alone, "UPDATE parked_event SET state = 'discarded'")
    await run(alone, "DELETE FROM parked_key")
    await run(alone, "UPDATE consumer_offset SET next_offset = 0")
    await working.apply([bad, replace(bad, offset=1), replace(records[0], offset=2)], {ACCEPTED: 0, REJECTED: 0})
    assert len(await rows(alone, "parked_event")) == 1
    assert await rows(alone, "parked_key") == []
    assert [one.subject for one in await traffic.seen(alone)] == [subject_of(bad)]  # the good one with its id was never shadowed


async def test_an_edited_value_is_applied_once_whatever_came_meanwhile(alone: Database) -> None:
    subjects = [new_id(), new_id()]
    records, start = await log_of(alone, subjects)
    working = applier(alone, Refusing())
    await working.apply([replace(one, value=b"{") for one in records], start)
    for row, record in zip(await rows(alone, "parked_event"), records, strict=True):
        await run(alone, "UPDATE parked_event SET edited_value = :value WHERE id = :id", value=record.value, id=row.id)
    first = replace(records[0], offset=1)  # sent again, in order, while the key is held: it waits
    await working.apply([first], {ACCEPTED: 1, REJECTED: 1})
    await ask_again(alone)
    assert await drained(Drain(alone, working)) == 3
    assert Counter(one.subject for one in await traffic.seen(alone)) == Counter(subjects)
    assert await rows(alone, "parked_key") == []


@pytest.mark.parametrize("age", [-40, 40])
async def test_an_id_of_a_day_that_the_inbox_does_not_hold_is_parked(alone: Database, age: int) -> None:
    records, start = await log_of(alone, [new_id(), new_id()])
    far = UUID(int=new_id().int + (age * 86_400_000 << 80))
    headers = [(name, str(far).encode() if name == "ce_id" else value) for name, value in records[0].headers]
    await applier(alone, Refusing()).apply([replace(records[0], headers=headers), records[1]], start)
    assert [(row.error_code, row.event_id, row.in_inbox) for row in await rows(alone, "parked_event")] == [(OUTSIDE.code, far, False)]
    assert [one.subject for one in await traffic.seen(alone)] == [subject_of(records[1])]


async def test_a_chunk_that_would_hold_too_many_keys_is_undone(alone: Database) -> None:
    subjects = [new_id() for _ in range(12)]
    records, start = await log_of(alone, subjects)
    records = sorted(records, key=lambda one: one.topic)
    refusing = Refusing(*(subject_of(one) for one in records[:4]))
    working = applier(alone, refusing, max_held_keys=3)
    with pytest.raises(TooManyHeld):
        await working.apply(records, start)
    assert len(await rows(alone, "parked_key")) == 3
    assert start == {ACCEPTED: 3, REJECTED: 0}
    refusing.subjects.clear()
    await ask_again(alone)
    await drained(Drain(alone, working))
    await working.apply(records[3:], start)
    assert Counter(one.subject for one in await traffic.seen(alone)) == Counter(subjects)


async def test_the_drain_and_new_events_of_a_key_meet_without_loss_or_disorder(alone: Database) -> None:
    """Again and again a key is parked, and freed by the drain while its next event arrives."""
    subject, count = new_id(), 120
    records, start = await log_of(alone, [subject] * count)
    accepted = [one for one in records if one.topic == ACCEPTED[0]]
    refusing = Refusing()
    working = applier(alone, refusing)
    drain = Drain(alone, working)
    async with running(drain):
        for number, record in enumerate(accepted):
            refusing.subjects = {subject} if number % 3 == 0 else set()
            await working.apply([record], start)
            refusing.subjects = set()
            await asyncio.gather(ask_again(alone), *(drain.step() for _ in range(number % 4)))
        await ask_again(alone)
        await drained(drain)
    numbers = [one.sequence for one in await traffic.seen(alone)]
    assert numbers == sorted(numbers)
    assert len(numbers) == len(accepted) == count // 2
    assert await rows(alone, "parked_key") == []


async def test_a_number_that_never_comes_is_told_at_the_second_look_and_once(alone: Database) -> None:
    subject, other = new_id(), new_id()
    records, start = await log_of(alone, [subject, other] * 6)
    by_number = sorted((one for one in records if subject_of(one) == subject), key=number_of)
    lost = by_number[2:4]
    begun_later = [one for one in records if subject_of(one) == other and number_of(one) > 2]
    arriving = [one for one in by_number if one not in lost] + begun_later
    offsets = Counter[str]()
    placed = []
    for one in arriving:
        placed.append(replace(one, offset=offsets[one.topic]))
        offsets[one.topic] += 1
    working, gaps = applier(alone, Refusing()), Gaps(alone)
    await working.apply(placed, start)
    with capture_logs() as first:
        await gaps.look()
    with capture_logs() as second:
        await gaps.look()
        await gaps.look()
    assert first == []
    assert [(one["event"], one["source"], one["subject"], one["numbers"]) for one in second] == [
        ("sequence_gap", "/services/sales", str(subject), "{[3,5)}")
    ]
    late = [replace(one, offset=offsets[one.topic] + place) for place, one in enumerate(lost) if one.topic == lost[0].topic]
    await working.apply(late, start)
    async with alone.engine.connect() as connection:
        numbers = (
            await connection.execute(text("SELECT numbers::text FROM aggregate_seen WHERE subject = :s"), {"s": subject})
        ).scalar_one()
    assert json.dumps(numbers).count("[") == 3 - len(late)


def number_of(record: Record) -> int:
    return int(dict(record.headers)["ce_aggregatesequence"])
