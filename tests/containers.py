"""PostgreSQL and Kafka as containers, with the images, settings and roles of the deployment, for whoever asked for the embedded servers.

BATON_TEST_BACKEND=containers selects them; `embedded` is the default.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import asyncpg
import yaml

from baton.local import ports
from baton.local import state as states
from baton.local.kafka import run
from baton.local.servers import Servers

if TYPE_CHECKING:
    import docker
    from testcontainers.core.container import DockerContainer

Backend = Literal["embedded", "containers"]

BACKEND = "BATON_TEST_BACKEND"
LABEL = "baton.tests"
PROJECT = Path(__file__).resolve().parents[1]
READY_SECONDS = 120
STOP_SECONDS = 30
HOST = ports.HOST


class UnusableError(Exception):
    """Containers cannot be had on this machine; `str()` says what is missing."""


def backend(environ: Mapping[str, str] = os.environ) -> Backend:
    """What the run's tests use. UnusableError if the variable says neither."""
    named = environ.get(BACKEND) or "embedded"
    if named not in ("embedded", "containers"):
        raise UnusableError(f"{BACKEND} is `{named}`: it must be `embedded` or `containers`")
    return named


def check() -> None:
    """Fetches what images are missing. UnusableError, in one line, if there is no engine, no Compose, or an image is nowhere to be had."""
    if not shutil.which("docker") or subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode:
        raise UnusableError(f"{BACKEND}=containers needs the command `docker compose`")
    from docker.errors import DockerException, ImageNotFound
    from testcontainers.core.config import testcontainers_config
    from testcontainers.core.docker_client import DockerClient

    try:
        client = DockerClient().client
    except DockerException as error:
        raise UnusableError(f"{BACKEND}=containers needs a container engine, and none answers: {error}") from error
    images = {deployed(name)["image"]: "" for name in states.SERVERS}
    if not testcontainers_config.ryuk_disabled:
        images[testcontainers_config.ryuk_image] = " (TESTCONTAINERS_RYUK_DISABLED=true does without it)"
    try:
        for image, hint in images.items():
            try:
                client.images.get(image)
            except ImageNotFound:
                _pull(client, image, hint)
    finally:
        client.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A running PostgreSQL and a running Kafka, which keep ports and contents when they are stopped and started."""

    servers: Servers
    postgres: DockerContainer
    kafka: DockerContainer

    def stop_postgres(self) -> None:
        """Stop PostgreSQL alone."""
        self.postgres.get_wrapped_container().stop(timeout=STOP_SECONDS)

    def start_postgres(self) -> None:
        """Start PostgreSQL again and wait until it answers."""
        self.postgres.get_wrapped_container().start()
        _await(self.postgres, lambda: _postgres_answers(self.servers))

    def stop_kafka(self) -> None:
        """Stop Kafka alone."""
        self.kafka.get_wrapped_container().stop(timeout=STOP_SECONDS)

    def start_kafka(self) -> None:
        """Start Kafka again and wait until it answers."""
        self.kafka.get_wrapped_container().start()
        _await(self.kafka, lambda: _kafka_answers(self.servers.kafka))

    @contextmanager
    def hanging_postgres(self) -> Iterator[None]:
        """PostgreSQL neither answers nor closes a connection while inside."""
        self.postgres.get_wrapped_container().pause()
        try:
            yield
        finally:
            self.postgres.get_wrapped_container().unpause()


@contextmanager
def running(folder: Path) -> Iterator[Pair]:
    """Servers of their own, removed at the end with all they hold. `servers(folder)` finds them from another process."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = states.new(folder)
    kept = states.save(kept, ports=ports.choose(states.SERVERS, {}))
    with ExitStack() as started:
        pair = Pair(servers=Servers(kept=kept), postgres=_start(_postgres(kept), started), kafka=_start(_kafka(kept), started))
        _await(pair.postgres, lambda: _postgres_answers(pair.servers))
        _await(pair.kafka, lambda: _kafka_answers(pair.servers.kafka))
        yield pair


def servers(folder: Path) -> Servers:
    """Where the servers are that another process has started with this folder."""
    return Servers(kept=states.get(folder))


