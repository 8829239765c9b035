"""What an operator can get wrong: broken while inside, mended at the end by the hand that broke it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import asyncpg

from baton.local.kafka import run
from tests.compose import Deployment
from tests.deployment import operating

UNKNOWN_SCHEMA = "9999_not_known_yet"
TOPIC = "lead-generated"
OTHER_RETENTION, CONTRACT = "retention.ms=1000000", "retention.ms=604800000"


class Breaking(Protocol):
    def __call__(self, deployment: Deployment) -> AbstractContextManager[object]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One wrong thing. `part` is the container that finds it, None if none can be started; `told` is what must be said about it."""

    wrong: Breaking
    part: str | None
    told: str


@contextmanager
def missing_secret(deployment: Deployment) -> Iterator[None]:
    file = secret(deployment, "sales_cursor_secret")
    kept = file.rename(file.with_suffix(".kept"))
    try:
        yield
    finally:
        kept.rename(file)


@contextmanager
def empty_secret(deployment: Deployment) -> Iterator[None]:
    with written(secret(deployment, "sales_cursor_secret"), ""):
        yield


@contextmanager
def wrong_password(deployment: Deployment) -> Iterator[None]:
    deployment.compose("down")  # as on a machine that starts again
    with written(secret(deployment, "marketing_database_password"), "not-what-the-role-was-made-with"):
        yield


@contextmanager
def secret_open_to_all(deployment: Deployment) -> Iterator[None]:
    file = secret(deployment, "distribution_database_password")
    file.chmod(0o444)
    try:
        yield
    finally:
        file.chmod(0o440)


@contextmanager
def taken_port(deployment: Deployment) -> Iterator[None]:
    deployment.compose("stop", "handoff-api")
    with socket.create_server(("127.0.0.1", deployment.kept.ports["handoff"])):
        yield


@contextmanager
def other_topic(deployment: Deployment) -> Iterator[None]:
    alter(deployment, f"--add-config {OTHER_RETENTION}")
    try:
        yield
    finally:
        alter(deployment, f"--add-config {CONTRACT}")


def alter(deployment: Deployment, change: str) -> None:
    """Change the settings of a topic by Kafka's own command."""
    told = f"--bootstrap-server kafka:9092 --alter --entity-type topics --entity-name {TOPIC} {change}"
    done = operating.inside(deployment, "kafka", "/opt/kafka/bin/kafka-configs.sh", *told.split())
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def newer_schema(deployment: Deployment) -> Iterator[None]:
    before = run(schema(deployment, "handoff"))
    run(schema(deployment, "handoff", UNKNOWN_SCHEMA))
    try:
        yield
    finally:
        run(schema(deployment, "handoff", before))


async def schema(deployment: Deployment, service: str, version: str | None = None) -> str:
    """The version that a service's database says it has; another one, if one is given."""
    connection = await asyncpg.connect(deployment.running.postgres_dsn(service), timeout=10)
    try:
        if version is not None:
            await connection.execute("UPDATE alembic_version SET version_num = $1", version)
        return str(await connection.fetchval("SELECT version_num FROM alembic_version"))
    finally:
        await connection.close()


def secret(deployment: Deployment, name: str) -> Path:
    """The file of a secret."""
    return deployment.state / "secrets" / name


@contextmanager
def written(file: Path, text: str) -> Iterator[None]:
    """Another content in the same file, with the same rights."""
    before = file.read_text()
    mode = file.stat().st_mode & 0o777
    _write(file, text, mode)
    try:
        yield
    finally:
        _write(file, before, mode)


def _write(file: Path, text: str, mode: int) -> None:
    file.chmod(mode | 0o200)
    with file.open("r+") as handle:
        handle.truncate()
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    file.chmod(mode)
