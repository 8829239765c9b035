"""A deployment in containers: the repository's compose file under a project name of its own, broken from outside where a test asks."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from baton.local import ports, servers
from baton.local import state as states
from tests import containers
from tests.stack import PROJECT, Stack

PARTS = (*states.SERVERS, *(f"{service}-{role}" for service in states.SERVICES for role in ("api", "worker")))
UP_SECONDS = 300
COMMAND_SECONDS = 600
INTERNAL_PORT = 9000

PUBLISHED = """\
services:
  postgres:
    ports: ["127.0.0.1:{port}:5432"]
"""
"""The deployment publishes PostgreSQL nowhere; the tests ask the databases for what came of it all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment(Stack):
    """Running containers, with the home folder as state. A part is a container; its process is the one that its init looks after."""

    env: Path
    project: str
    kept: states.State

    @property
    def running(self) -> servers.Servers:
        """Where PostgreSQL and Kafka are, seen from outside the containers."""
        return servers.Servers(kept=self.kept)

    def compose(self, *arguments: str, seconds: float = COMMAND_SECONDS) -> str:
        """A command of docker compose that must end well; gives what it printed."""
        return docker("compose", "--env-file", str(self.env), *arguments, seconds=seconds)

    def up(self) -> None:
        """Start what does not run, and wait until all of it is ready. AssertionError with the logs of what is not in time."""
        self.compose("up", "--detach", "--no-build")
        until = time.monotonic() + UP_SECONDS
        while waiting := self.unhealthy():  # --wait would give up at the first part that is slow on a busy machine
            if time.monotonic() > until:
                raise AssertionError(f"not ready after {UP_SECONDS} s: {waiting}\n{self.compose('logs', '--tail', '20', *waiting)}")
            time.sleep(0.5)

    def inspect(self) -> dict[str, dict[str, Any]]:
        """What the engine knows about the container of each part."""
        found = json.loads(docker("inspect", *(f"{self.project}-{part}-1" for part in PARTS)))
        return dict(zip(PARTS, found, strict=True))

    def inits(self) -> dict[str, int]:
        """The init process of every container that runs, by the numbers of this machine."""
        return {part: pid for part, told in self.inspect().items() if (pid := told["State"]["Pid"])}

    def pids(self) -> dict[str, int]:
        """The main process of every container that runs one, by the numbers of this machine."""
        return {part: child for part, init in self.inits().items() if (child := _child(init))}

    def kill(self, *parts: str) -> None:
        """kill -9 of main processes from outside, all at once; returns when they are gone. Nobody starts them again but the engine."""
        kill(*_of(self.pids(), parts))

    def kill_inits(self, *parts: str) -> None:
        """kill -9 of the init processes, with which everything in their containers ends."""
        kill(*_of(self.inits(), parts))

    def unhealthy(self) -> dict[str, str]:
        """The parts that are not running, or whose last health check since their start was not passed, and what they are instead."""
        told = {part: health_of(found["State"]) for part, found in self.inspect().items()}
        return {part: health for part, health in told.items() if health != "healthy"}

    def address(self, part: str) -> str | None:
        """Where a part answers operators, seen from this machine; None while its container does not run."""
        networks = self.inspect()[part]["NetworkSettings"]["Networks"].values()
        found = next((network["IPAddress"] for network in networks if network["IPAddress"]), None)
        return f"http://{found}:{INTERNAL_PORT}" if found else None


@contextmanager
def installed(name: str) -> Iterator[Deployment]:
    """Four services on servers of their own, all in containers, from the images of this tree; removed at the end with all they hold."""
    folder = Path(tempfile.mkdtemp(prefix=f"baton-{name}-"))
    deployment = _describe(folder, f"baton-tests-{name}-{secrets.token_hex(3)}")
    try:
        deployment.run("secrets", "--env", str(deployment.env))
        deployment.compose("build", "--quiet")
        deployment = _with_passwords(deployment)
        deployment.up()
        yield deployment
    finally:
        deployment.compose("down", "--volumes", "--remove-orphans", "--timeout", "5")
        shutil.rmtree(folder, ignore_errors=True)


def docker(*arguments: str, seconds: float = COMMAND_SECONDS) -> str:
    """A command of the engine that must end well; gives what it printed. Settings of this process do not reach it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("BATON_", "COMPOSE_"))}
    done = subprocess.run(
        ["docker", *arguments], cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=seconds, check=False
    )
    assert done.returncode == 0, f"docker {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def health_of(state: dict[str, Any]) -> str:
    """How the engine finds a container. Just after a restart it still shows the health of the former life: only later checks count."""
    checks = state["Health"]["Log"] or []
    fresh = checks and datetime.fromisoformat(checks[-1]["Start"]) > datetime.fromisoformat(state["StartedAt"])
    return state["Health"]["Status"] if state["Running"] and fresh else state["Status"]


def kill(*pids: int) -> None:
    """kill -9 from outside; returns when the processes are gone."""
    try:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
    except PermissionError:  # whoever may use the engine may do it by a container that sees all processes
        image = containers.deployed("postgres")["image"]
        numbers = [str(pid) for pid in pids]
        docker("run", "--rm", "--pid", "host", "--privileged", "--user", "0", "--entrypoint", "kill", image, "-9", *numbers)
    until = time.monotonic() + 10
    while left := [pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes()]:
        assert time.monotonic() < until, f"processes {left} outlive kill -9"
        time.sleep(0.01)


def _describe(folder: Path, project: str) -> Deployment:
    chosen = ports.choose(("postgres", "kafka", *states.SERVICES), {})
    (folder / "home").mkdir(mode=0o700)
    override = folder / "published.yml"
    override.write_text(PUBLISHED.format(port=chosen["postgres"]))
    env = folder / "env"
    settings = {
        "COMPOSE_PROJECT_NAME": project,
        "COMPOSE_FILE": f"{PROJECT / 'docker-compose.yml'}:{override}",
        "BATON_HOME": str(folder / "home"),
        "BATON_VERSION": "local",
        "BATON_SECRETS_GROUP": str(10001 if os.geteuid() == 0 else os.getegid()),
        **{f"BATON_PORT_{name.upper()}": str(chosen[name]) for name in ("kafka", *states.SERVICES)},
    }
    env.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    kept = states.State(folder=folder, home=folder, installation=project, ports=chosen, cursor_secret="", cluster="")
    return Deployment(state=folder / "home", env=env, project=project, kept=kept)


def _with_passwords(deployment: Deployment) -> Deployment:
    files = {states.SUPERUSER: "postgres_password", **{name: f"{name}_database_password" for name in states.SERVICES}}
    passwords: Mapping[str, str] = {role: (deployment.state / "secrets" / file).read_text() for role, file in files.items()}
    deployment.kept.passwords.update(passwords)
    return deployment


def _child(init: int) -> int | None:
    with suppress(OSError):
        children = Path(f"/proc/{init}/task/{init}/children").read_text().split()
        return int(children[0]) if children else None
    return None


def _of(running: Mapping[str, int], parts: tuple[str, ...]) -> list[int]:
    missing = [part for part in parts if part not in running]
    assert not missing, f"not running before the kill: {missing}"
    return [running[part] for part in parts]
