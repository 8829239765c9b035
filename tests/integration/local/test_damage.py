"""Damage to what a start relies on: one sentence that names it, and a way back that works."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from baton.local import keys, processes, servers, state, system
from baton.local.errors import LocalError
from baton.local.progress import Silent
from baton.ops import tokens

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    where = tmp_path_factory.mktemp("damaged") / "state"
    yield where
    servers.destroy(where)


@pytest.fixture
def stopped(folder: Path) -> state.State:
    """An installation with data of both servers, none of them running."""
    if "kafka" not in getattr(state.find(folder), "created", ()):
        servers.start(folder)
    servers.stop(folder)
    return state.get(folder)


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A state folder that nothing was started in."""
    state.save(state.new(tmp_path))
    return tmp_path


def garble(file: Path) -> None:
    file.write_bytes(os.urandom(max(64, file.stat().st_size)))


def came_back(folder: Path) -> bool:
    """Whether a reset makes a damaged installation one that starts."""
    system.reset(folder, progress=Silent())
    running = servers.start(folder)
    return all(running.pid(name) for name in state.SERVERS)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"3", b"\x00\xff\x80", b'{"folder": "/"}'])
def test_a_state_that_cannot_be_read_is_told_with_its_file(fresh: Path, content: bytes):
    (fresh / "state.json").write_bytes(content)
    with pytest.raises(LocalError, match=r"state\.json is damaged \(.*\): restore it from a copy, or remove the folder") as caught:
        state.find(fresh)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("named", "change"),
    [
        *((name, lambda kept, name=name: kept.pop(name)) for name in ("folder", "home", "passwords", "cursor_secret", "cluster")),
        ("sales", lambda kept: kept["passwords"].pop("sales")),
        ("passwords", lambda kept: kept["passwords"].update(sales="'; DROP ROLE sales; --")),
        ("cluster", lambda kept: kept.update(cluster=7)),
        ("ports", lambda kept: kept.update(ports=[20_000])),
        *(("ports", lambda kept, port=port: kept["ports"].update(kafka=port)) for port in (0, -1, 70_000, "x", "9092", 1.5, True, None)),
        ("created", lambda kept: kept.update(created="postgres")),
        ("created", lambda kept: kept.update(created=["zookeeper"])),
        ("wiping", lambda kept: kept.update(wiping="perhaps")),
        ("home", lambda kept: kept.update(home="/")),
    ],
)
def test_a_state_with_a_wrong_value_is_told_with_its_name(fresh: Path, named: str, change: Change):
    kept = json.loads((fresh / "state.json").read_text())
    change(kept)
    (fresh / "state.json").write_text(json.dumps(kept))
    with pytest.raises(LocalError, match=rf"state\.json is damaged \(.*{named}"):
        state.find(fresh)


def test_what_a_newer_version_adds_to_the_state_does_no_harm(fresh: Path):
    kept = json.loads((fresh / "state.json").read_text())
    (fresh / "state.json").write_text(json.dumps(kept | {"mood": {"of": "today"}}))
    assert state.get(fresh).passwords == kept["passwords"]


def test_a_state_folder_that_is_a_file_is_told(tmp_path: Path):
    where = tmp_path / "state"
    where.write_text("")
    with pytest.raises(LocalError, match=r"state is not what it should be \(File exists\)"):
        servers.start(where)


@pytest.mark.parametrize("record", ["", "{}", "[]", "3", '{"pid": "x", "started": 1, "boot": 2}', "\x00\xff"])
def test_a_damaged_record_names_no_process(tmp_path: Path, record: str):
    (tmp_path / "kafka.json").write_text(record, encoding="latin1")
    assert processes.find(tmp_path / "kafka.json") is None


def test_a_server_whose_record_was_damaged_is_found_or_replaced(folder: Path):
    before = servers.start(folder)
    broker, database = before.pid("kafka"), before.pid("postgres")
    for name in state.SERVERS:
        before.kept.record(name).write_text("{}")
    again = servers.start(folder)
    assert again.pid("postgres") == database
    assert again.pid("kafka") not in (None, broker)
    assert [process.pid for process in processes.strays(str(folder))] == [again.pid("kafka")]


