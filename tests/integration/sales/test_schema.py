"""The schema's history leads to the tables that the code declares."""

from __future__ import annotations

import asyncio
import warnings

from alembic import command
from sqlalchemy.exc import SAWarning

from services.sales.app import SERVICE
from shared.db import migrating


async def test_the_migrations_give_exactly_the_declared_tables(database_url: str):
    configuration = migrating.configuration(SERVICE.folder, database_url)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Did not recognize type", SAWarning)  # transaction ids of PostgreSQL
        await asyncio.to_thread(command.check, configuration)
