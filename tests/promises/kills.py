"""T3: processes and PostgreSQL are killed, at random and at every named point; each event still has exactly one effect."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from uuid import UUID

from shared.db import failpoints
from tests.integration.shared import traffic
from tests.integration.shared.waiting import running, until
from tests.promises import catalogue, owners, reading, shelf
from tests.promises.crew import PREFIX, Callers, Crew, crew
from tests.promises.ground import Ground
from tests.promises.verdicts import Findings

RANDOM_SECONDS = 60.0
BETWEEN_SECONDS = 1.5
REST_SECONDS: Mapping[str, float] = {"consumer-1": 30.0, "consumer-2": 30.0, "postgres": 20.0}
"""How long each is left alone between two kills: one of a group member stops the whole group up to its session's time-out."""

MEMBERS = ("api", "relay", "consumer-1", "consumer-2", "drain")

_PARK = """
WITH o AS (SELECT * FROM outbox ORDER BY id LIMIT :count),
i AS (INSERT INTO inbox SELECT event_id FROM o),
k AS (INSERT INTO parked_key SELECT DISTINCT key, 0, now() FROM o)
INSERT INTO parked_event (key, event_id, in_inbox, topic, part, "offset", kafka_ts, raw_key, raw_headers, raw_value)
SELECT key, event_id, true, cast(:prefix AS text) || topic, 99, id, now(), convert_to(key, 'UTF8'), headers, payload FROM o ORDER BY id"""


async def try_kills(ground: Ground, findings: Findings) -> None:
    """T3: acknowledged writes against events, and events against effects, as multisets."""
    edits = catalogue.find("T3").variant(ground.variant).edits if ground.variant else ()
    async with crew(ground, edits) as members:
        await members.start("api")
        callers = Callers((await members.ready("api")).port, members.token)
        async with running(callers):
            await callers.has_written(30)
            if ground.tries("drain"):
                await shelf.run(members.database, _PARK, count=12, prefix=PREFIX)
            for kind in ("edge", "relay", "drain", "chunk"):
                if ground.tries(kind):
                    await _at_every_point(members, callers, kind, findings)
            if ground.tries("random"):
                await _at_random(ground, members, callers, findings)
            for name in MEMBERS:
                if name not in members.members or members.members[name].started.returncode is not None:
                    await members.start(name)
            await callers.has_written(60)
        await _compare(members, callers, findings)


async def _at_every_point(members: Crew, callers: Callers, kind: str, findings: Findings) -> None:
    """Each point of that kind once; where members form a group, each start is a group of its own, so that no dead twin is waited for."""
    part = {"edge": "api", "chunk": "consumer-1"}.get(kind, kind)
    if kind == "relay":
        await members.start("consumer-1")  # so that what is sent again comes in another chunk than the first time
    if kind == "chunk" and "relay" not in members.members:
        await members.start("relay")
    for point in sorted(name for name in failpoints.POINTS if name.startswith(f"{kind}.")):
        if part in members.members:
            await members.kill(part)
        # the first second of its life lies before: at its first time, a point meets what waits, and at its third the flow
        times = 1 if kind == "drain" else 2 if point == "chunk.before_kafka_commit" else 3
        await members.start(part, fail_point=f"{point}:{times}", group=point if kind == "chunk" else None)
        reached = await members.ended_at_point(part)
        if not reached:
            raise RuntimeError(f"{point} was never reached: {members.members[part].log.read_text()[-1500:]}")
        findings.count(fail_points=1)
    await members.start(part, group=f"{kind}-after" if kind == "chunk" else None)
    if kind == "edge":
        await callers.has_written(20)


async def _at_random(ground: Ground, members: Crew, callers: Callers, findings: Findings) -> None:
    for name in MEMBERS:
        await members.kill(name) if name in members.members else None
        await members.start(name)
    await callers.has_written(30)
    until_then = time.monotonic() + RANDOM_SECONDS
    rested: dict[str, float] = dict.fromkeys((*MEMBERS, "postgres"), time.monotonic())
    while time.monotonic() < until_then:
        await asyncio.sleep(ground.chance.random() * 2 * BETWEEN_SECONDS)
        ready = [name for name, since in rested.items() if time.monotonic() - since > REST_SECONDS.get(name, 4.0)]
        if not ready:
            continue
        name = ground.chance.choice(ready)
        if name == "postgres":
            await members.kill_postgres()
        else:
            await members.kill(name)
            await members.start(name)
        rested[name] = time.monotonic()
        findings.count(**{f"kills_{name.partition('-')[0]}": 1})
    await callers.has_written(60)


async def _compare(members: Crew, callers: Callers, findings: Findings) -> None:
    await members.database.engine.dispose()  # its connections may be to a server that was killed
    settled = await reading.caught_up(members.database, members.site.servers.kafka, PREFIX, seconds=150)
    findings.claim(settled, "not everything is sent and read")

    async def nothing_is_parked() -> bool:
        return not await shelf.rows(members.database, "SELECT id FROM parked_event WHERE state = 'open'")

    try:
        await until(nothing_is_parked, seconds=60)
    except AssertionError:
        findings.claim(False, "events stay parked")
    rows = await shelf.rows(members.database, "SELECT event_id, key FROM outbox")
    committed = Counter(UUID(row.key) for row in rows)
    effects = await owners.effects_of(members.database)
    lost = sum(1 for note_id, count in callers.acknowledged.items() if committed[note_id] < count)
    findings.claim(not lost, f"{lost} acknowledged writes are not in the outbox")
    _compare_effects(findings, effects, [row.event_id for row in rows])
    doubled = sum(1 for count in committed.values() if count > 2)
    findings.claim(not doubled, f"{doubled} writes were done twice")
    findings.claim(not callers.odd, f"answers that nobody should get: {', '.join(sorted(callers.odd))}")
    records = await traffic.read_log(members.site.servers.kafka, PREFIX)
    findings.checked = len(rows)
    findings.count(acknowledged=callers.total, events=len(rows), effects=len(effects), records=len(records))


def _compare_effects(findings: Findings, effects: Sequence[UUID], events: Sequence[UUID]) -> None:
    missing, more = Counter(events) - Counter(effects), Counter(effects) - Counter(events)
    findings.claim(not missing, f"{missing.total()} of {len(events)} events without an effect")
    findings.claim(not more, f"{more.total()} effects too many")
