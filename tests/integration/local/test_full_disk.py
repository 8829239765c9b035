"""A disk that is full, for real, at every stage of a start and below running servers: one sentence, and a way back."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from baton.local import jars, processes
from baton.local.progress import Silent
from tests.integration.local.registry import serving
from tests.integration.local.small_disk import Disk, small_disk

UP = ("up", "--only", "servers")
DYING_SECONDS = 60


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    with small_disk(tmp_path_factory.mktemp("small"), "200m") as mounted:
        yield mounted


@pytest.fixture
def running(disk: Disk) -> Disk:
    """Servers that run, with space left."""
    disk.clear()
    assert disk.baton(*UP).returncode == 0
    return disk


def refused(disk: Disk, *arguments: str) -> str:
    """What a command says that cannot do its work: one line, and no trace of Python."""
    done = disk.baton(*arguments)
    assert done.returncode == 1, done
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("baton: ")
    return done.stderr


def parts(disk: Disk) -> dict[str, str]:
    return {part["name"]: part["state"] for part in json.loads(disk.baton("status", "--json").stdout)["parts"]}


def kill(disk: Disk, part: str) -> None:
    noted = json.loads((disk.seen / "state" / "run" / f"{part}.json").read_text())
    process = processes.Process(pid=noted["pid"], started=noted["started"])
    os.kill(process.pid, signal.SIGKILL)
    assert processes.wait_gone(process, 20)


def await_end(disk: Disk, part: str) -> str:
    until = time.monotonic() + DYING_SECONDS
    while (shown := parts(disk)[part]) == "ready" and time.monotonic() < until:
        time.sleep(0.2)
    return shown


@pytest.mark.parametrize("size", ["4k", "1m", "18m", "40m"])  # the state, the data folder's first and last files, the databases
def test_a_first_start_that_fills_the_disk_says_so_and_works_once_there_is_space(tmp_path: Path, size: str):
    with small_disk(tmp_path, size) as disk:
        told = refused(disk, *UP)
        assert "disk is full" in told
        assert f"MB are free in {disk.folder}" in told
        disk.remount("size=1g")
        assert disk.baton(*UP).returncode == 0


def test_jars_that_do_not_fit_are_told_with_their_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    jars.fetch(Silent())
    monkeypatch.setenv("JGO_CONFIG_FILE", str(tmp_path / "jgo.conf"))
    folder = tmp_path / "small"
    folder.mkdir()
    with serving(jars._repository()), small_disk(folder, "20m") as disk:
        monkeypatch.setenv("M2_REPO", str(folder / "jars"))
        told = refused(disk, *UP)
        assert "the disk is full" in told
        assert f"MB are free in {folder / 'jars'} now" in told
        disk.remount("size=1g")
        assert disk.baton(*UP).returncode == 0


@pytest.mark.parametrize(("part", "left"), [("postgres", 0), ("kafka", 8192)])  # 8192: enough for the state, not for the broker
def test_a_start_on_a_full_disk_says_so_and_works_once_there_is_space(running: Disk, part: str, left: int):
    kill(running, part)
    running.fill(leave=left)
    assert "disk is full" in refused(running, *UP)
    running.clear()
    assert running.baton(*UP).returncode == 0


async def test_a_postgres_that_ended_for_want_of_space_is_shown_as_such(running: Disk):
    kept = json.loads((running.seen / "state" / "state.json").read_text())
    connection = await asyncpg.connect(
        host="127.0.0.1",
        port=kept["ports"]["postgres"],
        user="postgres",
        password=kept["passwords"]["postgres"],
        database="postgres",
    )
    running.fill(leave=4 * 2**20)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await connection.execute("CREATE TABLE large AS SELECT repeat(md5(n::text), 50) FROM generate_series(1, 100000) AS n")
    connection.terminate()
    kill(running, "postgres")  # what a full log ends in; where only the data is full, PostgreSQL goes on without the rows
    assert parts(running)["postgres"] == "ended: disk full"
    running.clear()
    assert running.baton(*UP).returncode == 0
    assert parts(running)["postgres"] == "ready"


async def test_a_kafka_that_ended_for_want_of_space_is_shown_as_such(running: Disk):
    kept = json.loads((running.seen / "state" / "state.json").read_text())
    admin = AIOKafkaAdminClient(bootstrap_servers=f"127.0.0.1:{kept['ports']['kafka']}")
    await admin.start()
    running.fill()
    with contextlib.suppress(KafkaError):
        await admin.create_topics([NewTopic(f"topic-{number}", 1, 1) for number in range(50)])
    await admin.close()
    assert await_end(running, "kafka") == "ended: disk full"
    assert "disk is full" in refused(running, *UP)
    running.clear()
    assert running.baton(*UP).returncode == 0


def test_a_disk_mounted_read_only_is_told(running: Disk):
    assert running.baton("stop").returncode == 0
    running.remount("ro")
    try:
        assert "mounted read-only" in refused(running, *UP)
        assert "mounted read-only" in refused(running, "reset", "--yes")
    finally:
        running.remount("rw")
    assert running.baton(*UP).returncode == 0


def test_a_state_folder_closed_to_the_user_is_told_with_its_owner(running: Disk):
    assert running.baton("stop").returncode == 0
    (running.seen / "state").chmod(0o500)
    try:
        assert f"{running.folder / 'state'} belongs to" in refused(running, *UP)
    finally:
        (running.seen / "state").chmod(0o700)
    assert running.baton(*UP).returncode == 0
