"""Tells the relay of another process that something committed: one NOTIFY, after the commit, for all commits of 5 ms."""

from __future__ import annotations

import asyncio

import asyncpg
import structlog

from shared.db import failures
from shared.outbox.relay import CHANNEL

log = structlog.get_logger()

GATHER_SECONDS = 0.005


class Notifier:
    """For processes without a relay. A lost notice costs at most the relay's idle wait (200 ms)."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._committed = asyncio.Event()

    def wake(self) -> None:
        """Says that a transaction with events has committed."""
        self._committed.set()

    async def run(self) -> None:
        """Sends notices until cancelled; connects again after an error."""
        while True:
            try:
                connection = await asyncpg.connect(self._dsn, timeout=3, command_timeout=3)
                try:
                    while True:
                        await self._committed.wait()
                        await asyncio.sleep(GATHER_SECONDS)
                        self._committed.clear()
                        await connection.execute(f"NOTIFY {CHANNEL}")
                finally:
                    connection.terminate()
            except (asyncpg.PostgresError, *failures.PASSING) as error:
                log.warning("notifier_interrupted", error=type(error).__name__)
                await asyncio.sleep(1)
