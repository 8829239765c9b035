"""Kafka's jars: fetched once into the user's Maven repository, and never used unless size and checksum are the expected ones.

`kafka.jars` beside this file is the lock: coordinate, bytes and SHA-256 of each.
`python -m baton.local.jars` prints it anew from a resolution.
"""

import fcntl
import hashlib
import logging
import re
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from baton.local import errors
from baton.local.errors import LocalError
from baton.local.progress import Progress

if TYPE_CHECKING:
    from jgo.maven import MavenContext

KAFKA = "org.apache.kafka:kafka_2.13:4.3.1"
BINDING = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4"
LOCK = Path(__file__).with_name("kafka.jars")
ANSWER_SECONDS = 15  # how long a registry may be silent
ANOTHER_REPOSITORY = "name another folder for jars by M2_REPO"


@dataclass(frozen=True, slots=True, kw_only=True)
class Jar:
    """One file that Kafka needs, exactly as it was when the version was chosen."""

    coordinate: str
    size: int
    sha256: str

    def path(self, repository: Path) -> Path:
        """Where it lies in a Maven repository."""
        group, artifact, version = self.coordinate.split(":")
        return repository.joinpath(*group.split("."), artifact, version, f"{artifact}-{version}.jar")


def wanted() -> list[Jar]:
    """The locked jars."""
    rows = [line.split() for line in LOCK.read_text().splitlines()]
    return [Jar(coordinate=coordinate, size=int(size), sha256=digest) for coordinate, size, digest in rows]


def is_whole(jar: Jar, file: Path) -> bool:
    """Whether the file is the locked one to the last byte; an interrupted download is not."""
    try:
        return file.stat().st_size == jar.size and hashlib.sha256(file.read_bytes()).hexdigest() == jar.sha256
    except OSError:
        return False


def fetch(progress: Progress) -> list[Path]:
    """Paths of all jars, whole; what is missing is downloaded, what is broken is moved aside and downloaded once more.

    Raises LocalError if the registry does not answer or gives other bytes than the lock names.
    """
    jars = wanted()
    repository = _repository()
    missing = [jar for jar in jars if not is_whole(jar, jar.path(repository))]
    if missing:
        with _alone(repository), progress.step(f"Kafka: fetching {len(missing)} of {len(jars)} jars into {repository}") as tell:
            _fetch(missing, repository, _Counter(sum(jar.size for jar in missing), tell))
    return [jar.path(repository) for jar in jars]


def _fetch(jars: list[Jar], repository: Path, counter: "_Counter") -> None:
    for attempt in (1, 2):
        _set_aside(jars, repository)
        problems: list[Exception] = []
        with ThreadPoolExecutor(max_workers=6) as pool:
            for jar in jars:
                pool.submit(_fetch_one, jar, repository, counter, problems)
        jars = [jar for jar in jars if not is_whole(jar, jar.path(repository))]
        if not jars:
            return
        if attempt == 2:
            _set_aside(jars, repository)
            raise _not_fetched(jars, problems)
        counter.begin(sum(jar.size for jar in jars))


def _fetch_one(jar: Jar, repository: Path, counter: "_Counter", problems: list[Exception]) -> None:
    """Download one jar. After a first problem the others are not tried: a registry that does not answer takes its time for each."""
    if problems or is_whole(jar, jar.path(repository)):
        return
    group, artifact, version = jar.coordinate.split(":")
    try:
        _maven(repository, counter).project(group, artifact).at_version(version).artifact().resolve()
    except Exception as error:  # whatever the resolver raises is told to the user
        if not is_whole(jar, jar.path(repository)):
            problems.append(error)


