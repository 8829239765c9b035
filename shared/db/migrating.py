"""Schema versions: each service has one history (alembic) under its migrations folder.

alembic itself is imported where a history is run, so that a process which only serves does not carry it.
"""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shared.db import kernel

if TYPE_CHECKING:
    from alembic.config import Config

CONNECT_SECONDS = 3

_STATED = re.compile(r"""^(?P<name>revision|down_revision)\b[^=\n]*=\s*(?:None|["'](?P<value>\w+)["'])""", re.MULTILINE)
_EXISTS = text("SELECT to_regclass('alembic_version') IS NOT NULL")
_CURRENT = text("SELECT version_num FROM alembic_version")


class UnknownSchema(Exception):  # noqa: N818  a fact about the installation
    """The database stands at a schema version that is not in this code's history: a newer version of the service was here."""


def configuration(folder: Path, url: str = "") -> Config:
    """alembic's configuration of a service folder."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(folder / "migrations"))
    config.attributes["url"] = url
    return config


def newest(folder: Path) -> str | None:
    """The schema version that this code knows: the one revision that no other follows. ValueError if there are several."""
    steps = _steps(folder)
    last = {revision for revision, _ in steps} - {before for _, before in steps}
    if len(last) > 1:
        raise ValueError(f"the history of {folder.name} has several ends: {sorted(last)}")
    return last.pop() if last else None


async def current(connection: AsyncConnection) -> str | None:
    """The schema version of the database, None before its first."""
    if not (await connection.execute(_EXISTS)).scalar_one():
        return None
    return (await connection.execute(_CURRENT)).scalar_one_or_none()


async def version_at(url: str) -> str | None:
    """The schema version of the database at that address."""
    engine = _engine(url)
    try:
        async with engine.connect() as connection:
            return await current(connection)
    finally:
        await engine.dispose()


def require_known(folder: Path, version: str | None) -> None:
    """Raises UnknownSchema for a version that is not in the history of this code; an older one is in it, and None is before its first."""
    if version is not None and version not in {revision for revision, _ in _steps(folder)}:
        raise UnknownSchema(
            f"the database of {folder.name} is at schema {version}, which this version of {folder.name} does not know (its newest is "
            f"{newest(folder)}): deploy the newer version again, or restore the backup from before its migration"
        )


async def migrate(folder: Path, url: str) -> None:
    """Brings the database to the newest version and creates its partitions ahead. Raises UnknownSchema for a database that is ahead."""
    require_known(folder, await version_at(url))
    from alembic import command

    await asyncio.to_thread(command.upgrade, configuration(folder, url), "head")
    engine = _engine(url)
    try:
        async with engine.begin() as connection:
            await kernel.create_partitions(connection, datetime.now(UTC).date())
    finally:
        await engine.dispose()


def run(metadata: MetaData) -> None:
    """What a service's migrations/env.py does."""
    from alembic import context

    given = context.config.attributes.get("connection")
    if given is not None:
        _run_on(given, metadata)
    else:
        asyncio.run(_connect_and_run(context.config.attributes["url"], metadata))


async def _connect_and_run(url: str, metadata: MetaData) -> None:
    engine = _engine(url)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_run_on, metadata)
            await connection.commit()
    finally:
        await engine.dispose()


def _engine(url: str) -> AsyncEngine:
    return create_async_engine(url, hide_parameters=True, connect_args={"timeout": CONNECT_SECONDS})


def _run_on(connection: Connection, metadata: MetaData) -> None:
    from alembic import context

    connection.execute(text("SET lock_timeout = '1s'"))
    connection.execute(text("SET statement_timeout = '5s'"))
    context.configure(connection=connection, target_metadata=metadata, include_object=_is_ours, compare_server_default=False)
    with context.begin_transaction():
        context.run_migrations()


def _is_ours(_: Any, name: str | None, kind: str, reflected: bool, __: Any) -> bool:
    # Daily partitions belong to upkeep, not to the schema's history.
    return not (kind in {"table", "index"} and reflected and name is not None and "_p20" in name)


def _steps(folder: Path) -> list[tuple[str, str | None]]:
    return [_step(file) for file in sorted((folder / "migrations" / "versions").glob("*.py"))]


def _step(file: Path) -> tuple[str, str | None]:
    # Read, not imported: a revision imports alembic.
    stated = {found["name"]: found["value"] for found in _STATED.finditer(file.read_text())}
    return stated["revision"], stated["down_revision"]
