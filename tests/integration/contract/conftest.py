"""All four services in turn, each on a migrated database that no other test reads."""

from __future__ import annotations

import os

import asyncpg
import pytest

from baton.local.servers import Servers
from shared.db import migrating
from shared.runtime.service import Service
from tests.contract import documents


@pytest.fixture(params=documents.services().values(), ids=lambda service: service.name)
def service(request: pytest.FixtureRequest) -> Service:
    return request.param


@pytest.fixture
async def database_url(servers: Servers, service: Service, migrated: set[str]) -> str:
    name = f"{os.environ.get('PYTEST_XDIST_WORKER', 'w0')}_{service.name}_replayed"
    url = servers.database_url(name, service.name)
    if name not in migrated:
        connection = await asyncpg.connect(servers.postgres_dsn())
        await connection.execute(f"DROP DATABASE IF EXISTS {name}")
        await connection.execute(f"CREATE DATABASE {name} OWNER {service.name}")
        await connection.close()
        await migrating.migrate(service.folder, url)
        migrated.add(name)
    return url