def _not_fetched(jars: list[Jar], problems: list[Exception]) -> LocalError:
    import requests

    first = problems[0] if problems else None
    if isinstance(first, OSError) and not isinstance(first, requests.RequestException):
        return errors.of_system(first, _repository(), ANOTHER_REPOSITORY)
    match first:
        case None | IndexError():  # an empty checksum beside it
            why = f"{jars[0].coordinate} came with other bytes than the locked ones, as behind a proxy that answers with a page of its own"
        case requests.RequestException() if "timed out" in str(first):
            why = f"it fell silent for {ANSWER_SECONDS} s"
        case requests.exceptions.SSLError():
            why = "its certificate is not trusted"
        case requests.exceptions.ChunkedEncodingError():
            why = "the connection was cut in the middle of a file"
        case requests.ConnectionError():
            why = "nothing answers there"
        case RuntimeError():
            why = f"it answers, but does not give {jars[0].coordinate}"
        case _:
            why = f"{type(first).__name__} for {jars[0].coordinate}"
    return LocalError(
        f"{len(jars)} of Kafka's jars could not be fetched from {_shown(_registries().values())} ({why}): "
        "check the network, its proxy settings (HTTPS_PROXY, REQUESTS_CA_BUNDLE) and the mirror in jgo's settings, then run again; "
        "what was fetched whole is kept"
    )


def _set_aside(jars: list[Jar], repository: Path) -> None:
    for jar in jars:
        file = jar.path(repository)
        if file.exists() and not is_whole(jar, file):
            file.replace(file.with_suffix(".broken"))


@contextmanager
def _alone(repository: Path) -> Iterator[None]:
    """One fetch at a time on this machine: a file that another one is just writing must not be taken for a broken one."""
    with errors.told(repository, ANOTHER_REPOSITORY):
        repository.mkdir(parents=True, exist_ok=True)
        with (repository / ".baton-lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


class _Counter:
    """Bytes fetched so far, told at most ten times a second."""

    def __init__(self, total: int, tell: Callable[[str], None]) -> None:
        self.tell = tell
        self.lock = threading.Lock()
        self.begin(total)

    def begin(self, total: int) -> None:
        self.total, self.done, self.told = total, 0, 0.0

    @contextmanager
    def __call__(self, name: str, size: int) -> Iterator[Callable[[int], None]]:  # noqa: ARG002  the resolver's signature
        yield self.add

    def add(self, count: int) -> None:
        with self.lock:
            self.done += count
            if self.done >= self.total or time.monotonic() - self.told > 0.1:
                self.told = time.monotonic()
                self.tell(f"{self.done / 1e6:.1f} of {self.total / 1e6:.1f} MB")


def _maven(repository: Path, counter: _Counter | None = None) -> "MavenContext":
    from jgo.maven import MavenContext, PythonResolver

    logging.getLogger("jgo").setLevel(logging.ERROR)  # its warning about a checksum would stand beside our own message
    resolver = PythonResolver(progress_callback=counter)
    return MavenContext(repo_cache=repository, remote_repos=_registries(), resolver=resolver, timeout=ANSWER_SECONDS)


def _registries() -> dict[str, str]:
    """Addresses by name: a mirror of the user's stands in for the central one by its name."""
    from jgo.config import GlobalSettings
    from jgo.constants import MAVEN_CENTRAL_URL

    return {"central": MAVEN_CENTRAL_URL, **GlobalSettings.load().repositories}


def _shown(addresses: Iterable[str]) -> str:
    """Addresses for a message: without the password that one may carry."""
    return ", ".join(re.sub("//[^/@]*@", "//", address) for address in addresses)


def _repository() -> Path:
    try:
        from jgo.config import GlobalSettings
    except ImportError as error:
        raise LocalError("the package jgo is missing: install requirements-dev.txt into this environment") from error
    return Path(GlobalSettings.load().repo_cache).expanduser().resolve()


def _resolve_lock() -> Iterator[Jar]:
    import jgo

    binding, *_ = jgo.resolve(BINDING)
    for artifact in [
        *jgo.resolve(KAFKA),
        binding,
    ]:  # resolved apart: together, one's dependency management would shift the other's versions
        file = artifact.resolve()
        zipfile.ZipFile(file).testzip()
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        yield Jar(coordinate=f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}", size=file.stat().st_size, sha256=digest)


if __name__ == "__main__":
    for jar in sorted(_resolve_lock(), key=lambda jar: jar.coordinate):
        sys.stdout.write(f"{jar.coordinate} {jar.size} {jar.sha256}\n")