@pytest.mark.parametrize(
    ("told", "damage"),
    [
        (r"databases in .* are gone or damaged", lambda kept: (kept.postgres / "PG_VERSION").unlink()),
        (r"databases in .* are gone or damaged", lambda kept: garble(kept.postgres / "PG_VERSION")),
        (r"databases in .* are gone or damaged", lambda kept: shutil.rmtree(kept.postgres)),
        (r"PostgreSQL ended while starting", lambda kept: garble(kept.postgres / "global" / "pg_control")),
        (r"PostgreSQL ended while starting \(.*pg_wal", lambda kept: shutil.rmtree(kept.postgres / "pg_wal")),
        (r"PostgreSQL refused .*does not exist", lambda kept: shutil.rmtree(kept.postgres / "base")),
        (
            r"PostgreSQL refused .*password",
            lambda kept: state.save(kept, passwords={**kept.passwords, "postgres": "0" * 48}),
        ),
        (r"Kafka's data in .* is gone", lambda kept: (kept.kafka / "data" / "meta.properties").unlink()),
        (r"Kafka's data in .* is gone", lambda kept: shutil.rmtree(kept.kafka)),
        (r"Kafka ended while starting \(.*node ID", lambda kept: (kept.kafka / "data" / "meta.properties").write_text("")),
        (r"Kafka ended while starting \(", lambda kept: garble(kept.kafka / "data" / "recovery-point-offset-checkpoint")),
    ],
)
def test_damaged_data_is_told_and_a_reset_is_the_way_back(
    folder: Path, stopped: state.State, told: str, damage: Callable[[state.State], object]
):
    damage(stopped)
    with pytest.raises(LocalError, match=told) as caught:
        servers.start(folder)
    assert "`baton reset`" in str(caught.value).partition("\n")[0]
    assert came_back(folder)


@pytest.mark.parametrize(
    "damage",
    [
        lambda kept: (kept.postgres / "postgresql.conf").unlink(),
        lambda kept: (kept.postgres / "baton.conf").unlink(),
        lambda kept: (kept.postgres / "postmaster.pid").write_bytes(b"\xff\x00"),
        lambda kept: (kept.postgres / "postmaster.pid").write_bytes(b""),
        lambda kept: garble(next((kept.kafka / "data").glob("__consumer_offsets-0/*.index"))),
        lambda kept: (kept.kafka / "server.properties").unlink(),
        lambda kept: shutil.rmtree(kept.folder / "logs"),
    ],
)
def test_what_can_be_made_anew_is_made_anew(folder: Path, stopped: state.State, damage: Callable[[state.State], object]):
    damage(stopped)
    running = servers.start(folder)
    assert all(running.pid(name) for name in state.SERVERS)


def test_a_removed_state_folder_is_begun_anew_though_its_servers_run(folder: Path):
    before = servers.start(folder)
    broker = before.pid("kafka")
    shutil.rmtree(folder)
    again = servers.start(folder)
    assert again.kept.installation != before.kept.installation
    assert again.pid("kafka") != broker
    assert [process.pid for process in processes.strays(str(folder))] == [again.pid("kafka")]


def test_databases_removed_while_they_run_are_told_and_a_reset_is_the_way_back(folder: Path):
    shutil.rmtree(servers.start(folder).kept.postgres)
    with pytest.raises(LocalError, match="`baton reset`"):
        servers.start(folder)
    assert came_back(folder)


@pytest.mark.parametrize("name", [tokens.KEY, tokens.KEY_SET, tokens.REVOKED])
def test_a_damaged_key_file_is_told_and_its_removal_is_the_way_back(tmp_path: Path, name: str):
    kept: Any = SimpleNamespace(keys=tmp_path)
    tokens.keygen(tmp_path)
    tokens.revoke(tmp_path, issuer="https://baton.local", sub="somebody")
    keys.check(kept)
    whole = (tmp_path / name).read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"\xff\x00\x80", b"[]", b"{}"):
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(LocalError, match=r"is damaged: restore it from a copy, or remove it"):
            keys.check(kept)
    (tmp_path / name).unlink()
    tokens.keygen(tmp_path)
    keys.check(kept)
