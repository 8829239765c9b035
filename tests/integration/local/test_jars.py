"""What stands in the Maven repository is used only if it is whole. The registry is a real one of few lines, on the loopback address."""

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from baton.local import jars
from baton.local.errors import LocalError
from baton.local.progress import Silent
from tests.integration.local.registry import answering, half, serving

FETCH = """
import sys
from pathlib import Path
from baton.local import errors, jars, progress

jars.LOCK, jars.ANSWER_SECONDS = Path(sys.argv[1]), 1
try:
    jars.fetch(progress.Silent())
except errors.LocalError as error:
    sys.exit(str(error))
"""


def fetch_elsewhere() -> str:
    """What a fetch by another process says: the resolver leaves the answers that it does not read to the garbage collector."""
    done = subprocess.run([sys.executable, "-c", FETCH, str(jars.LOCK)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1, done
    return done.stderr


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
def served(source: Path, few: list[jars.Jar], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a copy of these jars, for a registry to serve."""
    folder = tmp_path / "served"
    for jar in few:
        jar.path(folder).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(jar.path(source), jar.path(folder))
    monkeypatch.setenv("JGO_CONFIG_FILE", str(tmp_path / "jgo.conf"))
    return folder


@pytest.fixture
def registry(served: Path) -> Iterator[Path]:
    """A registry in good order; gives the folder it serves."""
    with serving(served):
        yield served


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


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "it answers, but does not give"),
        (b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n", "it answers, but does not give"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n<html>login</a>", "other bytes than the locked ones"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "other bytes than the locked ones"),
        (b"\x00\x01 no HTTP at all\r\n\r\n", "nothing answers there"),
        (half, "cut in the middle"),
    ],
)
def test_a_registry_in_disorder_is_told_and_the_next_run_is_whole(few: list[jars.Jar], served: Path, answer: bytes, told: str):
    with serving(served, answering(answer)):
        said = fetch_elsewhere()
    assert told in said
    assert "127.0.0.1" in said
    assert "secret" not in said
    assert said.count("\n") == 1
    with serving(served):
        assert all(jars.is_whole(jar, file) for jar, file in zip(few, jars.fetch(Silent()), strict=True))


@pytest.mark.parametrize("answer", [b"", half])
def test_a_silent_registry_is_waited_for_in_bounds(few: list[jars.Jar], served: Path, answer: bytes):
    let_go = threading.Event()
    begun = time.monotonic()
    with serving(served, answering(answer, holding=let_go)):
        assert "it fell silent" in fetch_elsewhere()
        let_go.set()
    assert time.monotonic() - begun < 20


def test_a_fetch_killed_in_the_middle_is_whole_at_the_next_run(few: list[jars.Jar], served: Path):
    let_go = threading.Event()
    begun = [jar.path(jars._repository()) for jar in few]
    with serving(served, answering(half, holding=let_go)):
        fetching = subprocess.Popen([sys.executable, "-c", FETCH, str(jars.LOCK)])
        until = time.monotonic() + 30
        while not any(file.exists() and file.stat().st_size for file in begun) and time.monotonic() < until:
            time.sleep(0.02)
        fetching.kill()
        fetching.wait()
        let_go.set()
    assert any(file.exists() for file in begun)
    assert not all(jars.is_whole(jar, file) for jar, file in zip(few, begun, strict=True))
    with serving(served):
        assert all(jars.is_whole(jar, file) for jar, file in zip(few, jars.fetch(Silent()), strict=True))


def test_the_lock_names_every_jar_once_with_one_kafka_version():
    locked = jars.wanted()
    assert len({jar.coordinate for jar in locked}) == len(locked) > 40
    versions = {jar.coordinate.split(":")[2] for jar in locked if jar.coordinate.startswith("org.apache.kafka:")}
    assert versions == {jars.KAFKA.split(":")[2]}
    assert jars.BINDING in {jar.coordinate for jar in locked}
