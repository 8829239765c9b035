"""What stands in the Maven repository is used only if it is whole. The registry is a real one of few lines, on the loopback address."""

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from baton.local import jars
from baton.local.errors import LocalError
from baton.local.progress import Silent


class Registry(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and keeps no log."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


@pytest.fixture(scope="module")
def source() -> Path:
    """The user's own Maven repository, with all jars in it."""
    jars.fetch(Silent())
    return jars._repository()


@pytest.fixture
def few(source: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[jars.Jar]:
    """A lock of the five smallest jars and an empty repository of one's own."""
    chosen = sorted(jars.wanted(), key=lambda jar: jar.size)[:5]
    lock = tmp_path / "few.jars"
    lock.write_text("".join(f"{jar.coordinate} {jar.size} {jar.sha256}\n" for jar in chosen))
    monkeypatch.setattr(jars, "LOCK", lock)
    monkeypatch.setenv("M2_REPO", str(tmp_path / "repository"))
    return chosen


@pytest.fixture
def registry(source: Path, few: list[jars.Jar], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A registry that serves a copy of these jars; gives the folder it serves."""
    served = tmp_path / "served"
    for jar in few:
        jar.path(served).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(jar.path(source), jar.path(served))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Registry, directory=str(served)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    settings = tmp_path / "jgo.conf"
    settings.write_text(f"[repositories]\ncentral = http://127.0.0.1:{server.server_port}\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(settings))
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


def test_missing_jars_are_fetched_whole(few: list[jars.Jar], registry: Path):
    assert all(jars.is_whole(jar, file) for jar, file in zip(few, jars.fetch(Silent()), strict=True))


@pytest.mark.parametrize("keep", [0, 1000, -1])
def test_an_interrupted_download_is_not_taken_for_a_finished_one(few: list[jars.Jar], registry: Path, keep: int):
    file = jars.fetch(Silent())[2]
    file.write_bytes(file.read_bytes()[:keep])
    jars.fetch(Silent())
    assert jars.is_whole(few[2], file)
    assert file.with_suffix(".broken").exists()


def test_a_changed_byte_is_noticed(few: list[jars.Jar], registry: Path):
    file = jars.fetch(Silent())[1]
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    jars.fetch(Silent())
    assert jars.is_whole(few[1], file)


def test_other_bytes_than_the_locked_ones_are_never_used(few: list[jars.Jar], registry: Path):
    few[0].path(registry).write_bytes(b"not this jar")
    with pytest.raises(LocalError, match="other bytes"):
        jars.fetch(Silent())
    assert not few[0].path(jars._repository()).exists()


def test_a_registry_that_does_not_answer_is_told_in_one_line(few: list[jars.Jar], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    settings = tmp_path / "jgo.conf"
    settings.write_text("[repositories]\ncentral = http://127.0.0.1:9\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(settings))
    with pytest.raises(LocalError, match=r"could not be fetched.*check the network") as caught:
        jars.fetch(Silent())
    assert "\n" not in str(caught.value)


def test_the_lock_names_every_jar_once_with_one_kafka_version():
    locked = jars.wanted()
    assert len({jar.coordinate for jar in locked}) == len(locked) > 40
    versions = {jar.coordinate.split(":")[2] for jar in locked if jar.coordinate.startswith("org.apache.kafka:")}
    assert versions == {jars.KAFKA.split(":")[2]}
    assert jars.BINDING in {jar.coordinate for jar in locked}
