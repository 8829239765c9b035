"""A look each second at what every process says of itself, and at how many connections each database has."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import asyncpg
import httpx2

from tests.chaos.checker.evidence import SERVICES, Sample
from tests.chaos.checker.targets import Targets

SECOND = 1.0
WANTED = (
    "baton_outbox_oldest_unpublished_seconds",
    "baton_consumer_lag_seconds",
    "baton_relay_is_leader",
    "baton_relay_blocked",
    "baton_inbox_duplicates_total",
    "baton_cas_lost_total",
    "baton_sequence_gaps_total",
    "baton_held_keys",
    "baton_e2e_latency_seconds_count",
    "baton_log_truncated_total",
    "baton_relay_producer_abandoned_total",
    "process_open_fds",
    "process_resident_memory_bytes",
)


@dataclass(slots=True, kw_only=True)
class Watch:
    """All samples so far. `texts`: the last metrics of each process as they were, to be searched for secrets."""

    targets: Targets
    path: Path
    samples: list[Sample] = field(default_factory=list)
    texts: dict[str, bytes] = field(default_factory=dict)
    stopping: bool = False

    async def run(self) -> None:
        """Looks until it is stopped. A process that does not answer gives a sample that says so."""
        async with httpx2.AsyncClient(timeout=2.0, trust_env=False) as http:
            with self.path.open("w", encoding="utf-8") as file:
                while not self.stopping:
                    begun = time.monotonic()
                    for sample in await self.look(http):
                        self.samples.append(sample)
                        file.write(json.dumps(asdict(sample)) + "\n")
                    await asyncio.sleep(max(0.0, begun + SECOND - time.monotonic()))

    async def look(self, http: httpx2.AsyncClient) -> list[Sample]:
        """One sample of each process and of each database."""
        asked = [
            self._process(http, service, address, spare)
            for service in SERVICES
            for spare, addresses in ((False, self.targets.services[service].internal), (True, self.targets.services[service].spare))
            for address in addresses
        ]
        found = await asyncio.gather(*asked)
        return [*found, *await asyncio.gather(*(self._database(service) for service in SERVICES))]

    async def not_ready(self) -> list[str]:
        """Processes that do not say that they are ready."""
        async with httpx2.AsyncClient(timeout=2.0, trust_env=False) as http:
            found = await self.look(http)
        return [f"{sample.service} at {sample.address}" for sample in found if not sample.ready and not sample.spare]

    async def _process(self, http: httpx2.AsyncClient, service: str, address: str, spare: bool) -> Sample:
        at = time.monotonic()
        try:
            ready = await http.get(f"{address}/readyz")
            metrics = await http.get(f"{address}/metrics")
        except httpx2.HTTPError:
            return Sample(at=at, service=service, address=address, spare=spare, ready=False)
        self.texts[address] = metrics.content
        return Sample(
            at=at, service=service, address=address, spare=spare, ready=ready.status_code == 200, figures=figures(metrics.text, WANTED)
        )

    async def _database(self, service: str) -> Sample:
        at = time.monotonic()
        told: Mapping[str, float] = {}
        try:
            connection = await asyncpg.connect(self.targets.databases[service], timeout=2, command_timeout=2)
            try:
                query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                told = {"connections": float(await connection.fetchval(query))}
            finally:
                await connection.close(timeout=2)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            pass
        return Sample(at=at, service=service, address=f"database of {service}", spare=True, ready=True, figures=told)


def figures(text: str, wanted: Sequence[str]) -> dict[str, float]:
    """The wanted metrics of a Prometheus text, summed over their labels."""
    sums: defaultdict[str, float] = defaultdict(float)
    for line in text.splitlines():
        name = line.partition("{")[0].partition(" ")[0]
        if name in wanted:
            sums[name] += float(line.rpartition(" ")[2])
    return dict(sums)
