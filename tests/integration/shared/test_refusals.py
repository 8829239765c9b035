"""What only a person can mend ends a process with code 78 and one line that says it all; what passes is waited for."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import InvalidReplicationFactorError
from sqlalchemy import text
from sqlalchemy.engine import make_url

from baton.local.servers import Servers
from shared.db import migrating
from shared.db.transaction import Database
from shared.runtime import starting, topics
from shared.runtime.service import Service
from shared.runtime.settings import Settings
from tests import kit
from tests.integration.shared.processes import Process, Site, free_port
from tests.integration.shared.waiting import until

WRONG = "a password that nobody has"


@pytest.fixture
def site(alone: Database, servers: Servers, keys: Path, tmp_path: Path, prefix: str) -> Site:
    return Site(servers, alone.engine.url.render_as_string(hide_password=False), keys, tmp_path, prefix)


@pytest.fixture
def server(servers: Servers) -> str:
    return f"PostgreSQL at {servers.postgres_host}:{servers.postgres_port}"


@dataclass(slots=True)
class Door:
    """A port behind which a server stands once it is opened."""

    port: int
    host: str
    behind: int
    _listening: asyncio.Server | None = None

    async def open(self) -> None:
        self._listening = await asyncio.start_server(self._pass_on, "127.0.0.1", self.port)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(self.host, self.behind)
        await asyncio.gather(_copy(reader, to_server), _copy(from_server, writer))


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while piece := await source.read(65_536):
            target.write(piece)
    except ConnectionError:
        pass
    finally:
        target.close()


@asynccontextmanager
async def door(host: str, port: int) -> AsyncIterator[Door]:
    made = Door(free_port(), host, port)
    try:
        yield made
    finally:
        if made._listening:
            made._listening.close()


def with_password(url: str, password: str) -> str:
    return make_url(url).set(password=password).render_as_string(hide_password=False)


def behind(url: str, found: Door) -> str:
    return make_url(url).set(host="127.0.0.1", port=found.port).render_as_string(hide_password=False)


async def refusal(process: Process, *secrets: str) -> str:
    """The reason in the last line of a process that has ended with code 78; no secret is in any line."""
    assert await process.ended(40) == 78, process.log.read_text()[-2000:]
    written = process.log.read_text()
    assert not [secret for secret in secrets if secret in written]
    (line,) = process.said("misconfigured")
    assert process.lines()[-1] == line
    return line["reason"]


def password_of(url: str) -> str:
    return str(make_url(url).password)


async def test_a_wrong_password_is_named_with_both_ways_to_give_the_right_one(site: Site, server: str) -> None:
    wrong = replace(site, database_url=with_password(site.database_url, WRONG))
    started = [await wrong.launch(what) for what in ("migrate", "api", "worker")]
    user = make_url(site.database_url).username
    for process in started:
        assert await refusal(process, WRONG, WRONG.replace(" ", "%20"), password_of(site.database_url)) == (
            f"{server} does not accept user {user} with the given password: give the role's own in BATON_DATABASE_PASSWORD or "
            f"/run/secrets/baton_database_password, or set the role's to this one by ALTER ROLE {user}"
        )


async def test_a_database_that_does_not_exist_is_named(site: Site, server: str) -> None:
    nowhere = replace(site, database_url=make_url(site.database_url).set(database="nowhere").render_as_string(hide_password=False))
    started = [await nowhere.launch(what) for what in ("migrate", "api")]
    for process in started:
        assert await refusal(process, password_of(site.database_url)) == (
            f"{server} has no database nowhere: create it with {make_url(site.database_url).username} as its owner, "
            "or name another in BATON_DATABASE_URL"
        )


async def test_a_newer_schema_is_told_apart_and_left_alone(site: Site, alone: Database, service: Service) -> None:
    async with alone.engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999_later'"))
    started = [await site.launch(what) for what in ("migrate", "api", "worker")]
    for process in started:
        assert await refusal(process, password_of(site.database_url)) == (
            f"the database of {service.folder.name} is at schema 9999_later, which this version of {service.folder.name} does not know "
            f"(its newest is {migrating.newest(service.folder)}): deploy the newer version again, or restore the backup from before its "
            "migration"
        )
    async with alone.engine.connect() as connection:
        assert await migrating.current(connection) == "9999_later"


async def test_a_missing_right_is_named(servers: Servers, site: Site, server: str, alone: Database, topic_prefix: str) -> None:
    closed = f"{topic_prefix.rstrip('.')}_kernel_closed"
    await kit.create_database(servers, closed, "postgres")
    of_others = [
        (await replace(site, database_url=servers.database_url(closed, "sales")).launch("migrate"), closed, "sales", "schema public"),
        (
            await replace(site, database_url=servers.database_url(str(alone.engine.url.database), "handoff")).launch("api"),
            alone.engine.url.database,
            "handoff",
            "table alembic_version",
        ),
    ]
    for process, database, user, what in of_others:
        assert await refusal(process, password_of(site.database_url)) == (
            f"{server} denies user {user} a right in database {database} (permission denied for {what}): "
            f"make the user the owner of the database (ALTER DATABASE {database} OWNER TO {user}) and its tables"
        )


async def test_a_topic_that_breaks_its_contract_is_named_with_the_command_that_mends_it(site: Site) -> None:
    name = f"{site.topic_prefix}lead-accepted"
    contract = topics.contract(1)
    admin = AIOKafkaAdminClient(bootstrap_servers=site.servers.kafka)
    await admin.start()
    await admin.create_topics([NewTopic(name, 12, 1, topic_configs=contract | {"segment.ms": "1000000"})])
    await admin.close()
    should = f"segment.ms={contract['segment.ms']}"
    started = [await site.launch(what) for what in ("provision", "worker")]
    for process in started:
        assert await refusal(process, password_of(site.database_url)) == (
            f"{name} has segment.ms=1000000, its contract says {should}: set it by `kafka-configs.sh --alter --entity-type topics "
            f"--entity-name {name} --add-config {should}`, or use another BATON_TOPIC_PREFIX"
        )


async def test_more_copies_than_brokers_are_refused_once_no_broker_joins_in_time(site: Site) -> None:
    issuer = {"issuer": kit.ISSUER, "jwks": "keys.json", "algorithms": ["ES256"]}
    given = Settings.model_validate(
        {
            "env": "local",
            "database_url": site.database_url,
            "kafka": site.servers.kafka,
            "replication": 3,
            "issuers": [issuer],
            "cursor_secret": "c" * 32,
        }
    )
    provision = functools.partial(topics.provision, given.kafka, "sales", topic_prefix=site.topic_prefix, replication=3)
    with pytest.raises(InvalidReplicationFactorError) as refused:
        await starting.until_reached(provision, given, pause=0.1, seconds=0.5)
    reason = starting.reason(refused.value, given) or ""
    assert reason.startswith(f"Kafka at {given.kafka} has too few brokers for BATON_REPLICATION=3 (")
    assert reason.endswith("): start more of them, or lower it")


async def has_said(process: Process, event: str) -> bool:
    assert process.started.returncode is None, process.log.read_text()[-2000:]
    return bool(process.said(event))


async def test_a_job_waits_for_a_database_that_is_starting(site: Site) -> None:
    async with door(site.servers.postgres_host, site.servers.postgres_port) as closed:
        job = await replace(site, database_url=behind(site.database_url, closed)).launch("migrate")
        await until(lambda: has_said(job, "waiting"))
        await closed.open()
        assert await job.ended(40) == 0
    assert [line["event"] for line in job.lines()] == ["waiting", "migrated"]
    assert f"Connect call failed ('127.0.0.1', {closed.port})" in job.lines()[0]["reason"]


async def test_a_job_waits_for_a_broker_that_is_starting(site: Site) -> None:
    host, _, port = site.servers.kafka.rpartition(":")
    async with door(host, int(port)) as closed:
        job = await site.launch("provision", BATON_KAFKA=f"127.0.0.1:{closed.port}")
        await until(lambda: has_said(job, "waiting"))
        await closed.open()
        assert await job.ended(40) == 0
    assert len(job.said("waiting")) == len(job.said("provisioned")) == 1


async def test_a_role_outlives_the_absence_of_its_database(site: Site) -> None:
    async with door(site.servers.postgres_host, site.servers.postgres_port) as closed:
        away = replace(site, database_url=behind(site.database_url, closed))
        async with away.role("api", ready=False) as api, away.role("worker", ready=False) as worker:
            for process in (api, worker):
                await until(lambda process=process: says(process, "unreachable (ConnectionRefusedError)"))
                assert process.said("database_is_away")
            await closed.open()
            await until(api.is_ready)
            assert (await api.terminate())[0] == 0


async def test_a_password_that_turns_out_wrong_later_is_told_by_readiness(site: Site) -> None:
    async with door(site.servers.postgres_host, site.servers.postgres_port) as closed:
        wrong = replace(site, database_url=behind(with_password(site.database_url, WRONG), closed))
        async with wrong.role("api", ready=False) as api:
            await until(lambda: says(api, "unreachable (ConnectionRefusedError)"))
            await closed.open()
            await until(lambda: says(api, f"PostgreSQL at 127.0.0.1:{closed.port} does not accept user "))
            assert WRONG not in api.log.read_text()


async def says(process: Process, beginning: str) -> bool:
    """Whether its readiness names the database so."""
    assert process.started.returncode is None, process.log.read_text()[-2000:]
    status, body = await process.ready()
    return status == 503 and body["checks"]["database"].startswith(beginning)
