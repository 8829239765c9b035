"""kill -9 of the main process of every container while an import runs: the engine starts them again, nobody else does anything."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from tests import compose
from tests.compose import PARTS, Deployment
from tests.data import comparing
from tests.faults import figures, population, progress
from tests.faults.conftest import SETTLE_SECONDS, Imported, imported
from tests.faults.containers import watching

SOURCE = "killed_containers"

LEADS = ("marketing", progress.LEADS, SOURCE)
DEALS = ("sales", progress.DEALS, SOURCE)

# Who is killed when marketing has so many leads, one after the other: each is back before the next goes.
WITH_LEADS = {
    "marketing-api": 300,
    "postgres": 700,
    "marketing-worker": 1200,
    "kafka": 1600,
    "handoff-worker": 2200,
    "handoff-api": 2800,
    "sales-worker": 3400,
    "distribution-api": 4000,
}
# Who is killed when sales has so many deals, which do not take long.
WITH_DEALS = {"sales-api": 60, "distribution-worker": 200}


async def test_each_container_may_be_killed_under_a_running_import(
    deployment: Deployment, undisturbed: Imported, files: list[str], tmp_path: Path, note: Callable[[str], None]
) -> None:
    assert {*WITH_LEADS, *WITH_DEALS} == {*PARTS}
    before, first, starts = await figures.read(deployment), deployment.pids(), restarts(deployment)
    begun = time.monotonic()
    back: dict[str, float] = {}
    # Small batches: many transactions to be killed in, and time to kill in.
    command = (*files, "--mapping", str(population.mapping(tmp_path, SOURCE)), "--batch", "2")
    with progress.importing(deployment, *command) as running:
        for part, enough in WITH_LEADS.items():
            inits, pids = deployment.inits(), deployment.pids()
            await progress.reached(deployment, running, LEADS, enough)
            compose.kill(pids[part])
            assert running.poll() is None, f"{part} was killed when all was over"
            back[part] = await until_restarted(deployment, part, inits) + await watching.until_all_healthy(deployment)
        inits, pids = deployment.inits(), deployment.pids()
        for part, enough in WITH_DEALS.items():
            await progress.reached(deployment, running, DEALS, enough)
            compose.kill(pids[part])
            assert running.poll() is None, f"{part} was killed when all was over"
        for part in WITH_DEALS:
            back[part] = await until_restarted(deployment, part, inits)
        await progress.ended(running)
    ended = time.monotonic()
    await watching.until_all_healthy(deployment)
    took = await figures.settle(deployment, seconds=SETTLE_SECONDS)
    after = await imported(deployment, SOURCE, before)
    note(
        f"containers killed: 10 kills in {ended - begun:.0f} s of import, {after.repeated} events repeated; settled in {took:.1f} s; "
        "ready again after " + ", ".join(f"{part} {seconds:.1f} s" for part, seconds in back.items())
    )
    assert comparing.fields(after.figures) > 60
    assert list(comparing.differences(undisturbed.figures, after.figures)) == []
    assert list(comparing.differences(undisturbed.report, after.report)) == []
    now = deployment.pids()
    assert all(first[part] != now[part] for part in PARTS)
    assert {part: count - starts[part] for part, count in restarts(deployment).items()} == dict.fromkeys(PARTS, 1)


async def test_a_container_whose_init_is_killed_comes_back_too(deployment: Deployment) -> None:
    await watching.until_all_healthy(deployment)
    before, inits = deployment.pids(), deployment.inits()
    deployment.kill_inits("sales-worker")
    await until_restarted(deployment, "sales-worker", inits)
    await watching.until_all_healthy(deployment)
    after = deployment.pids()
    assert {part for part in PARTS if before[part] != after[part]} == {"sales-worker"}


async def until_restarted(deployment: Deployment, part: str, before: dict[str, int]) -> float:
    """Waits until the engine has started the container again, and says how long it took. It notices a death some time after it."""
    return await watching.until(lambda: deployment.inits().get(part, before[part]) != before[part], deployment.unhealthy, 60)


def restarts(deployment: Deployment) -> dict[str, int]:
    """How often the engine has started each container again by its own policy."""
    return {part: told["RestartCount"] for part, told in deployment.inspect().items()}
