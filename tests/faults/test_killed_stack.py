"""kill -9 of everything at once, databases and broker too: whatever was acknowledged is there after `baton up`."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from uuid import UUID

from tests.faults import figures, known, load, population, topics
from tests.faults.conftest import SETTLE_SECONDS
from tests.stack import PARTS, Stack

SOURCE = "killed_stack"
ENOUGH = 400
WRITERS = 6


async def test_what_was_acknowledged_outlives_everything(stack: Stack, note: Callable[[str], None]) -> None:
    await load.register(stack, SOURCE)
    before = stack.pids()
    order = random.Random(population.SEED).sample(PARTS, len(PARTS))
    async with load.running(stack, [load.lead(SOURCE) for _ in range(WRITERS)]) as writers:
        begun = time.monotonic()
        while sum(write.acknowledged for write in writers.writes) < ENOUGH:
            assert time.monotonic() < begun + 60, load.statuses(writers.writes)
            await asyncio.sleep(0.02)
        await asyncio.to_thread(stack.kill, *order)
        assert stack.pids() == {}
        failed = sum(0 in write.statuses for write in writers.writes)
        while sum(0 in write.statuses for write in writers.writes) < failed + WRITERS:
            assert time.monotonic() < begun + 90, "the writers do not notice"
            await asyncio.sleep(0.02)
    told = {write.id for write in writers.writes if write.acknowledged}
    begun = time.monotonic()
    await asyncio.to_thread(stack.run, "up")
    up = time.monotonic() - begun
    after = stack.pids()
    assert set(after) == set(PARTS)
    assert all(after[part] != before[part] for part in PARTS)
    settled = await figures.settle(stack, seconds=SETTLE_SECONDS)

    sent = {write.id for write in writers.writes}
    stored = await known.captured(stack, SOURCE)
    assert told <= stored <= sent
    assert await known.learned(stack, SOURCE) == stored

    unknown = await writers.resend_unknown()
    assert len(unknown) >= WRITERS
    assert all(write.acknowledged for write in unknown), [write.statuses for write in unknown if not write.acknowledged]
    await figures.settle(stack, seconds=SETTLE_SECONDS)
    assert await known.captured(stack, SOURCE) == sent
    assert await known.learned(stack, SOURCE) == sent
    log = await topics.read(stack.running.kafka)
    assert list(topics.breaches(log)) == []
    generated = [each for each in log if each.topic == "lead-generated" and UUID(each.subject) in sent]
    assert len({each.id for each in generated}) == len(sent) == len({each.subject for each in generated})
    note(
        f"everything killed: {len(told)} acknowledged leads, all there; {len(unknown)} unknown, {len(stored - told)} of them stored; "
        f"up again after {up:.1f} s, settled {settled:.1f} s later"
    )
