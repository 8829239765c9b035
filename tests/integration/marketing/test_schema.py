"""The schema history, the access table and what the service really has are the same."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from alembic import command

from services.marketing.app import SERVICE
from shared.auth.access import AccessTable
from shared.db import migrating
from shared.events import language
from shared.http import app


@pytest.mark.filterwarnings("ignore:Did not recognize type:sqlalchemy.exc.SAWarning")  # PostgreSQL's own types in the kernel's tables
async def test_the_schema_history_gives_the_tables_of_the_code(database_url: str) -> None:
    await asyncio.to_thread(command.check, migrating.configuration(SERVICE.folder, database_url))


def test_the_access_table_lists_the_live_routes_with_their_scopes() -> None:
    access = AccessTable.load(Path(SERVICE.folder) / "access.yaml")
    assert access.routes == {f"{method} {path}": route.requirement.scope for method, path, route in app.routes(SERVICE.routers)}


def test_the_access_table_lists_the_topics_that_are_consumed() -> None:
    access = AccessTable.load(Path(SERVICE.folder) / "access.yaml")
    assert access.consumes == {language.type_of(kind).name for kind in SERVICE.handlers}
