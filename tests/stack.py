"""A running Baton of its own, spoken to by its command line as a user would, and broken where a test asks for it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from baton import client as api
from baton.local import processes, servers
from baton.local import state as states
from baton.world import settling
from tests import containers

PROJECT = Path(__file__).resolve().parents[1]
PARTS = (*states.SERVERS, *states.SERVICES)
QUIET_SECONDS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """An installation with its state folder."""

    state: Path

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin a `baton` command in the state folder."""
        return subprocess.Popen(
            [sys.executable, "-m", "baton", *arguments],
            cwd=self.state,
            env={**os.environ, "BATON_STATE": str(self.state), "PYTHONPATH": str(PROJECT), "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, seconds: float = 300) -> str:
        """A `baton` command that must end well; gives what it printed."""
        process = self.start(*arguments)
        output, errors = process.communicate(timeout=seconds)
        assert process.returncode == 0, f"baton {' '.join(arguments)} ended with {process.returncode}:\n{output}\n{errors}"
        return output

    @property
    def running(self) -> servers.Servers:
        """Where PostgreSQL and Kafka are."""
        return servers.Servers(kept=states.get(self.state))

    @property
    def profile(self) -> dict[str, Any]:
        """What `baton up` wrote down for clients."""
        return json.loads((self.state / api.PROFILE).read_bytes())

    def client(self, subject: str, roles: Mapping[str, Sequence[str]], *, patience: float = 30.0) -> api.Client:
        """A caller with these roles per service, to be used as an async context manager."""
        return api.Client(api.find_site(self.state, {}), roles=roles, subject=subject, patience=patience)

    def pids(self) -> dict[str, int]:
        """The process of every part that runs."""
        kept = states.get(self.state)
        return {part: process.pid for part in PARTS if (process := servers.running(kept, part))}

    def kill(self, *parts: str) -> None:
        """kill -9 of running parts, all at once; returns when they are gone."""
        kept = states.get(self.state)
        found = {part: servers.running(kept, part) for part in parts}
        ended = [process for process in found.values() if process]
        assert len(ended) == len(parts), f"not running before the kill: {[part for part, process in found.items() if not process]}"
        for process in ended:
            processes.send(process, signal.SIGKILL)
        for process in ended:
            assert processes.wait_gone(process, 10), f"process {process.pid} outlives kill -9"

    def funnel(self, source: str, by: str = "origin") -> dict[str, Any]:
        """The funnel report as programs read it."""
        return json.loads(self.run("report", "funnel", "--source", source, "--by", by, "--json"), parse_float=Decimal)

    def settled_funnel(self, source: str, deals: int, by: str = "origin", seconds: float = 120) -> dict[str, Any]:
        """The report once marketing has heard of that many won deals, or the last one before the time was over."""
        until = time.monotonic() + seconds
        while True:
            report = self.funnel(source, by)
            if report["total"]["won_deals"] >= deals or time.monotonic() > until:
                return report
            time.sleep(0.5)

    def count_leads(self, source: str) -> int:
        """How many leads of a source marketing has now."""

        async def ask() -> int:
            async with self.client("test-data", {"marketing": ["reader"]}) as client:
                return (await client.get("marketing", "/v1/metrics/funnel", {"source": source}))["total"]["leads"]

        try:
            return asyncio.run(ask())
        except api.ApiError:  # the source is registered by the import's first request
            return 0

    def settled_events(self, seconds: float = 120) -> dict[str, int]:
        """How many events each topic has seen, once no more have come for some seconds."""
        until, since = time.monotonic() + seconds, time.monotonic()
        last = asyncio.run(self._events())
        while time.monotonic() - since < QUIET_SECONDS:
            time.sleep(0.5)
            now = asyncio.run(self._events())
            if now != last:
                assert time.monotonic() < until, f"events keep coming: {last} became {now}"
                last, since = now, time.monotonic()
        return last

    async def _events(self) -> dict[str, int]:
        return await settling.count_events(self.profile["kafka"])


@contextmanager
def installed(name: str) -> Iterator[Stack]:
    """Four services with servers of their own, started for one run of tests and removed after it; in containers if the run says so."""
    if containers.backend() == "containers":
        from tests import compose

        with compose.installed(name) as deployment:
            yield deployment
        return
    folder = Path(tempfile.mkdtemp(prefix=f"baton-{name}-"))
    stack = Stack(state=folder)
    try:
        stack.run("up", seconds=600)
        yield stack
    finally:
        stack.start("stop").communicate(timeout=120)
        servers.destroy(folder)
        shutil.rmtree(folder, ignore_errors=True)


def until_true(condition: Callable[[], bool], seconds: float, process: subprocess.Popen[str]) -> None:
    """Return when the condition holds; fail when the process ends or the time is over before."""
    until = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "the command ended before it could be killed"
        assert time.monotonic() < until, f"did not come to pass within {seconds} s"
        time.sleep(0.05)
