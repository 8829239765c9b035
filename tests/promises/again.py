"""T7 and T13: events come again, however often and however old, and days leave the tables; nothing is lost and nothing new happens."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg

from shared.db.audit import Author
from shared.db.transaction import Database
from shared.inbox import offsets
from shared.inbox.applying import Applier
from shared.inbox.consumer import Consumer
from shared.outbox import retention, stamping
from tests.integration.shared import traffic
from tests.integration.shared.traffic import relay_of
from tests.integration.shared.waiting import running, until
from tests.promises import ages, load, owners, reading, shelf
from tests.promises.ground import Ground
from tests.promises.verdicts import Findings

WINDOW = (0, 2, 5, 8, 11, 13)
"""Days back that the outbox keeps, and so may send again."""

TOO_OLD = (15, 16, 18)
"""Days back that leave the outbox once they are published; the inbox still knows them."""

FAST = 1e6
FAR = 100_000
"""More held keys than there are: what is parked is counted here, and does not stop the group."""


def consumer_of(database: Database, bootstrap: str, prefix: str) -> Consumer:
    """The sample's consumer."""
    applier = Applier(database, shelf.HANDLERS, prefix, max_held_keys=FAR)
    return Consumer(database, applier, bootstrap=bootstrap, group=prefix + "sales")


async def try_replay(ground: Ground, findings: Findings) -> None:
    """T7: republish and a reset of offsets, each over the whole window, bring no new effect, and nothing to decide."""
    database, prefix, bootstrap = await ground.database(), await ground.topics(), ground.servers.kafka
    committed = await load.write(database, ground.chance, events=1_200 if ground.real else 400)
    upkeep = await ages.connect(database)
    await ages.age(upkeep, WINDOW)
    total = committed.total()
    async with running(relay_of(database, bootstrap, prefix), consumer_of(database, bootstrap, prefix)):
        await _all_read(database, bootstrap, prefix, findings)
        before = await owners.effects_of(database)
        owners.compare_effects(findings, before, committed)
        dropped = await retention.drop_old(upkeep, ages.today())
        sent = await stamping.republish(_dsn(database), principal="test", reason="replay", rate=FAST)
        await _all_read(database, bootstrap, prefix, findings)
        findings.claim(sent == total, f"{sent} of {total} events were sent again")
        await _unchanged(database, before, findings, "republish")
    await until(lambda: _group_is_empty(bootstrap, prefix), seconds=30)
    log = offsets.Log(bootstrap=bootstrap, group=prefix + "sales")
    moves = await offsets.reset(
        database, log, to=datetime.now(UTC) - timedelta(hours=1), topics=(), author=Author(principal="test"), reason="replay"
    )
    findings.claim(sum(move.before - move.after for move in moves) >= 2 * total, "the reset did not go back over the whole window")
    async with running(consumer_of(database, bootstrap, prefix)):
        await _all_read(database, bootstrap, prefix, findings)
        await _unchanged(database, before, findings, "reset")
    await upkeep.close()
    findings.checked = 2 * total
    findings.count(events=total, republished=sent, inbox_days_dropped=len(dropped))


async def try_retention(ground: Ground, findings: Findings) -> None:
    """T13: days leave outbox and inbox under load and with the relay behind; what is still kept is sent again, to no effect."""
    database, prefix, bootstrap = await ground.database(), await ground.topics(), ground.servers.kafka
    committed = await load.write(database, ground.chance, events=1_200 if ground.real else 500)
    upkeep = await ages.connect(database)
    await ages.age(upkeep, [*TOO_OLD, *WINDOW])
    rows = {row["event_id"] for row in await upkeep.fetch("SELECT event_id FROM outbox")}
    relay = relay_of(database, bootstrap, prefix)
    passed = asyncio.Event()
    dropping = asyncio.create_task(_drop_again_and_again(upkeep, passed))
    async with running(consumer_of(database, bootstrap, prefix)):
        await passed.wait()  # while the relay is behind: no cursor yet, and everything waits
        async with running(relay):
            committed += await load.write(database, ground.chance, events=800 if ground.real else 200)
            await _all_read(database, bootstrap, prefix, findings)
            effects = await owners.effects_of(database)
            owners.compare_effects(findings, effects, committed)
            gone = await _until_dropped(ground, database)
            kept = await stamping.republish(_dsn(database), principal="test", reason="replay", rate=FAST)
            await _all_read(database, bootstrap, prefix, findings)
            await _unchanged(database, effects, findings, "sending again what the outbox keeps")
    dropping.cancel()
    (dropped,) = await asyncio.gather(dropping, return_exceptions=True)
    if not isinstance(dropped, asyncio.CancelledError):
        raise RuntimeError("upkeep ended") from (dropped if isinstance(dropped, BaseException) else None)
    log = {one.event_id for one in reading.found_in(await traffic.read_log(bootstrap, prefix))}
    findings.claim(rows <= log, f"{len(rows - log)} events left the outbox unpublished")
    findings.claim(gone, "published days stay in the outbox")
    await upkeep.close()
    findings.checked = committed.total()
    findings.count(events=committed.total(), sent_again=kept, days_dropped=len(TOO_OLD) if gone else 0)


async def _drop_again_and_again(upkeep: asyncpg.Connection, passed: asyncio.Event) -> None:
    while True:
        await retention.drop_old(upkeep, ages.today())
        passed.set()
        await asyncio.sleep(0.05 + random.random() * 0.1)


async def _until_dropped(ground: Ground, database: Database) -> bool:
    looking = await ages.connect(database)

    async def gone() -> bool:
        return not set(TOO_OLD) & await ages.days_of(looking, "outbox")

    try:
        return await until(gone, seconds=20)
    except AssertionError:
        return False
    finally:
        await looking.close()


async def _unchanged(database: Database, before: list[UUID], findings: Findings, what: str) -> None:
    effects = Counter(one.event_id for one in await traffic.seen(database))
    findings.claim(effects == Counter(before), f"{what} brought {(effects - Counter(before)).total()} new effects")
    parked = await shelf.rows(database, "SELECT error_code, count(*) FROM parked_event GROUP BY 1")
    findings.claim(not parked, f"{what} parked {', '.join(f'{row.count} as {row.error_code}' for row in parked)}")


async def _all_read(database: Database, bootstrap: str, prefix: str, findings: Findings) -> None:
    findings.claim(await reading.caught_up(database, bootstrap, prefix), "not everything is sent and read")


async def _group_is_empty(bootstrap: str, prefix: str) -> bool:
    return not await offsets.members(offsets.Log(bootstrap=bootstrap, group=prefix + "sales"))


def _dsn(database: Database) -> str:
    return database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
