"""T6: a bad event holds its own key, is kept whole, and is applied with what waits behind it once it can be."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import replace
from typing import Any
from uuid import UUID

from shared.db.transaction import Database
from shared.ids import new_id
from shared.inbox.applying import Applier, Part
from shared.inbox.consumer import Consumer
from shared.inbox.decoding import Record
from shared.inbox.draining import Drain, record_of
from tests.integration.shared import traffic
from tests.integration.shared.traffic import relay_of
from tests.integration.shared.waiting import running, until
from tests.promises import shelf
from tests.promises.ground import Ground
from tests.promises.shelf import ACCEPTED, Refusing
from tests.promises.verdicts import Findings

CHUNK = 500
FURTHER = 20
FURTHER_EVENTS = 50
RACES = 1_000
ATTEMPTS = 4
MAX_HELD = 5

_DUE_IN_ORDER = """
UPDATE parked_key p SET next_attempt_at = now() - interval '1 hour' + k.place * interval '1 ms'
FROM unnest(cast(:keys AS text[])) WITH ORDINALITY AS k (key, place) WHERE p.key = k.key"""


async def try_poison(ground: Ground, findings: Findings) -> None:
    """T6."""
    if ground.tries("isolation"):
        await _isolate(ground, findings)
    if ground.tries("race"):
        await _race(ground, findings)
    if ground.tries("limit"):
        await _stand(ground, findings)


async def _isolate(ground: Ground, findings: Findings) -> None:
    database, refusing = await ground.database(), Refusing()
    subjects = [new_id() for _ in range(CHUNK)]
    bad = ground.chance.choice(subjects)
    further = [[bad, *(ground.chance.choice(subjects) for _ in range(FURTHER_EVENTS - 1))] for _ in range(FURTHER)]
    records = await shelf.log_of(database, [*subjects, *(subject for chunk in further for subject in chunk)])
    refusing.subjects = {bad}
    working, positions = shelf.applier_of(database, refusing), {ACCEPTED: 0}
    await _apply(working, records[:CHUNK], positions, findings)
    effects = [one.subject for one in await traffic.seen(database)]
    findings.claim(set(effects) == set(subjects) - {bad} and len(effects) == CHUNK - 1, "the 499 were not applied in the same pass")
    await _look_at_what_is_kept(database, records[:CHUNK], bad, findings)
    for place in range(FURTHER):
        start = CHUNK + place * FURTHER_EVENTS
        await _apply(working, records[start : start + FURTHER_EVENTS], positions, findings)
    effects = [one.subject for one in await traffic.seen(database)]
    wanted = Counter(shelf.subject_of(one) for one in records)
    findings.claim(bad not in effects, "followers of the bad event were applied before it")
    others = {subject: count for subject, count in Counter(effects).items() if subject != bad}
    findings.claim(others == {subject: count for subject, count in wanted.items() if subject != bad}, "other keys were touched")
    refusing.subjects.clear()
    await shelf.ask_again(database)
    steps = await shelf.drained(Drain(database, working))
    numbers = [one.sequence for one in await traffic.seen(database) if one.subject == bad]
    findings.claim(numbers == list(range(1, wanted[bad] + 1)), "a retry did not apply what was kept, once and in order")
    findings.claim(not await shelf.rows(database, "SELECT key FROM parked_key"), "a key is still held")
    findings.checked += len(records)
    findings.count(events=len(records), drained=steps)


async def _apply(working: Applier, records: list[Record], positions: dict[Part, int], findings: Findings) -> None:
    # A consumer that meets an error here ends, and its successor tries the same chunk again.
    for attempt in range(ATTEMPTS):
        try:
            await working.apply(records, positions)
            return
        except Exception as error:
            if attempt == ATTEMPTS - 1:
                findings.claim(False, f"a chunk is tried as a whole again and again ({type(error).__name__})")


async def _look_at_what_is_kept(database: Database, records: list[Record], bad: UUID, findings: Findings) -> None:
    kept: list[Any] = await shelf.rows(database, "SELECT * FROM parked_event")
    (record,) = [one for one in records if shelf.subject_of(one) == bad]
    whole = [record_of(row) for row in kept]
    findings.claim(whole == [replace(record, headers=whole[0].headers if whole else [])], "the bad event was not kept once")
    same = whole and [tuple(pair) for pair in whole[0].headers] == [tuple(pair) for pair in record.headers]
    findings.claim(same, "the bad event was not kept byte for byte")


async def _race(ground: Ground, findings: Findings) -> None:
    database, refusing = await ground.database(), Refusing()
    rounds = RACES if ground.real else RACES // 5
    subjects = [new_id() for _ in range(rounds)]
    records = await shelf.log_of(database, [*subjects, *subjects])
    working, positions = shelf.applier_of(database, refusing, max_held_keys=2 * rounds), {ACCEPTED: 0}
    await working.apply([replace(one, value=b"{") for one in records[:rounds]], positions)
    await shelf.run(
        database, "UPDATE parked_event p SET edited_value = o.payload FROM outbox o WHERE o.event_id = p.event_id AND p.state = 'open'"
    )
    # The drain takes them in this order, one beside each record that arrives.
    await shelf.run(database, _DUE_IN_ORDER, keys=[str(subject) for subject in subjects])
    drain = Drain(database, working)
    for record in records[rounds:]:
        await asyncio.gather(_after(ground.chance, drain.step()), _after(ground.chance, working.apply([record], positions)))
    behind = len(await shelf.rows(database, "SELECT id FROM parked_event WHERE error_code IS NULL"))
    await shelf.ask_again(database)
    await shelf.drained(drain)
    numbers: dict[UUID, list[int]] = {subject: [] for subject in subjects}
    for one in await traffic.seen(database):
        numbers[one.subject].append(one.sequence)
    wrong = sum(1 for found in numbers.values() if found != [1, 2])
    findings.claim(not wrong, f"{wrong} of {rounds} races lost, doubled or turned round an event")
    findings.claim(not await shelf.rows(database, "SELECT key FROM parked_key"), "a key is held by nothing")
    findings.claim(not await shelf.rows(database, "SELECT id FROM parked_event WHERE state = 'open'"), "an event waits for nothing")
    findings.claim(0 < behind < rounds, f"no race: the drain came first in all, or in none, of {rounds}")
    findings.checked += rounds
    findings.count(races=rounds, parked_behind=behind)


async def _after(chance: random.Random, work: Any) -> None:
    await asyncio.sleep(chance.random() * 0.004)
    await work


async def _stand(ground: Ground, findings: Findings) -> None:
    database, prefix, refusing = await ground.database(), await ground.topics(), Refusing()
    good, bad = [new_id() for _ in range(60)], [new_id() for _ in range(3 * MAX_HELD)]
    refusing.subjects = set(bad)
    subjects = [*good, *bad, *good]
    ground.chance.shuffle(subjects)
    working = shelf.applier_of(database, refusing, prefix, max_held_keys=MAX_HELD)
    reading = Consumer(database, working, bootstrap=ground.servers.kafka, group=prefix + "sales")

    async def stands() -> bool:
        return "keys are held" in (reading.trouble() or "")

    async def all_applied() -> bool:
        await shelf.ask_again(database)
        return len(await traffic.seen(database)) == len(subjects)

    async with running(relay_of(database, ground.servers.kafka, prefix)):
        await traffic.write(database, subjects)
        await traffic.published(ground.servers.kafka, prefix, len(subjects))
    async with running(reading):
        await until(stands, seconds=30)
        await asyncio.sleep(2)  # whether anything more happens is all that can be asked
        held = len(await shelf.rows(database, "SELECT key FROM parked_key"))
        findings.claim(await stands() and held <= MAX_HELD, f"it goes on at {held} held keys, {MAX_HELD} is the limit")
        refusing.subjects.clear()
        async with running(Drain(database, working)):
            try:
                await until(all_applied, seconds=30)
            except AssertionError:
                findings.claim(False, "it does not go on by itself when fewer keys are held")
    times = Counter(one.event_id for one in await traffic.seen(database))
    findings.claim(set(times.values()) == {1}, "an event had its effect twice")
    findings.checked += len(subjects)
    findings.count(held=held)
