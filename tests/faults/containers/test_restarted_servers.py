"""Kafka and PostgreSQL are restarted, and stopped for a while, under load: nothing acknowledged is lost, and readiness tells the truth."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection

import pytest

from baton.local import state as states
from tests.compose import Deployment
from tests.faults import figures, known, load
from tests.faults.conftest import SETTLE_SECONDS
from tests.faults.containers import watching
from tests.faults.containers.watching import APIS, WORKERS, Look, Watch

WRITERS = 4
MORE = 100
TELL_SECONDS = 60.0
READY_SECONDS = 180.0
EVERYBODY = (*APIS, *WORKERS)

# Who cannot do his work without a server, and which of his dependencies say so.
NEEDED_BY = {"kafka": (WORKERS, {"relay", "consumer"}), "postgres": (EVERYBODY, {"database"})}


@pytest.mark.parametrize("server", states.SERVERS)
async def test_a_restarted_server_costs_no_acknowledged_lead(deployment: Deployment, server: str, note: Callable[[str], None]) -> None:
    source = f"restarted_{server}"
    await load.register(deployment, source)
    await watching.until_all_healthy(deployment)
    pids = deployment.pids()
    async with load.running(deployment, [load.lead(source) for _ in range(WRITERS)]) as writers, watching.watching(deployment) as watch:
        await acknowledged(writers, MORE)
        await all_ready(watch)
        begun, seen = time.monotonic(), len(watch.looks)
        await asyncio.to_thread(deployment.compose, "restart", server)
        await all_ready(watch)
        seconds, unready = time.monotonic() - begun, not_ready(watch.of(EVERYBODY, since=seen))
        await acknowledged(writers, MORE)
        again = await away_until_all_tell(deployment, server, writers, watch)
        await acknowledged(writers, MORE)
        untouched = [part for part in EVERYBODY if part not in NEEDED_BY[server][0]]
        assert not_ready(watch.of(untouched, since=seen)) == {}
    assert {part for part, pid in deployment.pids().items() if pids[part] != pid} == {server}
    await everything_is_known(deployment, writers, source)
    note(
        f"{server} restarted under load: everybody ready {seconds:.1f} s after the command, not ready meanwhile: {unready or 'nobody'}; "
        f"stopped and started: ready {again:.1f} s after the start; {len(writers.writes)} writes, answers {load.statuses(writers.writes)}"
    )
    await watching.until_all_healthy(deployment)


async def away_until_all_tell(deployment: Deployment, server: str, writers: load.Load, watch: Watch) -> float:
    """Stops a server until everybody who needs it has said so, and says how long after its start everybody was ready again."""
    needed_by, names = NEEDED_BY[server]
    await asyncio.to_thread(deployment.compose, "stop", server)
    await all_tell(watch, needed_by, names)
    if server == "kafka":
        await acknowledged(writers, MORE)
    await asyncio.to_thread(deployment.compose, "start", server)
    return await all_ready(watch)


async def everything_is_known(deployment: Deployment, writers: load.Load, source: str) -> None:
    """What was acknowledged is in marketing, handoff and sales; what was sent again because nobody knew is there once."""
    await figures.settle(deployment, seconds=SETTLE_SECONDS)
    acknowledged_ids = {write.id for write in writers.writes if write.acknowledged}
    stored = await known.captured(deployment, source)
    assert len(acknowledged_ids) >= 3 * MORE
    assert acknowledged_ids <= stored <= {write.id for write in writers.writes}
    assert await known.learned(deployment, source) == stored
    await writers.resend_unknown()
    assert [write.statuses for write in writers.writes if not write.acknowledged] == []
    await figures.settle(deployment, seconds=SETTLE_SECONDS)
    sent = {write.id for write in writers.writes}
    assert await known.captured(deployment, source) == await known.learned(deployment, source) == sent


async def all_ready(watch: Watch) -> float:
    """Waits until everybody says again that he is ready, two looks in a row, and says how long it took."""
    seen = len(watch.looks)

    def ready() -> bool:
        last = [watch.of([part], since=seen)[-2:] for part in EVERYBODY]
        return all(len(looks) == 2 and all(look.status == 200 for look in looks) for looks in last)

    return await watching.until(ready, lambda: watch.now(EVERYBODY), READY_SECONDS)


async def all_tell(watch: Watch, parts: Collection[str], names: Collection[str]) -> None:
    """Waits until each of the parts says that it is not ready, and that one of the named dependencies is why."""

    def tells() -> bool:
        return all(look.status == 503 and look.troubles & set(names) for look in watch.now(parts).values())

    await watching.until(tells, lambda: watch.now(parts), TELL_SECONDS)


async def acknowledged(writers: load.Load, more: int) -> None:
    """Waits until so many more writes have been acknowledged."""
    wanted = sum(write.acknowledged for write in writers.writes) + more
    await watching.until(lambda: sum(write.acknowledged for write in writers.writes) >= wanted, lambda: load.statuses(writers.writes), 60)


def not_ready(looks: Collection[Look]) -> dict[str, int]:
    """Who said how often that he is not ready."""
    return dict(Counter(look.part for look in looks if look.status != 200))
