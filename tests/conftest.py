"""Real PostgreSQL and Kafka for every test that asks: started once a run, a database per worker and service, migrated once.

With BATON_TEST_BACKEND=containers they are containers, started and removed by the process that controls the run.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from hypothesis import settings

from baton.local import servers as local
from baton.local.servers import Servers
from baton.ops import tokens
from shared.db import migrating
from shared.db.transaction import Database, Transaction
from shared.runtime.service import Service
from tests import containers, kit

STATE = "BATON_TEST_STATE"
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "w0")


OWN = pytest.StashKey[ExitStack]()


# How long an example takes says something about the machine, not about what is claimed.
settings.register_profile("baton", deadline=None)
settings.load_profile("baton")


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return
    try:
        if containers.backend() == "containers":
            containers.check()
            signal.signal(signal.SIGTERM, signal.default_int_handler)  # containers outlive a process that does not end in order
    except containers.UnusableError as error:
        raise pytest.UsageError(str(error)) from error
    os.environ[STATE] = tempfile.mkdtemp(prefix="baton-tests-")
    config.stash[OWN] = ExitStack()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    if containers.backend() == "containers":
        start_containers(config)


def pytest_unconfigure(config: pytest.Config) -> None:
    if OWN in config.stash:
        folder = Path(os.environ.pop(STATE))
        with config.stash[OWN]:
            local.destroy(folder)
        shutil.rmtree(folder, ignore_errors=True)


def start_containers(config: pytest.Config) -> Servers:
    """PostgreSQL and Kafka in containers that belong to this process."""
    return config.stash[OWN].enter_context(containers.running(Path(os.environ[STATE]))).servers


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Servers:
    """PostgreSQL and Kafka; all workers of a run share them."""
    folder = Path(os.environ[STATE])
    if containers.backend() == "embedded":
        return local.start(folder)
    return containers.servers(folder) if hasattr(pytestconfig, "workerinput") else start_containers(pytestconfig)


@pytest.fixture(scope="session")
def topic_prefix() -> str:
    """Keeps the topics and groups of one worker from those of another."""
    return WORKER + "."


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the key that signs this run's tokens."""
    folder = tmp_path_factory.mktemp("keys")
    tokens.keygen(folder)
    return folder


@pytest.fixture(scope="session")
def templates() -> set[str]:
    """Names of the migrated databases of this worker, from which others are copied."""
    return set()


@pytest.fixture(scope="module")
async def database_url(servers: Servers, service: Service, templates: set[str]) -> str:
    """A migrated database for the tests of one file, owned by the service's role: what they commit is nobody else's."""
    template = f"{WORKER}_{service.name}_template"
    if template not in templates:
        await kit.create_database(servers, template, service.name)
        await migrating.migrate(service.folder, servers.database_url(template, service.name))
        templates.add(template)
    name = f"{WORKER}_{service.name}"
    await kit.create_database(servers, name, service.name, template)
    return servers.database_url(name, service.name)


@pytest.fixture(scope="module")
async def database(database_url: str, service: Service) -> AsyncIterator[Database]:
    """The service's database; what is committed stays until the end of the file."""
    opened = Database(database_url, service=service.name)
    yield opened
    await opened.close()


@pytest.fixture
async def tx(database: Database) -> AsyncIterator[Transaction]:
    """A transaction that is rolled back after the test; `tx.emitted` is what would be published."""
    async with kit.rolled_back(database) as transaction:
        yield transaction


@pytest.fixture
async def api(service: Service, database: Database, keys: Path) -> AsyncIterator[kit.Api]:
    """The service over HTTP, in-process, with real commits."""
    transport = httpx2.ASGITransport(app=kit.application(service, database, keys))
    async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
        yield kit.Api(service, client, keys)
