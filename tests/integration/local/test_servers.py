"""Real PostgreSQL and Kafka, started, killed and started again, in an installation of this file's own."""

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import aiokafka
import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from baton.local import kafka, processes, servers, state
from baton.local.errors import LocalError

OTHERS = list(itertools.permutations(state.SERVICES, 2))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    where = tmp_path_factory.mktemp("installation") / "state"
    yield where
    servers.destroy(where)


@pytest.fixture
def running(folder: Path) -> servers.Servers:
    return servers.start(folder)


@contextlib.contextmanager
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def pids(installation: servers.Servers) -> dict[str, int | None]:
    return {name: installation.pid(name) for name in state.SERVERS}


def kill(installation: servers.Servers, name: str) -> None:
    pid = installation.pid(name)
    assert pid
    since = processes.launch.started(pid)
    assert since
    os.kill(pid, signal.SIGKILL)
    assert processes.wait_gone(processes.Process(pid=pid, started=since), 10)


def baton(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "baton", *arguments, "--state", str(folder)], capture_output=True, text=True, check=False)


async def rows(installation: servers.Servers, statement: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(installation.postgres_dsn("sales", "sales"))
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()


async def produce(installation: servers.Servers, topic: str, values: list[bytes]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=installation.kafka)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()
    async with aiokafka.AIOKafkaProducer(bootstrap_servers=installation.kafka, enable_idempotence=True) as producer:
        for value in values:
            await producer.send_and_wait(topic, value)


async def consume(installation: servers.Servers, topic: str, count: int) -> list[bytes]:
    consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=installation.kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partition = aiokafka.TopicPartition(topic, 0)
        consumer.assign([partition])
        found: list[bytes] = []
        while len(found) < count:
            batch = await consumer.getmany(partition, timeout_ms=5_000)
            assert batch
            found += [record.value or b"" for record in batch[partition]]
        return found
    finally:
        await consumer.stop()


def test_a_second_start_changes_nothing(folder: Path, running: servers.Servers):
    before = pids(running)
    assert pids(servers.start(folder)) == before
    assert all(before.values())


def test_two_starts_at_the_same_time_give_one_pair_of_servers(folder: Path):
    servers.stop(folder)
    found: list[dict[str, int | None]] = []
    starts = [threading.Thread(target=lambda: found.append(pids(servers.start(folder)))) for _ in range(2)]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    assert found[0] == found[1]
    assert len(processes.strays(str(folder))) == 1


@pytest.mark.parametrize(("role", "database"), [*OTHERS, *((role, "postgres") for role in state.SERVICES)])
async def test_no_role_connects_to_another_database(running: servers.Servers, role: str, database: str):
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for database"):
        await asyncpg.connect(running.postgres_dsn(database, role))


@pytest.mark.parametrize("role", state.SERVICES)
async def test_each_role_owns_its_database_and_is_no_superuser(running: servers.Servers, role: str):
    connection = await asyncpg.connect(running.postgres_dsn(role, role))
    await connection.execute("CREATE TABLE proof (n int); DROP TABLE proof")
    rights = await connection.fetchrow(
        "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication FROM pg_roles WHERE rolname = current_user"
    )
    await connection.close()
    assert rights is not None
    assert not any(rights.values())


async def test_a_wrong_password_is_refused(running: servers.Servers):
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(running.postgres_dsn("sales", "sales"), password="guess")


async def test_nothing_acknowledged_can_be_lost_by_a_setting(running: servers.Servers):
    settings = {row["name"]: row["setting"] for row in await rows(running, "SELECT name, setting FROM pg_settings")}
    assert {name: settings[name] for name in ("fsync", "synchronous_commit", "full_page_writes")} == {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
    }


def test_every_port_is_open_on_the_loopback_address_only(running: servers.Servers):
    wanted = {running.kept.ports[name] for name in (*state.SERVERS, "kafka-controller")}
    listening: dict[int, str] = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            _, local, _, status, *_ = line.split()
            if status == "0A" and int(local[-4:], 16) in wanted:
                listening[int(local[-4:], 16)] = local[:-5]
    assert set(listening) == wanted
    assert all(address.endswith("0100007F") for address in listening.values())


async def test_a_killed_postgres_comes_back_with_its_data(folder: Path, running: servers.Servers):
    await rows(running, "CREATE TABLE kept_rows AS SELECT generate_series(1, 1000) AS n")
    broker = running.pid("kafka")
    kill(running, "postgres")
    again = servers.start(folder)
    assert (await rows(again, "SELECT count(*), sum(n) FROM kept_rows"))[0]["sum"] == 500_500
    assert again.pid("kafka") == broker


async def test_a_killed_kafka_comes_back_with_its_records(folder: Path, running: servers.Servers):
    values = [str(number).encode() for number in range(100)]
    await produce(running, "kept-records", values)
    database = running.pid("postgres")
    kill(running, "kafka")
    again = servers.start(folder)
    assert await consume(again, "kept-records", 100) == values
    assert again.pid("postgres") == database


async def test_a_consumer_group_works_at_once(running: servers.Servers, caplog: pytest.LogCaptureFixture):
    await produce(running, "first-read", [b"x"])
    consumer = aiokafka.AIOKafkaConsumer(
        "first-read", bootstrap_servers=running.kafka, group_id="first", auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    await consumer.getone()
    await consumer.stop()
    assert "GroupCoordinatorNotAvailable" not in caplog.text


def test_kafka_alone_is_stopped_and_started(folder: Path, running: servers.Servers):
    servers.stop_kafka(folder)
    assert running.pid("kafka") is None
    assert running.pid("postgres")
    servers.start_kafka(folder)
    assert kafka.answers(running.kept.ports["kafka"])


def test_a_taken_port_is_told_and_what_ran_goes_on(folder: Path, running: servers.Servers):
    servers.stop_kafka(folder)
    database = running.pid("postgres")
    with socket.create_server(("127.0.0.1", running.kept.ports["kafka"])), pytest.raises(LocalError, match=r"port \d+ for kafka is in use"):
        servers.start(folder)
    assert pids(running) == {"postgres": database, "kafka": None}


def test_a_failed_start_stops_what_it_had_started(folder: Path, running: servers.Servers):
    servers.stop(folder)
    broken = running.kept.postgres / "postgresql.auto.conf"
    before = broken.read_text()
    broken.write_text("no_such_setting = 1\n")
    with pytest.raises(LocalError, match="no_such_setting"):
        servers.start(folder)
    broken.write_text(before)
    assert pids(running) == {"postgres": None, "kafka": None}
    assert processes.strays(str(folder)) == []


def test_a_note_of_a_server_that_is_no_more_does_not_stop_the_next(folder: Path, running: servers.Servers):
    servers.stop_postgres(folder)
    (running.kept.postgres / "postmaster.pid").write_text(f"{os.getpid()}\n{running.kept.postgres}\n1\n1\n\n127.0.0.1\n\nready   \n")
    servers.start_postgres(folder)
    assert running.pid("postgres") not in (None, os.getpid())


def test_lost_data_of_one_server_is_told_not_replaced(folder: Path, running: servers.Servers):
    servers.stop_kafka(folder)
    data = running.kept.kafka / "data"
    data.rename(data.with_name("hidden"))
    with pytest.raises(LocalError, match="run `baton reset`"):
        servers.start(folder)
    data.with_name("hidden").rename(data)


def test_the_command_says_how_the_servers_are(folder: Path, running: servers.Servers):
    up = baton(folder, "up", "--only", "servers")
    assert (up.returncode, up.stderr) == (0, "")
    shown = baton(folder, "status", "--json")
    assert shown.returncode == 0
    assert {part["name"]: part["pid"] for part in json.loads(shown.stdout)["parts"]} == pids(running)
    profile = (folder / "profile.json").read_text()
    assert json.loads(profile)["kafka"] == running.kafka
    assert not any(password in profile for password in running.kept.passwords.values())
    assert baton(folder, "stop").returncode == 0
    assert baton(folder, "status").returncode == 1
    assert processes.strays(str(folder)) == []


async def test_a_reset_removes_databases_and_records_together(folder: Path, running: servers.Servers):
    await rows(running, "CREATE TABLE before_reset (n int)")
    await produce(running, "before-reset", [b"x"])
    assert baton(folder, "reset").returncode != 0  # asks, and nobody answers
    assert baton(folder, "reset", "--yes").returncode == 0
    again = servers.start(folder)
    assert again.kept.ports == running.kept.ports
    assert await rows(again, "SELECT 1 FROM pg_tables WHERE tablename = 'before_reset'") == []
    admin = AIOKafkaAdminClient(bootstrap_servers=again.kafka)
    await admin.start()
    topics = await admin.list_topics()
    await admin.close()
    assert "before-reset" not in topics


def test_a_reset_cut_short_is_finished_by_the_next_start(folder: Path, running: servers.Servers):
    servers.stop(folder)
    (state.save(state.get(folder), wiping=True).kafka / "data" / "meta.properties").unlink()
    assert not servers.start(folder).kept.wiping


def test_a_first_start_on_a_taken_port_leaves_nothing_behind(tmp_path: Path):
    where = tmp_path / "state"
    with taken_port() as port:
        done = baton(where, "up", "--only", "servers", "--port", f"kafka={port}")
    assert done.returncode == 1
    assert f"port {port} for kafka is in use" in done.stderr
    assert done.stderr.count("\n") == 1
    assert pids(servers.Servers(kept=state.get(where))) == {"postgres": None, "kafka": None}
    servers.destroy(where)


def test_too_little_disk_is_told_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(servers, "FREE_BYTES", 2**60)
    where = tmp_path / "state"
    with pytest.raises(LocalError, match="MB are free in"):
        servers.start(where)
    assert pids(servers.Servers(kept=state.get(where))) == {"postgres": None, "kafka": None}


def test_a_broken_state_file_is_told(tmp_path: Path):
    (tmp_path / "state.json").write_text('{"home": ')
    done = baton(tmp_path, "up", "--only", "servers")
    assert done.returncode == 1
    assert "is damaged" in done.stderr
