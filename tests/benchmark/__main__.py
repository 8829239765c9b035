"""`python -m tests.benchmark`: a Baton of its own is started, measured and removed; takes some minutes, prints a table, writes JSON."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

from baton.client import Client, CommandError
from baton.local import servers
from baton.world import settling
from tests.benchmark import figures, load, machine, usage
from tests.benchmark.figures import Figure
from tests.stack import PARTS, Stack

STARTS = 2
LEADS = 10_000
ORDERS = 5_000
WARM_UP = 2_000
SINGLE_SECONDS = 4.0
CALLERS = 32
ALONE = 100
FOLLOWED = 60
IDLE_SECONDS = 10.0
QUIET_MEMORY_SECONDS = 12.0
LARGE_BODIES = 8
WAIT_SECONDS = 90.0
ROLES = ("importer", "reader")


def main() -> None:
    """Measures, prints, writes; the exit code says only whether it could be measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark", description=__doc__)
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown, for a page")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything to this file")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="how often each load is repeated (default: 3)")
    asked = parser.parse_args()
    measured_on = machine.noise() | machine.versions()
    found = measure(asked.repeat)
    told = "\n".join(f"{name}: {value}" for name, value in measured_on.items())
    sys.stdout.write(figures.markdown(found, measured_on) if asked.markdown else f"{figures.table(found)}\n\n{told}")
    sys.stdout.write("\n")
    if asked.json:
        asked.json.write_text(figures.document(found, measured_on))