def deployed(name: str) -> dict[str, Any]:
    """What the deployment says about one of its containers."""
    return yaml.safe_load((PROJECT / "docker-compose.yml").read_text())["services"][name]


def _start(container: DockerContainer, started: ExitStack) -> DockerContainer:
    started.callback(container.stop)
    return container.start()


def _postgres(kept: states.State) -> DockerContainer:
    secrets = kept.folder / "secrets"
    secrets.mkdir(mode=0o755)
    for name in states.SERVICES:
        file = secrets / f"{name}_database_password"
        file.write_text(kept.passwords[name])
        file.chmod(0o444)
    container = _container("postgres", {"5432/tcp": kept.ports["postgres"]})
    container.with_env("POSTGRES_PASSWORD", kept.passwords[states.SUPERUSER])
    container.with_env("POSTGRES_INITDB_ARGS", deployed("postgres")["environment"]["POSTGRES_INITDB_ARGS"])
    container.with_volume_mapping(str(secrets), "/run/secrets")
    # two workers with a pool for every database need more connections than the deployment
    return container.with_command(["postgres", "--max_connections=300", "--shared_buffers=256MB", "--max_wal_size=2GB", "--timezone=UTC"])


def _kafka(kept: states.State) -> DockerContainer:
    port = kept.ports["kafka"]
    container = _container("kafka", {f"{port}/tcp": port})
    listening = {
        "KAFKA_LISTENERS": f"PLAINTEXT://:{port},CONTROLLER://127.0.0.1:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{HOST}:{port}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_INTER_BROKER_LISTENER_NAME": "PLAINTEXT",
    }
    return container.with_envs(**deployed("kafka")["environment"] | listening)


def _container(name: str, published: dict[str, int]) -> DockerContainer:
    from testcontainers.core.container import DockerContainer

    wanted = deployed(name)
    container = DockerContainer(wanted["image"], labels={LABEL: name})
    container.ports.update(cast("Any", {inside: (HOST, outside) for inside, outside in published.items()}))  # loopback only
    container.tmpfs.update(mount.split(":", 1) for mount in wanted["tmpfs"])
    for source, target in (volume.split(":")[:2] for volume in wanted["volumes"] if volume.startswith("./")):
        container.with_volume_mapping(str(PROJECT / source), target)
    return container


def _pull(client: docker.DockerClient, image: str, hint: str) -> None:
    from docker.errors import DockerException

    try:
        client.images.pull(image)
    except DockerException as error:
        raise UnusableError(f"{BACKEND}=containers needs the image {image}{hint}; the engine says: {error}") from error


def _await(container: DockerContainer, answers: Callable[[], Awaitable[None]]) -> None:
    """Returns when the server answers. AssertionError with the end of its log if it does not in time, or has ended."""
    until = time.monotonic() + READY_SECONDS
    wrapped = container.get_wrapped_container()
    while (problem := run(_problem(answers))) is not None:
        wrapped.reload()
        told = f"{container.image} is {wrapped.status} and does not answer ({problem!r})"
        assert wrapped.status == "running", f"{told}:\n{wrapped.logs(tail=30).decode()}"
        assert time.monotonic() < until, f"{told}:\n{wrapped.logs(tail=30).decode()}"
        time.sleep(0.1)


async def _problem(answers: Callable[[], Awaitable[None]]) -> Exception | None:
    quiet = logging.getLogger("aiokafka")
    before = quiet.level
    quiet.setLevel(logging.CRITICAL + 1)  # that a broker which is coming up refuses is no news
    try:
        await answers()
    except Exception as error:
        return error
    finally:
        quiet.setLevel(before)
    return None


async def _postgres_answers(servers: Servers) -> None:
    connection = await asyncpg.connect(servers.postgres_dsn(), timeout=5)
    await connection.close()


async def _kafka_answers(bootstrap: str) -> None:
    """Consumer groups work too, so that no first reader meets the creation of the offsets topic."""
    from aiokafka.admin import AIOKafkaAdminClient

    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5_000)
    try:
        await admin.start()
        await admin.find_coordinator("baton-start")
        await admin.list_consumer_group_offsets("baton-start")
    finally:
        await admin.close()
