"""T4: two consumers that both hold the same partitions; only the position in PostgreSQL says who applies."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from prometheus_client import REGISTRY

from shared.db.transaction import Database, Transaction
from shared.events.language import Received
from shared.events.sales.offers import LeadAccepted, LeadRejected
from shared.inbox.applying import Applier
from shared.inbox.consumer import Consumer
from tests.integration.shared import sample, traffic
from tests.integration.shared.traffic import relay_of
from tests.integration.shared.waiting import running
from tests.promises import load, reading
from tests.promises.ground import Ground
from tests.promises.verdicts import Findings


class Stalling:
    """A handler that stands still now and then, inside the transaction, so that its consumer is overtaken."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    async def __call__(self, _: Transaction, __: Sequence[Received[Any]]) -> None:
        if self._chance.random() < 0.3:
            await asyncio.sleep(self._chance.random() * 0.1)


def consumer_of(database: Database, bootstrap: str, prefix: str, group: str, chance: random.Random) -> Consumer:
    """A consumer that stalls, alone in its group and so the owner of every partition."""
    stalling = Stalling(chance)
    handlers = {LeadAccepted: [stalling, sample.remember], LeadRejected: [stalling, sample.remember]}
    return Consumer(database, Applier(database, handlers, prefix), bootstrap=bootstrap, group=prefix + group)


async def try_two_owners(ground: Ground, findings: Findings) -> None:
    """T4: with the inbox switched off, each event has exactly one effect, and the position was lost at least once."""
    database, prefix = await ground.database(), await ground.topics()
    bootstrap = ground.servers.kafka
    lost_before = REGISTRY.get_sample_value("baton_cas_lost_total") or 0.0
    owners = [consumer_of(database, bootstrap, prefix, f"{n}", random.Random(ground.seed + n)) for n in range(2)]
    async with running(relay_of(database, bootstrap, prefix)):  # alone, so that the log holds no copy
        committed = await load.write(database, ground.chance, events=2_500 if ground.real else 1_000)
        async with running(*owners):
            committed += await load.write(database, ground.chance, events=500, subjects=10)
            findings.claim(await reading.caught_up(database, bootstrap, prefix), "the owners do not come to the end")
    effects = await effects_of(database)
    records = len(await traffic.read_log(bootstrap, prefix))
    if records != committed.total():
        raise RuntimeError(f"the log has {records} records for {committed.total()} events: nothing can be said of the consumers")
    lost = (REGISTRY.get_sample_value("baton_cas_lost_total") or 0.0) - lost_before
    findings.checked = committed.total()
    findings.count(events=committed.total(), effects=len(effects), cas_lost=lost)
    findings.claim(lost > 0, "the owners never met")
    compare_effects(findings, effects, committed)


async def effects_of(database: Database) -> list[UUID]:
    """The event ids of all effects."""
    return [one.event_id for one in await traffic.seen(database)]


def compare_effects(findings: Findings, effects: Sequence[UUID], committed: Counter[UUID]) -> None:
    """Each event has one effect: counted, since the table of effects has no key that would refuse a second."""
    times = Counter(effects)
    findings.claim(len(times) >= committed.total(), f"{committed.total() - len(times)} events without an effect")
    doubled = sum(1 for count in times.values() if count > 1)
    findings.claim(not doubled, f"{doubled} events had their effect more than once")
