"""A running Baton of its own, spoken to by its command line as a user would."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from baton import client as api
from baton.world import settling

PROJECT = Path(__file__).resolve().parents[2]
QUIET_SECONDS = 4


def data_folder() -> Path:
    """The folder of the real data: BATON_DATA, else ../shared/data beside the project. Its absence fails the test and says what to do."""
    folder = Path(os.environ.get("BATON_DATA") or PROJECT.parent / "shared" / "data").resolve()
    if not (folder / "expected.json").is_file():
        pytest.fail(f"the real data are not at {folder}: set BATON_DATA to the folder that holds expected.json", pytrace=False)
    return folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """An installation with its state folder."""

    state: Path

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin a `baton` command in the state folder."""
        return subprocess.Popen(
            [sys.executable, "-m", "baton", *arguments, "--state", str(self.state)],
            cwd=self.state,
            env={**os.environ, "PYTHONPATH": str(PROJECT), "COLUMNS": "200"},
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
            async with api.Client(api.find_site(self.state, {}), roles={"marketing": ["reader"]}, subject="test-data") as client:
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
        address = json.loads((self.state / "profile.json").read_bytes())["kafka"]
        return await settling.count_events(address)


def until_true(condition: Callable[[], bool], seconds: float, process: subprocess.Popen[str]) -> None:
    """Return when the condition holds; fail when the process ends or the time is over before."""
    until = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "the command ended before it could be killed"
        assert time.monotonic() < until, f"did not come to pass within {seconds} s"
        time.sleep(0.05)


def paths(folder: Path, names: Sequence[str]) -> list[str]:
    """Files of the real data as arguments."""
    return [str(folder / name) for name in names]
