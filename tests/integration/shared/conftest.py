"""The kernel alone: its tables and one of a sample service, without a schema history."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from baton.local.servers import Servers
from shared.db import kernel
from shared.db.transaction import Database
from shared.runtime.service import Service
from tests.integration.shared import sample


@pytest.fixture(scope="session")
def service() -> Service:
    return sample.service()


@pytest.fixture(scope="session")
async def database_url(servers: Servers, service: Service) -> str:
    return await new_database(servers, f"{os.environ.get('PYTEST_XDIST_WORKER', 'w0')}_kernel")


async def new_database(servers: Servers, name: str) -> str:
    """An empty database with the kernel's tables and the sample's."""
    connection = await asyncpg.connect(servers.postgres_dsn())
    await connection.execute(f"DROP DATABASE IF EXISTS {name}")
    await connection.execute(f"CREATE DATABASE {name} OWNER sales")
    await connection.close()
    url = servers.database_url(name, "sales")
    database = Database(url, service="sales")
    statements: list[str] = []
    kernel.create(_Collected(statements.append))
    async with database.engine.begin() as given:
        for statement in statements:
            await given.execute(text(statement))
        await given.run_sync(sample.notes.create)
        await kernel.create_partitions(given, datetime.now(UTC).date())
    await database.close()
    return url


class _Collected:
    def __init__(self, add: Callable[[str], None]) -> None:
        self.execute: Callable[[str], Any] = add


@pytest.fixture
async def fresh_database(servers: Servers) -> AsyncIterator[Database]:
    """A database of its own for one test."""
    name = f"{os.environ.get('PYTEST_XDIST_WORKER', 'w0')}_alone"
    database = Database(await new_database(servers, name), service="sales")
    yield database
    await database.close()
