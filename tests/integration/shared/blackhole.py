"""`python -m tests.integration.shared.blackhole FOLDER [bug]`: a service, then silence between it and PostgreSQL, then none.

To be run in a network namespace of its own, where the packet filter is nobody else's. What was seen is written to FOLDER/seen.json.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import httpx2

from baton.local import servers as local
from baton.ops import tokens
from shared.db import migrating
from shared.db.transaction import Database
from shared.ids import new_id
from shared.runtime import topics
from tests import kit
from tests.chaos.site import HOOK
from tests.integration.shared import sample, traffic
from tests.integration.shared.processes import Process, Site
from tests.integration.shared.waiting import until
from tests.promises import variants
from tests.promises.variants import Edit

PREFIX = "silence."
SILENT_SECONDS = 12.0
CALLERS = 10
"""As many as the pool has connections."""

WAVES = 10
PATIENCE_SECONDS = 40.0

TRANSACTION = "shared.db.transaction"
GIVEN_UP = """                    sent = await tx.flush()
            except asyncio.CancelledError:
                await asyncio.shield(connection.invalidate())
"""
BUGS = {
    "careless": (
        Edit(module="shared.http.edge", old="REQUEST_SECONDS = 5.0", new="REQUEST_SECONDS = 15.0"),
        Edit(module=TRANSACTION, old='"command_timeout": seconds, ', new=""),
        Edit(module=TRANSACTION, old=GIVEN_UP, new=GIVEN_UP + "                _LEFT_OPEN.extend(open(__file__) for _ in range(3))\n"),
        Edit(module=TRANSACTION, old="_NOW = select(func.now())\n", new="_NOW = select(func.now())\n_LEFT_OPEN = []\n"),
    )
}
"""A service without its measures against silence: it waits too long, and leaves something open each time.

