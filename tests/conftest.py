"""Real PostgreSQL and Kafka for every test that asks: started once a run, a database per worker and service, migrated once."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx2
import pytest

from baton.local import servers as local
from baton.local.servers import Servers
from baton.ops import tokens
from shared.db import migrating
from shared.db.transaction import Database, Transaction
from shared.runtime.service import Service
from tests import kit

STATE = "BATON_TEST_STATE"


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        os.environ[STATE] = tempfile.mkdtemp(prefix="baton-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        folder = Path(os.environ.pop(STATE))
        local.destroy(folder)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def servers() -> Servers:
    """PostgreSQL and Kafka; all workers of a run share them."""
    return local.start(Path(os.environ[STATE]))


@pytest.fixture(scope="session")
def topic_prefix() -> str:
    """Keeps the topics and groups of one worker from those of another."""
    return os.environ.get("PYTEST_XDIST_WORKER", "w0") + "."


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the key that signs this run's tokens."""
    folder = tmp_path_factory.mktemp("keys")
    tokens.keygen(folder)
    return folder


@pytest.fixture(scope="session")
async def opened() -> AsyncIterator[dict[str, Database]]:
    """The databases of this worker by address. One fixture serves several services, so none of them may be its value."""
    databases: dict[str, Database] = {}
    yield databases
    for database in databases.values():
        await database.close()


@pytest.fixture(scope="session")
def migrated() -> set[str]:
    """Names of the databases that this worker has made."""
    return set()


@pytest.fixture
async def database_url(servers: Servers, service: Service, migrated: set[str]) -> str:
    """A database of this worker for `service`, migrated, owned by the service's role."""
    name = f"{os.environ.get('PYTEST_XDIST_WORKER', 'w0')}_{service.name}"
    url = servers.database_url(name, service.name)
    if name not in migrated:
        connection = await asyncpg.connect(servers.postgres_dsn())
        await connection.execute(f"DROP DATABASE IF EXISTS {name}")
        await connection.execute(f"CREATE DATABASE {name} OWNER {service.name}")
        await connection.close()
        await migrating.migrate(service.folder, url)
        migrated.add(name)
    return url


@pytest.fixture
def database(database_url: str, service: Service, opened: dict[str, Database]) -> Database:
    """The service's database; what is committed stays until the end of the run."""
    return opened.setdefault(database_url, Database(database_url, service=service.name))


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
