"""The version before the newest migration: its code, its images, and its own `baton` to talk to them."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from baton.local import state as states
from tests import compose
from tests.compose import Deployment
from tests.deployment.configuration import JOBS, PROCESSES
from tests.stack import PROJECT

BUILT_BY_TODAY = ("Dockerfile", ".dockerignore")
MIGRATIONS = "services/*/migrations/versions/*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Former:
    """An older version, unpacked in `folder`; its images carry `tag`."""

    folder: Path
    tag: str

    def up(self, deployment: Deployment) -> None:
        """Start it on the volumes of the deployment. It reads no secret files, so it gets its secrets by environment."""
        override, env = self.folder / "override.yml", self.folder / "env"
        override.write_text(json.dumps({"services": {part: {"environment": _secrets(deployment, part)} for part in JOBS + PROCESSES}}))
        override.chmod(0o600)
        settings = dict(line.split("=", 1) for line in deployment.env.read_text().splitlines())
        settings |= {"BATON_VERSION": self.tag, "COMPOSE_FILE": f"{settings['COMPOSE_FILE']}:{override}"}
        env.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        compose.docker("compose", "--env-file", str(env), "up", "--detach", "--wait", "--no-build")

    def run(self, deployment: Deployment, *arguments: str) -> str:
        """A command of its own `baton`, which must end well; gives what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "baton", *arguments],
            cwd=deployment.state,
            env={**os.environ, "BATON_STATE": str(deployment.state), "PYTHONPATH": str(self.folder), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def funnel(self, deployment: Deployment, source: str) -> dict[str, Any]:
        """Its funnel report as programs read it."""
        return json.loads(self.run(deployment, "report", "funnel", "--source", source, "--by", "origin", "--json"), parse_float=Decimal)


@contextmanager
def unpacked(folder: Path) -> Iterator[Former]:
    """The version before the newest migration with its images, which are removed at the end."""
    commit = before_newest_migration()
    with tarfile.open(fileobj=io.BytesIO(_git(PROJECT, "archive", "--format=tar", commit))) as archive:
        archive.extractall(folder, filter="data")
    for name in BUILT_BY_TODAY:
        shutil.copy(PROJECT / name, folder / name)
    former = Former(folder=folder, tag=f"before-{commit[:12]}")
    images = [f"baton-{service}:{former.tag}" for service in states.SERVICES]
    try:
        for service, image in zip(states.SERVICES, images, strict=True):
            arguments = ("--build-arg", f"SERVICE={service}", "--build-arg", f"VERSION={former.tag}")
            compose.docker("build", "--quiet", *arguments, "--tag", image, str(folder))
        yield former
    finally:
        compose.docker("image", "rm", "--force", *images)


def before_newest_migration(clone: Path = PROJECT) -> str:
    """The commit before the one that added the newest migration. AssertionError if the clone does not reach back so far."""
    added = _git(clone, "log", "--diff-filter=A", "--format=%H", "-1", "--", MIGRATIONS).decode().strip()
    assert added, "no commit of this clone has added a migration: an upgrade cannot be tried"
    missing = f"this clone does not hold the commit before {added[:12]}, which added the newest migration: fetch its history (--unshallow)"
    try:
        return _git(clone, "rev-parse", "--verify", "--quiet", f"{added}^").decode().strip()
    except subprocess.CalledProcessError as error:
        raise AssertionError(missing) from error


def _git(clone: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=clone, capture_output=True, check=True).stdout


def _secrets(deployment: Deployment, part: str) -> dict[str, str]:
    service = part.partition("-")[0]
    files = [deployment.state / "secrets" / f"{service}_{name}" for name in ("database_password", "cursor_secret")]
    password, cursor = (file.read_text() for file in files)
    return {
        "BATON_DATABASE_URL": f"postgresql+asyncpg://{service}:{password}@postgres:5432/{service}",
        "BATON_CURSOR_SECRET": cursor,
    }
