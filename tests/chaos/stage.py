"""What a fault is played on: the running site, chance, and the log in which each fault stands with the evidence that it bit."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import asyncpg

from tests.chaos.site import SERVICES, Member, Site, wait_until

T = TypeVar("T")

ASK_SECONDS: Final = 15.0


def moment() -> dict[str, float]:
    """Now, by both clocks."""
    return {"mono": time.monotonic(), "wall": time.time()}


@dataclass(slots=True, kw_only=True)
class Entry:
    """A fault while it is played. What is put into `demands` must be true, or the run has failed."""

    name: str
    target: str
    begin: dict[str, float] = field(default_factory=moment)
    end: dict[str, float] | None = None
    evidence: dict[str, Any] = field(default_factory=dict)
    expects: dict[str, Any] = field(default_factory=dict)
    demands: dict[str, bool] = field(default_factory=dict)

    def healed(self) -> None:
        """From now on everything must recover; what follows only looks."""
        self.end = moment()

    def demand(self, what: str, holds: bool) -> None:
        """Something that the fault itself must show, beside what holds at the end of the run."""
        self.demands[what] = self.demands.get(what, True) and holds

    def line(self) -> dict[str, Any]:
        """As it stands in the log."""
        end = self.end or moment()
        return {
            "fault": self.name,
            "target": self.target,
            "begin": self.begin,
            "end": end,
            "evidence": self.evidence,
            "expects": self.expects,
            "demands": self.demands,
        }


@dataclass(slots=True, kw_only=True)
class Stage:
    """One run's site and chance. `thorough`: faults last as long as their description says; else as long as shows their effect."""

    site: Site
    chance: random.Random
    log: Path
    thorough: bool = False
    played: list[Entry] = field(default_factory=list)
    afterwards: list[Callable[[], None]] = field(default_factory=list)
    """What is waited for when all faults are over, since it takes its time."""

    @contextmanager
    def fault(self, name: str, target: str) -> Iterator[Entry]:
        """A fault lasts as long as the inside, unless `healed` was said; then it is written down, whatever became of it."""
        entry = Entry(name=name, target=target)
        self.played.append(entry)
        try:
            yield entry
        finally:
            with self.log.open("a") as log:
                log.write(json.dumps(entry.line()) + "\n")

    def seconds(self, full: float, brief: float) -> float:
        """How long something lasts in this run."""
        return full if self.thorough else brief

    def service(self) -> str:
        """One of the four, by chance."""
        return self.chance.choice(SERVICES)

    def pause(self, least: float, most: float) -> None:
        """Lets some time pass, by chance."""
        time.sleep(self.chance.uniform(least, most))

    def query(self, database: str, statement: str, *arguments: Any) -> list[dict[str, Any]]:
        """Rows of a database, asked as the superuser. Raises what asyncpg raises."""
        return run(_query(self.site.dsn(database), statement, arguments))

    def positions(self, service: str) -> dict[tuple[str, int], int]:
        """Where PostgreSQL says that a service reads on."""
        rows = self.query(service, "SELECT topic, part, next_offset FROM consumer_offset")
        return {(row["topic"], row["part"]): row["next_offset"] for row in rows}

    def wait_caught_up(self, member: Member, seconds: float = 60.0) -> None:
        """Waits until a worker has read what there is and published what it has. Raises SiteFailed."""
        wait_until(lambda: lag(member) < 1.0, seconds, f"{member.name} did not catch up")

    def kill_and_wait(self, member: Member) -> dict[str, int]:
        """Kills a process at once and waits for its next life; the numbers of both."""
        former = member.pid
        self.site.end(member, signal.SIGKILL)
        return {"killed_pid": former, "new_pid": self.site.wait_new(member, former)}

    def end_at(self, member: Member, point: str, *, within: float = 60.0, meanwhile: Callable[[], object] | None = None) -> int:
        """Kills a process, lets its next life end at a named point, and returns that life's exit code. Raises SiteFailed if it lives on.

        `meanwhile` brings it there, once it is ready.
        """
        self.site.wait_new(member, 0)  # a life that is about to begin would be the one with the point, and end too soon
        member.once = {"BATON_FAIL_POINT": point}
        former, exits = member.pid, len(member.exits)
        self.site.end(member, signal.SIGKILL)
        self.site.wait_new(member, former)
        if meanwhile is not None:
            self.site.wait_ready([member])
            meanwhile()
        wait_until(lambda: len(member.exits) > exits + 1, within, f"{member.name} never came to {point}")
        return member.exits[exits + 1]


def lag(member: Member) -> float:
    """For how many seconds the oldest event waits in a worker, whether to be published or to be applied; infinite if it does not tell."""
    status, text = member.ask("/metrics")
    if not status:
        return float("inf")
    names = ("baton_outbox_oldest_unpublished_seconds ", "baton_consumer_lag_seconds ")
    return max(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(names))


def run(work: Coroutine[Any, Any, T]) -> T:
    """Awaits something on a loop of its own, for at most some seconds."""

    async def limited() -> T:
        async with asyncio.timeout(ASK_SECONDS):
            return await work

    return asyncio.run(limited())


async def _query(dsn: str, statement: str, arguments: tuple[Any, ...]) -> list[dict[str, Any]]:
    connection = await asyncpg.connect(dsn, timeout=5)
    try:
        return [dict(row) for row in await connection.fetch(statement, *arguments)]
    finally:
        connection.terminate()