Three files for one connection given up: a pool that has not grown again yet does not hide them.
"""


@dataclass(slots=True, kw_only=True)
class Seen:
    """Statuses and how often each came (0: no answer), and times in seconds. `later`: after it had served a whole wave again."""

    silent: Counter[int] = field(default_factory=Counter)
    silent_slowest: float = 0.0
    silent_ready: Counter[int] = field(default_factory=Counter)
    packets_dropped: int = 0
    ready_after: float = 0.0
    served_after: float = 0.0
    later: Counter[int] = field(default_factory=Counter)
    files_before: int = 0
    files_after: int = 0
    lost: int = 0
    restarted: bool = False


@dataclass(frozen=True, slots=True)
class Callers:
    """As many callers at once as there are connections; what they connect by ends with each call."""

    client: httpx2.AsyncClient
    process: Process
    token: str
    acknowledged: list[UUID] = field(default_factory=list)

    async def wave(self) -> list[tuple[int, float]]:
        """Status (0: no answer at all) and time of one call of each."""
        return await asyncio.gather(*(self._call() for _ in range(CALLERS)))

    async def _call(self) -> tuple[int, float]:
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": str(new_id()), "Connection": "close"}
        begun, status = time.monotonic(), 0
        with suppress(httpx2.TransportError):
            answer = await self.client.post(f"http://127.0.0.1:{self.process.port}/v1/notes", json={"text": "a"}, headers=headers)
            status = answer.status_code
            if status == 201:
                self.acknowledged.append(UUID(answer.json()["note_id"]))
        return status, time.monotonic() - begun

    async def served(self) -> bool:
        """Whether each of a wave is served."""
        return {status for status, _ in await self.wave()} == {201}


class NoPacketFilter(Exception):  # noqa: N818  a fact about the machine
    """Packets cannot be dropped here."""


@contextmanager
def dropped(port: int) -> Iterator[Counter[str]]:
    """Nothing reaches that port or comes from there; afterwards the counter has how many packets tried. Raises NoPacketFilter."""
    hit: Counter[str] = Counter()
    sides = ("--dport", "--sport")
    rules = [["INPUT", "-i", "lo", "-p", "tcp", side, str(port), "-j", "DROP"] for side in sides]
    try:
        for rule in rules:
            iptables("-A", *rule)
        yield hit
        for line in iptables("-nvxL", "INPUT").splitlines():
            if "DROP" in line:
                hit["packets"] += int(line.split()[0])
    finally:
        for rule in rules:
            iptables("-D", *rule)


def iptables(*arguments: str) -> str:
    try:
        done = subprocess.run(["iptables", "-w", "5", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise NoPacketFilter("packets are dropped by iptables, which is not installed") from None
    if done.returncode:
        raise NoPacketFilter(f"iptables cannot be used here, be root or have user namespaces: {done.stderr.strip()}")
    return done.stdout


async def play(folder: Path, bug: str) -> Seen:
    """The whole scenario. Raises NoPacketFilter."""
    iptables("-nL", "INPUT")
    servers = local.start(folder / "state")
    service, url = sample.service(), servers.database_url("sales", "sales")
    await migrating.migrate(service.folder, url)
    await topics.provision(servers.kafka, service.name, topic_prefix=PREFIX, replication=1)
    tokens.keygen(folder / "keys")
    token = tokens.issue(folder / "keys", issuer=kit.ISSUER, roles=["writer"], sub="somebody", aud=service.name, ttl_seconds=3600)
    site = Site(servers, url, folder / "keys", folder, PREFIX)
    planted: dict[str, str | None] = {
        "PYTHONPATH": os.pathsep.join((str(HOOK), str(Path.cwd()))),
        **variants.environment(BUGS.get(bug, ())),
    }
    seen = Seen()
    async with site.role("all", ready=True, **planted) as process, httpx2.AsyncClient(timeout=PATIENCE_SECONDS) as client:
        callers = Callers(client, process, token)
        await until(callers.served)
        await until(callers.served)
        seen.files_before = await settled_files(process)
        with dropped(servers.kept.ports["postgres"]) as hit:
            await silence(process, callers, seen)
        seen.packets_dropped = hit["packets"]
        await recovery(process, callers, seen)
        seen.lost = await never_applied(url, callers.acknowledged)
        seen.files_after = await settled_files(process, at_most=seen.files_before)
        seen.restarted = process.started.returncode is not None
    return seen


async def silence(process: Process, callers: Callers, seen: Seen) -> None:
    """Waves of calls, and looks at its readiness, while nothing reaches PostgreSQL or comes from there."""
    ends = time.monotonic() + SILENT_SECONDS
    while time.monotonic() < ends:
        wave, (status, _) = await asyncio.gather(callers.wave(), process.ready())
        seen.silent_ready[status] += 1
        seen.silent.update(status for status, _ in wave)
        seen.silent_slowest = max(seen.silent_slowest, *(seconds for _, seconds in wave))


async def recovery(process: Process, callers: Callers, seen: Seen) -> None:
    """How long until it is ready, until it serves, and whether it then goes on to."""
    begun = time.monotonic()
    await until(process.is_ready, seconds=PATIENCE_SECONDS)
    seen.ready_after = time.monotonic() - begun
    await until(callers.served, seconds=PATIENCE_SECONDS)
    seen.served_after = time.monotonic() - begun
    for _ in range(WAVES):
        seen.later.update(status for status, _ in await callers.wave())


async def settled_files(process: Process, *, at_most: int = sys.maxsize) -> int:
    """How many files and sockets the process has open, once that is stable and not above a figure, or after 20 s whatever it is."""
    limit, last = time.monotonic() + 20, -1
    while True:
        found = len(os.listdir(f"/proc/{process.started.pid}/fd"))
        if (found == last and found <= at_most) or time.monotonic() > limit:
            return found
        last = found
        await asyncio.sleep(0.5)


async def never_applied(url: str, acknowledged: list[UUID]) -> int:
    """How many of the acknowledged writes have had no effect at the consumer, after up to a minute; each has had it once."""
    own = Database(url, service="sales")
    limit = time.monotonic() + PATIENCE_SECONDS
    try:
        while True:
            effects = Counter(one.subject for one in await traffic.seen(own))
            lost = sum(1 for note_id in acknowledged if effects[note_id] != 1)
            if not lost or time.monotonic() > limit:
                return lost
            await asyncio.sleep(0.2)
    finally:
        await own.close()


def main(folder: Path, bug: str) -> None:
    """Plays and writes down."""
    try:
        seen = asyncio.run(play(folder, bug))
        (folder / "seen.json").write_text(json.dumps({name: getattr(seen, name) for name in Seen.__slots__}))
    except NoPacketFilter as error:
        (folder / "seen.json").write_text(json.dumps({"impossible": str(error)}))
    finally:
        local.destroy(folder / "state")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
