"""Servers of a test's own that it may stop, start and freeze, embedded or in containers as the run has it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import asyncpg

from baton.local import processes
from baton.local import servers as local
from baton.local.kafka import run
from baton.local.servers import Servers
from baton.local.state import State
from tests import containers

GONE_SECONDS = 20.0


class Breakable(Protocol):
    """PostgreSQL and Kafka, each of which goes and comes back with its contents and its port."""

    @property
    def servers(self) -> Servers: ...

    def stop_postgres(self) -> None: ...

    def start_postgres(self) -> None: ...

    def stop_kafka(self) -> None: ...

    def start_kafka(self) -> None: ...

    def hanging_postgres(self) -> AbstractContextManager[None]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """The embedded servers."""

    folder: Path
    servers: Servers

    def stop_postgres(self) -> None:
        """Stop PostgreSQL alone."""
        local.stop_postgres(self.folder)

    def start_postgres(self) -> None:
        """Start PostgreSQL again and wait until it answers."""
        local.start_postgres(self.folder)

    def stop_kafka(self) -> None:
        """Stop Kafka alone."""
        local.stop_kafka(self.folder)

    def start_kafka(self) -> None:
        """Start Kafka again and wait until it answers."""
        local.start_kafka(self.folder)

    @contextmanager
    def hanging_postgres(self) -> Iterator[None]:
        """PostgreSQL neither answers nor closes a connection while inside."""
        hanging = [*run(_sessions(self.servers)), _running(self.servers.kept, "postgres").pid]
        for pid in hanging:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in hanging:
                os.kill(pid, signal.SIGCONT)


@contextmanager
def installation(folder: Path) -> Iterator[Breakable]:
    """Servers for whoever breaks them, removed at the end."""
    if containers.backend() == "containers":
        with containers.running(folder) as pair:
            yield pair
        return
    try:
        yield Embedded(folder=folder, servers=local.start(folder))
    finally:
        local.destroy(folder)


def kill(kept: State, part: str, number: signal.Signals = signal.SIGKILL) -> int:
    """Ends an embedded server by a signal; its number. Back when it is gone, so that whoever starts it does not find it running."""
    process = _running(kept, part)
    processes.send(process, number)
    assert processes.wait_gone(process, GONE_SECONDS), f"{part} outlives {number.name}"
    return process.pid


@contextmanager
def frozen(kept: State, part: str) -> Iterator[None]:
    """An embedded server neither answers nor closes a connection while inside."""
    process = _running(kept, part)
    processes.send(process, signal.SIGSTOP)
    try:
        yield
    finally:
        processes.send(process, signal.SIGCONT)


def _running(kept: State, part: str) -> processes.Process:
    process = local.running(kept, part)
    assert process is not None, f"{part} does not run"
    return process


async def _sessions(servers: Servers) -> list[int]:
    connection = await asyncpg.connect(servers.postgres_dsn())
    try:
        found = await connection.fetch("SELECT pid FROM pg_stat_activity WHERE datname <> 'postgres'")
        return [row["pid"] for row in found]
    finally:
        await connection.close()
