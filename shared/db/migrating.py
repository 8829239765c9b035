"""Schema versions: each service has one history (alembic) under its migrations folder."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic import command, context
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from shared.db import kernel


def configuration(folder: Path, url: str = "") -> Config:
    """alembic's configuration of a service folder."""
    config = Config()
    config.set_main_option("script_location", str(folder / "migrations"))
    config.attributes["url"] = url
    return config


def newest(folder: Path) -> str | None:
    """The schema version that this code knows."""
    return ScriptDirectory.from_config(configuration(folder)).get_current_head()


async def current(connection: AsyncConnection) -> str | None:
    """The schema version of the database."""
    return await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())


async def migrate(folder: Path, url: str) -> None:
    """Brings the database to the newest version and creates its partitions ahead."""
    await asyncio.to_thread(command.upgrade, configuration(folder, url), "head")
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await kernel.create_partitions(connection, datetime.now(UTC).date())
    await engine.dispose()


def run(metadata: MetaData) -> None:
    """What a service's migrations/env.py does."""
    given = context.config.attributes.get("connection")
    if given is not None:
        _run_on(given, metadata)
    else:
        asyncio.run(_connect_and_run(context.config.attributes["url"], metadata))


async def _connect_and_run(url: str, metadata: MetaData) -> None:
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        await connection.run_sync(_run_on, metadata)
        await connection.commit()
    await engine.dispose()


def _run_on(connection: Connection, metadata: MetaData) -> None:
    connection.execute(text("SET lock_timeout = '1s'"))
    connection.execute(text("SET statement_timeout = '5s'"))
    context.configure(connection=connection, target_metadata=metadata, include_object=_is_ours, compare_server_default=False)
    with context.begin_transaction():
        context.run_migrations()


def _is_ours(_: Any, name: str | None, kind: str, reflected: bool, __: Any) -> bool:
    # Daily partitions belong to upkeep, not to the schema's history.
    return not (kind in {"table", "index"} and reflected and name is not None and "_p20" in name)