def measure(repeat: int) -> list[Figure]:
    """All figures, of an installation that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="baton-benchmark-"))
    stack = Stack(state=folder)
    try:
        found = starts(stack)
        return found + asyncio.run(loads(stack, repeat))
    finally:
        say("removing the installation")
        stack.start("stop").communicate(timeout=120)
        servers.destroy(folder)
        shutil.rmtree(folder, ignore_errors=True)


def starts(stack: Stack) -> list[Figure]:
    """How long `baton up` takes, the first time and later; all runs afterwards."""
    say("starting")
    first = _up(stack)
    later, stops = [], []
    for _ in range(STARTS):
        begun = time.perf_counter()
        stack.run("stop")
        stops.append(time.perf_counter() - begun)
        later.append(_up(stack))
    return [
        Figure(name="start, first (databases and topics made)", unit="s", values=(first,), goal="<= 15"),
        Figure(name="start, later", unit="s", values=tuple(later), goal="<= 15"),
        Figure(name="stop", unit="s", values=tuple(stops)),
    ]


async def loads(stack: Stack, repeat: int) -> list[Figure]:
    """What work costs, from idle to the largest bodies, in an order in which memory can be compared."""
    async with stack.client("benchmark", dict.fromkeys(stack.profile["services"], ROLES), patience=60) as client:
        await load.prepare(client)
        bench = Bench(stack, client, repeat)
        await bench.settle()
        found: list[Figure] = []
        for measured in (bench.idle, bench.passages, bench.singles, bench.lead_batches, bench.order_batches, bench.large_bodies):
            say(measured.__name__.replace("_", " "))
            try:
                found += await measured()
            except (CommandError, load.Refused, TimeoutError) as trouble:
                found.append(
                    Figure(name=measured.__name__.replace("_", " "), unit="", values=(), note=f"{trouble or 'no end in time'}"[:100])
                )
        return found


class Bench:
    """A running Baton and its caller; each method measures one thing and leaves everything consumed."""

    def __init__(self, stack: Stack, client: Client, repeat: int) -> None:
        self._stack = stack
        self._client = client
        self._repeat = repeat
        self._pids = stack.pids()
        self._idle: dict[str, float] = dict.fromkeys(PARTS, 0.0)

    async def settle(self) -> None:
        """Waits until everything is published and consumed, or for 90 s."""
        internal = {name: where["internal_url"] for name, where in self._stack.profile["services"].items()}
        try:
            await settling.settle(internal, seconds=WAIT_SECONDS)
        except CommandError as error:
            say(str(error))

    async def idle(self) -> list[Figure]:
        """Memory and CPU while nothing is asked."""
        before = usage.cpu_seconds(self._pids)
        await asyncio.sleep(IDLE_SECONDS)
        used = usage.difference(usage.cpu_seconds(self._pids), before)
        self._idle = {part: seconds / IDLE_SECONDS for part, seconds in used.items()}
        cpu = [Figure(name=f"idle CPU, {part}", unit="% of a core", values=(share * 100,)) for part, share in self._idle.items()]
        return await self.memory("memory idle") + cpu

    async def memory(self, name: str, *, goal: str = "") -> list[Figure]:
        """PSS per part, after the time in which a process tidies up."""
        await asyncio.sleep(QUIET_MEMORY_SECONDS if goal else 0)
        found = usage.memory_mb(self._pids)
        return [
            Figure(name=f"{name}, {part}", unit="MB", values=(size,), goal=goal if part not in ("postgres", "kafka") else "")
            for part, size in found.items()
        ]

    async def passages(self) -> list[Figure]:
        """One lead from POST to order: times, and CPU per part beyond what it uses idle."""
        kafka = self._stack.profile["kafka"]
        await load.follow_leads(self._client, kafka, 5)
        before, begun = usage.cpu_seconds(self._pids), time.perf_counter()
        ways = await load.follow_leads(self._client, kafka, FOLLOWED)
        seconds = time.perf_counter() - begun
        used = usage.difference(usage.cpu_seconds(self._pids), before)
        cpu = {part: max(0.0, spent - self._idle[part] * seconds) / FOLLOWED * 1000 for part, spent in used.items()}
        return [
            Figure(name="a lead: POST to routed, p50", unit="ms", values=tuple(way.routed * 1000 for way in ways)),
            Figure(name="a lead: POST to order promised, p50", unit="ms", values=tuple(way.promised * 1000 for way in ways)),
            *(Figure(name=f"a lead to its order: CPU, {part}", unit="ms", values=(spent,)) for part, spent in cpu.items()),
        ]

    async def singles(self) -> list[Figure]:
        """Leads that come one by one."""
        rates, alone = [], []
        for _ in range(self._repeat):
            rate, _taken = await load.send_singles(self._client, CALLERS, SINGLE_SECONDS)
            rates.append(rate)
            await self.settle()
            _rate, taken = await load.send_singles(self._client, 1, SINGLE_SECONDS / 4)
            alone.append(figures.percentile(taken, 0.5) * 1000)
            await self.settle()
        return [
            Figure(name=f"POST /leads, {CALLERS} callers", unit="leads/s", values=tuple(rates)),
            Figure(name="POST /leads, one caller, p50", unit="ms", values=tuple(alone)),
        ]

    async def lead_batches(self) -> list[Figure]:
        """Leads as an import sends them, while all services consume what follows."""
        await load.send_batches(self._client, "marketing", "/v1/leads/batch", load.lead, WARM_UP)
        await self.settle()
        rates, consumed = [], []
        costs: dict[str, list[float]] = {part: [] for part in self._pids}
        for _ in range(self._repeat):
            before = usage.cpu_seconds(self._pids)
            rates.append(LEADS / await load.send_batches(self._client, "marketing", "/v1/leads/batch", load.lead, LEADS))
            sent = time.perf_counter()
            await self.settle()
            consumed.append(max(0.0, time.perf_counter() - sent - settling.ROUNDS * settling.ROUND_SECONDS))
            for part, spent in usage.difference(usage.cpu_seconds(self._pids), before).items():
                costs[part].append(spent / LEADS * 1e6)
        return [
            Figure(name="POST /leads/batch, durable, four services consuming", unit="leads/s", values=tuple(rates), goal=">= 2000"),
            Figure(name=f"after {LEADS:,} leads: everything consumed", unit="s later", values=tuple(consumed)),
            *(
                Figure(name=f"CPU per lead in batches, until consumed, {part}", unit="us", values=tuple(found))
                for part, found in costs.items()
            ),
            *await self.memory("memory after the batches", goal="<= 100"),
        ]

    async def order_batches(self) -> list[Figure]:
        """Orders of one line under one blanket deal."""
        make = load.order(await load.blanket_deal(self._client))
        await self.settle()
        rates = []
        for _ in range(self._repeat):
            rates.append(ORDERS / await load.send_batches(self._client, "distribution", "/v1/orders/batch", make, ORDERS))
            await self.settle()
        return [
            Figure(name="POST /orders/batch, one line each, durable", unit="orders/s", values=tuple(rates)),
            *await self.memory("memory after the orders", goal="<= 100"),
        ]

    async def large_bodies(self) -> list[Figure]:
        """What is left of bodies of nearly 2 MiB that came at the same time."""
        answered = await load.send_large(self._client, LARGE_BODIES)
        await self.settle()
        return [
            Figure(name=f"of {LARGE_BODIES} bodies of 2 MiB at once: answered in time", unit="bodies", values=(answered,)),
            *await self.memory("memory after the large bodies", goal="<= 100"),
        ]


def say(what: str) -> None:
    """Progress, beside the table."""
    sys.stderr.write(f"... {what}\n")
    sys.stderr.flush()


def _up(stack: Stack) -> float:
    begun = time.perf_counter()
    stack.run("up", seconds=600)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
