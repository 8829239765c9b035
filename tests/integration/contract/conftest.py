"""All four services in turn, each on a migrated database of its own."""

from __future__ import annotations

import os

import asyncpg
import pytest

from baton.local.servers import Servers
from shared.db import migrating
from shared.runtime.service import Service
from tests.contract import documents


@pytest.fixture(scope="session", params=documents.services().values(), ids=lambda service: service.name)
def service(request: pytest.FixtureRequest) -> Service:
    return request.param


@pytest.fixture(scope="session")
async def database_url(servers: Servers, service: Service) -> str:
    name = f"{os.environ.get('PYTEST_XDIST_WORKER', 'w0')}_{service.name}_contract"
    connection = await asyncpg.connect(servers.postgres_dsn())
    await connection.execute(f"DROP DATABASE IF EXISTS {name}")
    await connection.execute(f"CREATE DATABASE {name} OWNER {service.name}")
    await connection.close()
    url = servers.database_url(name, service.name)
    await migrating.migrate(service.folder, url)
    return url
