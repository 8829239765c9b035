"""The three data sets in a running Baton: imported one after the other, or begun, killed and resumed in another order."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from baton import client as api
from tests import stack as stacks
from tests.data import folder as folders
from tests.data import maven, olist, scms
from tests.stack import Stack

MAPPINGS = stacks.PROJECT / "mappings"
IMPORT_SECONDS = 600
HALF_WAY_SECONDS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfWay:
    """A count of a service's figures that shows how far an import is, and at how much of it the import is killed."""

    service: str
    path: str
    count: str
    kill_at: int
    whole: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A data set: its files, and where it is half-way through."""

    files: Sequence[str]
    half_way: HalfWay


SOURCES: Mapping[str, Source] = {
    "olist": Source(
        files=olist.FILES,
        half_way=HalfWay(service="distribution", path="/v1/metrics/fulfilment", count="approved", kill_at=2_000, whole=20_332),
    ),
    "scms": Source(
        files=scms.FILES,
        half_way=HalfWay(service="distribution", path="/v1/metrics/fulfilment", count="lines", kill_at=2_500, whole=6_507),
    ),
    "maven": Source(
        files=maven.FILES,
        half_way=HalfWay(service="sales", path="/v1/metrics/pipeline", count="count", kill_at=2_500, whole=8_800),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A Baton with all data sets in it, what the imports printed, and what was asked of it so far."""

    stack: Stack
    data: Path
    printed: dict[str, str] = field(default_factory=dict)
    told: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)
    listed: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def report(self, *question: str) -> dict[str, Any]:
        """A report as programs read it; each is asked for once."""
        if question not in self.told:
            self.told[question] = self.report_anew(*question)
        return self.told[question]

    def report_anew(self, *question: str) -> dict[str, Any]:
        """The same, as it is now."""
        return json.loads(self.stack.run("report", *question, "--json"), parse_float=Decimal)

    def lines(self, source: str) -> list[dict[str, Any]]:
        """Every line of every order of a source as distribution lists them, and an item for every order without one; asked for once."""
        if source not in self.listed:
            self.listed[source] = asyncio.run(self._lines(source))
        return self.listed[source]

    async def _lines(self, source: str) -> list[dict[str, Any]]:
        asked = {"source": source, "page_size": 1000}
        async with self.stack.client("test-data", {"distribution": ["reader"]}) as client:
            return [item async for page in client.pages("distribution", "/v1/metrics/fulfilment/lines", asked) for item in page["items"]]


def run(baton: Imported, source: str) -> str:
    """Import a data set, its files in their order; gives what was printed."""
    return baton.stack.run(*_command(baton, source), seconds=IMPORT_SECONDS)


def one_after_the_other(baton: Imported) -> None:
    """Each as it should be done."""
    for source in SOURCES:
        baton.printed[source] = run(baton, source)


def killed_half_way(baton: Imported) -> None:
    """Each begun and killed, then resumed in another order than that in which they began."""
    for source in ("maven", "scms", "olist"):
        kill(baton, source)
    for source in ("scms", "maven", "olist"):
        baton.printed[source] = baton.stack.run(*_backwards(baton, source), seconds=IMPORT_SECONDS)


def kill(baton: Imported, source: str) -> None:
    """Begin an import and end it with kill -9 when it is half-way through. AssertionError if it was not."""
    half_way = SOURCES[source].half_way
    running = baton.stack.start(*_backwards(baton, source))
    stacks.until_true(lambda: counted(baton, source) >= half_way.kill_at, HALF_WAY_SECONDS, running)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert half_way.kill_at <= counted(baton, source) < half_way.whole


def counted(baton: Imported, source: str) -> int:
    """How far the import of a source is now."""
    half_way = SOURCES[source].half_way

    async def ask() -> int:
        async with baton.stack.client("test-data", {half_way.service: ["reader"]}) as client:
            return (await client.get(half_way.service, half_way.path, {"source": source}))["total"][half_way.count]

    try:
        return asyncio.run(ask())
    except api.ApiError:  # before the source is known
        return 0


def settle(baton: Imported, deals: int) -> None:
    """Return when marketing has heard of that many won deals of the marketplace and nothing more is told by anybody."""
    baton.stack.settled_funnel("olist", deals)
    baton.stack.settled_events(seconds=HALF_WAY_SECONDS)


def timed(baton: Imported, way: Callable[[Imported], None]) -> float:
    """Seconds that a way of importing took."""
    begun = time.monotonic()
    way(baton)
    return time.monotonic() - begun


def _command(baton: Imported, source: str) -> list[str]:
    return ["import", *folders.paths(baton.data, SOURCES[source].files), "--mapping", str(MAPPINGS / f"{source}.toml")]


def _backwards(baton: Imported, source: str) -> list[str]:
    """The files named the other way round, and in batches so small that half-way can be met."""
    files = folders.paths(baton.data, tuple(reversed(SOURCES[source].files)))
    return ["import", *files, "--mapping", str(MAPPINGS / f"{source}.toml"), "--batch", "200"]
