"""Schema versions, and a process that brings its database and topics up to date itself before it serves."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import create_async_engine

from baton.local import state
from baton.local.servers import Servers
from shared.db import migrating
from shared.runtime import topics
from shared.runtime.service import Service
from tests import kit
from tests.integration.shared.processes import Process, Site
from tests.integration.shared.waiting import until
from tests.stack import PROJECT


@pytest.fixture
async def empty(servers: Servers, service: Service, topic_prefix: str) -> str:
    """The address of a database without any table."""
    name = f"{topic_prefix.rstrip('.')}_kernel_empty"
    await kit.create_database(servers, name, service.name)
    return servers.database_url(name, service.name)


@pytest.mark.parametrize("name", state.SERVICES)
def test_the_newest_version_is_what_alembic_takes_for_it(name: str) -> None:
    folder = PROJECT / "services" / name
    assert migrating.newest(folder) == ScriptDirectory.from_config(migrating.configuration(folder)).get_current_head()


def test_a_history_with_two_ends_is_refused(tmp_path: Path) -> None:
    versions = tmp_path / "migrations" / "versions"
    versions.mkdir(parents=True)
    assert migrating.newest(tmp_path) is None
    for name, before in (("a", None), ("b", "a"), ("c", "a")):
        (versions / f"{name}.py").write_text(f"import alembic\nrevision = {name!r}\ndown_revision = {before!r}\n")
    with pytest.raises(ValueError, match="several ends"):
        migrating.newest(tmp_path)


async def test_a_database_tells_its_version(empty: str, service: Service) -> None:
    assert await migrating.version_at(empty) is None
    await migrating.migrate(service.folder, empty)
    assert await migrating.version_at(empty) == migrating.newest(service.folder)
    engine = create_async_engine(empty)
    async with engine.connect() as connection:
        assert await migrating.current(connection) == migrating.newest(service.folder)
    await engine.dispose()


async def test_a_prepared_process_makes_what_it_needs_and_leaves_it_alone_later(
    servers: Servers, empty: str, keys: Path, tmp_path: Path, prefix: str
) -> None:
    site = Site(servers, empty, keys, tmp_path, prefix)
    async with site.role("all", BATON_PREPARE="true") as process:
        assert len(process.said("migrated")) == 1
        (provisioned,) = process.said("provisioned")
        assert f"{prefix}deal-closed" in provisioned["created"]
        await topics.check(servers.kafka, provisioned["created"], replication=1)
        assert (await process.terminate())[0] == 0
    async with site.role("all", BATON_PREPARE="true") as process:
        assert process.said("migrated") == []
        assert [line["created"] for line in process.said("provisioned")] == [[]]


async def test_a_process_that_nobody_prepared_says_what_its_database_lacks(
    servers: Servers, empty: str, keys: Path, tmp_path: Path, prefix: str
) -> None:
    site = Site(servers, empty, keys, tmp_path, prefix)
    async with site.role("api", ready=False) as process:
        await until(lambda: _answers(process), seconds=30)
        status, body = await process.ready()
        assert status == 503
        assert body["checks"]["database"].startswith("schema None, this code knows ")


async def _answers(process: Process) -> bool:
    return (await process.ready())[0] != 0
