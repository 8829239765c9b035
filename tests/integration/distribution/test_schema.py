"""The schema's history, the access table and the routes say the same."""

from __future__ import annotations

import asyncio
import warnings

from alembic import command
from sqlalchemy.exc import SAWarning

from services.distribution.app import SERVICE
from shared.auth.access import AccessTable
from shared.db import migrating
from shared.events.language import type_of
from shared.http import app


async def test_the_migrations_give_exactly_the_declared_tables(database_url: str):
    configuration = migrating.configuration(SERVICE.folder, database_url)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Did not recognize type", SAWarning)  # transaction ids of PostgreSQL
        await asyncio.to_thread(command.check, configuration)


def test_every_route_and_topic_stands_in_the_access_table():
    access = AccessTable.load(SERVICE.folder / "access.yaml")
    live = {f"{method} {path}": route.requirement.scope for method, path, route in app.routes(SERVICE.routers)}
    assert live == access.routes
    assert {type_of(event).name for event in SERVICE.handlers} == access.consumes
