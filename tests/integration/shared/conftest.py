"""The kernel alone: its tables and those of a sample service."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator

import pytest
import structlog

from baton.local.servers import Servers
from shared.db import migrating
from shared.db.transaction import Database
from shared.runtime.service import Service
from tests import kit
from tests.integration.shared import sample, traffic

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "w0")
_numbers = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> None:
    """Without the local variables of every frame, which take seconds to print."""
    structlog.configure(processors=[structlog.processors.add_log_level, structlog.processors.KeyValueRenderer()])


@pytest.fixture(scope="session")
def service() -> Service:
    return sample.service()


@pytest.fixture(scope="session")
async def template(servers: Servers, service: Service) -> str:
    """The name of a migrated database that nobody is connected to, so that others are copied from it."""
    name = f"{WORKER}_kernel_template"
    await kit.create_database(servers, name, service.name)
    await migrating.migrate(service.folder, servers.database_url(name, service.name))
    return name


@pytest.fixture(scope="session")
async def database_url(servers: Servers, service: Service, template: str) -> str:
    await kit.create_database(servers, f"{WORKER}_kernel", service.name, template)
    return servers.database_url(f"{WORKER}_kernel", service.name)


@pytest.fixture
async def alone(servers: Servers, service: Service, template: str) -> AsyncIterator[Database]:
    """A database of its own for one test."""
    name = f"{WORKER}_kernel_alone"
    await kit.create_database(servers, name, service.name, template)
    database = Database(servers.database_url(name, service.name), service=service.name, pool_size=30)
    yield database
    await database.close()


@pytest.fixture
def prefix(topic_prefix: str) -> str:
    """Keeps the topics and groups of one test from those of another."""
    return f"{topic_prefix}{next(_numbers)}."


@pytest.fixture
async def topics(servers: Servers, prefix: str) -> str:
    """The prefix of two empty topics."""
    await traffic.create_topics(servers.kafka, prefix)
    return prefix
