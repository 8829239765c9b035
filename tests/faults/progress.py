"""How far an import has come, asked of the databases while it is at work."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults import figures
from tests.stack import Stack

LEADS = "SELECT count(*) FROM leads WHERE source = $1"
LEARNED = "SELECT count(*) FROM leads WHERE source_code = $1"
DEALS = "SELECT count(*) FROM deals WHERE source = $1"

Asked = tuple[str, str, str]
"""Which service's database is asked, for what, and about which source."""


async def reached(stack: Stack, running: subprocess.Popen[str], asked: Asked, enough: int, *, seconds: float = 120) -> None:
    """The import has come so far, and is still at work."""
    service, query, source = asked
    until = time.monotonic() + seconds
    while await figures.number(stack, service, query, source) < enough:
        assert running.poll() is None, f"the import ended before {service} had {enough}"
        assert time.monotonic() < until, f"{service} did not get to {enough}"
        await asyncio.sleep(0.01)


@contextmanager
def importing(stack: Stack, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """An import at work while inside; it is ended if the inside fails before it has come to its end."""
    with stack.start("import", *arguments) as running:
        try:
            yield running
        finally:
            running.kill()  # nothing, after its end


async def ended(running: subprocess.Popen[str], *, seconds: float = 240) -> None:
    """The import comes to its end, has told of no error, and has rejected nothing."""
    output, errors = await asyncio.to_thread(running.communicate, timeout=seconds)
    assert running.returncode == 0, output + errors
    assert "rejected" not in output
