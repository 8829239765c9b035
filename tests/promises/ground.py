"""Where a scenario runs: the servers of the whole run, a database and topics of its own, a seed, and what it is to try."""

from __future__ import annotations

import logging
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from baton.local import servers as local
from baton.local.servers import Servers
from baton.ops import tokens
from shared.db.transaction import Database
from shared.runtime.service import Service
from tests import breaking, kit
from tests.breaking import Breakable
from tests.integration.shared import sample, traffic

TEMPLATE = "promises_template"
"""The migrated database of the sample service, from which every scenario's is copied."""


@dataclass(slots=True, kw_only=True)
class Ground:
    """What a scenario is given. `phase`: the one part of it that a broken variant is tried with; None: all parts."""

    state: Path
    folder: Path
    name: str
    seed: int
    variant: str | None = None
    phase: str | None = None
    chance: random.Random = field(init=False)
    _open: list[Database] = field(default_factory=list)
    _prefixes: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        quiet_logs()

    @property
    def servers(self) -> Servers:
        """PostgreSQL and Kafka of the whole run: nobody may stop them."""
        return local.start(self.state)

    @property
    def real(self) -> bool:
        """Whether the code is the real one, which is tried longer."""
        return self.variant is None

    def tries(self, phase: str) -> bool:
        """Whether that part of the scenario is to be run."""
        return self.phase in {None, phase}

    async def database(self, servers: Servers | None = None, *, pool_size: int = 30) -> Database:
        """A fresh database of the sample service; at other servers than the run's it is their `sales`, which the caller migrates."""
        if servers is None:
            name = f"p_{self.name}_{len(self._open)}"
            await kit.create_database(self.servers, name, self.service.name, TEMPLATE)
            url = self.servers.database_url(name, self.service.name)
        else:
            url = servers.database_url(self.service.name, self.service.name)
        return self.opened(url, pool_size=pool_size)

    def opened(self, url: str, *, pool_size: int = 30, service: str = "sales") -> Database:
        """A database that is closed at the end."""
        self._open.append(Database(url, service=service, pool_size=pool_size))
        return self._open[-1]

    async def topics(self) -> str:
        """The prefix of two fresh topics."""
        self._prefixes += 1
        prefix = f"p-{self.name}-{self._prefixes}."
        await traffic.create_topics(self.servers.kafka, prefix)
        return prefix

    @property
    def service(self) -> Service:
        """The sample."""
        return sample.service()

    def keys(self) -> Path:
        """A folder with the key that signs tokens."""
        folder = self.folder / "keys"
        if not folder.exists():
            folder.mkdir()
            tokens.keygen(folder)
        return folder

    @contextmanager
    def own_servers(self) -> Iterator[Breakable]:
        """Servers that the scenario may stop, freeze and kill."""
        with breaking.installation(self.folder / "servers") as started:
            yield started

    async def close(self) -> None:
        """Closes what was opened."""
        for database in self._open:
            await database.close()


def quiet_logs() -> None:
    """Logs go to standard error, without the local variables of every frame; standard output is the verdict's."""
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()],
        logger_factory=structlog.WriteLoggerFactory(file=open(2, "w", closefd=False)),  # noqa: SIM115  standard error itself
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
    )
    logging.disable(logging.ERROR)  # aiokafka says once a poll that a broker is away


@contextmanager
def temporary_folder(name: str) -> Iterator[Path]:
    """A folder for one scenario."""
    with tempfile.TemporaryDirectory(prefix=f"baton-promise-{name}-", dir=os.environ.get("TMPDIR")) as folder:
        yield Path(folder)
