"""T1 and T2: all that is committed is delivered, and in the order in which it was committed."""

from __future__ import annotations

import asyncio
from uuid import UUID

import asyncpg
from sqlalchemy import text

from shared.db.transaction import Database
from tests.integration.shared import traffic
from tests.integration.shared.traffic import relay_of
from tests.integration.shared.waiting import running
from tests.promises import load, reading
from tests.promises.ground import Ground
from tests.promises.verdicts import Findings

EVENTS = 5_000
FEWER = 2_500
"""What shows a variant."""

DETHRONE_SECONDS = 0.6


async def try_completeness(ground: Ground, findings: Findings) -> None:
    """T1: the delivered set is the committed set, while a foreign transaction stays open."""
    database, prefix = await ground.database(), await ground.topics()
    relay = relay_of(database, ground.servers.kafka, prefix)
    async with load.open_transaction(ground.servers), running(relay):
        committed = await load.write(database, ground.chance, events=EVENTS if ground.real else FEWER, subjects=500)
        findings.claim(await reading.published_all(database), "not everything is sent, or a foreign transaction stops the relay")
    log = reading.found_in(await traffic.read_log(ground.servers.kafka, prefix))
    findings.checked = committed.total()
    findings.count(committed=committed.total(), delivered=len({one.event_id for one in log}), records=len(log))
    for problem in reading.completeness(log, committed, await rows_of(database)):
        findings.claim(False, problem)
    findings.claim(not ground.real or len(log) == committed.total(), "delivered twice without a crash")


async def try_order(ground: Ground, findings: Findings) -> None:
    """T2: the same load with two relays whose leadership is taken away again and again."""
    database, prefix = await ground.database(), await ground.topics()
    relays = [relay_of(database, ground.servers.kafka, prefix) for _ in range(2)]
    async with running(*relays):
        dethroning = asyncio.create_task(_dethrone(ground.servers.postgres_dsn(database.engine.url.database or "")))
        committed = await load.write(database, ground.chance, events=EVENTS if ground.real else FEWER)
        dethroning.cancel()
        (dethroned,) = await asyncio.gather(dethroning, return_exceptions=True)
        if not isinstance(dethroned, asyncio.CancelledError):
            raise RuntimeError("nobody contended") from (dethroned if isinstance(dethroned, BaseException) else None)
        findings.claim(await reading.published_all(database), "not everything is sent")
    log = reading.found_in(await traffic.read_log(ground.servers.kafka, prefix))
    findings.checked = committed.total()
    findings.count(committed=committed.total(), records=len(log), copies=len(log) - len({one.event_id for one in log}))
    for problem in reading.order(log, committed):
        findings.claim(False, problem)


async def rows_of(database: Database) -> set[UUID]:
    """The ids of the outbox."""
    async with database.engine.connect() as connection:
        return set((await connection.execute(text("SELECT event_id FROM outbox"))).scalars())


async def _dethrone(dsn: str) -> None:
    # A leader whose session ends goes on sending for a moment, beside its successor.
    connection = await asyncpg.connect(dsn)
    try:
        while True:
            await asyncio.sleep(DETHRONE_SECONDS)
            await connection.execute(
                "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid"
                " WHERE l.locktype = 'advisory' AND l.granted AND a.application_name = 'relay' AND a.datname = current_database()"
            )
    finally:
        await connection.close()
