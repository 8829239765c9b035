"""Baton as it runs in production, small: PostgreSQL, Kafka, and each service as processes of the roles `api` and `worker`.

A watcher starts every process again that ends, as an orchestrator would, and counts it. Nothing else ever starts one again.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from baton import ISSUER
from baton.local import kafka, postgres, processes, servers, services, state
from baton.local.ports import HOST
from tests.chaos.namespace import GROUP
from tests.promises import variants
from tests.promises.variants import Edit

PORTS: Final = {"postgres": 5432, "kafka": 9092, "kafka-controller": 9093}
SERVICES: Final = state.SERVICES
HOOK: Final = Path(__file__).parent / "hook"

SPARES: Final = range(2, 5)
"""Numbers of further workers that faults may start."""

READY_SECONDS: Final = 120.0
LOOK_SECONDS: Final = 0.05
RESTART_SECONDS: Final = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
"""How long a process that ended rests before it is started again: longer each time, until it has run for ten seconds."""

SETTLED_SECONDS: Final = 10.0


class SiteFailed(Exception):  # noqa: N818  a fact about the run
    """Baton did not come up, or did not come back."""


@dataclass(slots=True, kw_only=True)
class Member:
    """One process of one service, over all its lives."""

    service: str
    role: str
    number: int
    port: int
    internal_port: int
    log: Path
    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0
    exits: list[int] = field(default_factory=list)
    quick: int = 0
    due: float = 0.0
    held: bool = False
    removed: bool = False
    once: dict[str, str] = field(default_factory=dict)
    """Settings of its next life alone."""

    @property
    def name(self) -> str:
        """`sales-worker`, or `sales-worker-2` for a second one."""
        return f"{self.service}-{self.role}" + (f"-{self.number}" if self.number > 1 else "")

    @property
    def pid(self) -> int:
        """Its process number; 0 while it does not run."""
        return self.process.pid if self.process and self.process.returncode is None else 0

    def is_ready(self) -> bool:
        """Whether it says that it is ready."""
        return self.ask("/readyz")[0] == http.client.OK

    def ask(self, path: str, seconds: float = 3.0) -> tuple[int, str]:
        """Status (0 for no answer) and text of a page of its internal port."""
        connection = http.client.HTTPConnection(HOST, self.internal_port, timeout=seconds)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()

    def counter(self, name: str) -> float:
        """The sum over all labels of a metric in its present life."""
        lines = (line for line in self.ask("/metrics")[1].splitlines() if line.startswith((f"{name} ", f"{name}{{")))
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


class Site:
    """One installation in this namespace. `edits`: the bug that its services carry, if any."""

    def __init__(self, folder: Path, *, edits: Sequence[Edit] = ()) -> None:
        self.folder = folder
        self.edits = edits
        self.launches = 0
        self.members: list[Member] = []
        self._kept: state.State | None = None
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="watcher", daemon=True)
        for index, service in enumerate(SERVICES):
            self._add(service, "api", 1, 8001 + index, 9101 + index)
            self._add(service, "worker", 1, 0, _internal_port(service, "worker", 1))

    @property
    def kept(self) -> state.State:
        """The installation's ports, passwords and folders."""
        if self._kept is None:
            raise SiteFailed("the servers have not been started")
        return self._kept

    @property
    def kafka(self) -> str:
        """Bootstrap address of the broker."""
        return kafka.address(self.kept)

    def dsn(self, database: str) -> str:
        """A database's address for the superuser."""
        return postgres.dsn(self.kept, database)

    def open(self) -> None:
        """Starts everything and waits until all is ready. Raises SiteFailed."""
        ports = {**PORTS, **{name: 8001 + index for index, name in enumerate(SERVICES)}}
        ports |= {f"{name}-internal": 9101 + index for index, name in enumerate(SERVICES)}
        self._kept = servers.start(self.folder, fixed=ports).kept
        services.make_keys(self.kept)
        # The workers bring databases and topics up to date, the others wait for that.
        for member in self.members:
            member.once = {"BATON_PREPARE": "true"} if member.role == "worker" else {}
            self._launch(member)
        self.wait_ready(self.members)
        self._watcher.start()

    def close(self) -> None:
        """Ends everything."""
        self._closing.set()
        with self._lock:
            for member in self.members:
                if member.process:
                    member.process.kill()
            for member in self.members:
                if member.process:
                    member.process.wait()
        servers.destroy(self.folder)

    def those(self, *, service: str | None = None, role: str | None = None) -> list[Member]:
        """The processes of a service, of a role, or of both."""
        return [one for one in self.members if service in {None, one.service} and role in {None, one.role}]

    def member(self, service: str, role: str, number: int = 1) -> Member:
        """One process."""
        return next(one for one in self.members if (one.service, one.role, one.number) == (service, role, number))

    def second(self, service: str, role: str) -> Member:
        """Starts another process beside the first one and waits until it is ready."""
        member = self.start_second(service, role)
        self.wait_ready([member])
        return member

    def start_second(self, service: str, role: str) -> Member:
        """Starts another process beside those that there are."""
        taken = {one.number for one in self.those(service=service, role=role)}
        number = next(number for number in range(2, 100) if number not in taken)
        port = 8001 + 100 * number + SERVICES.index(service)
        member = self._add(service, role, number, port if role == "api" else 0, _internal_port(service, role, number))
        with self._lock:
            self._launch(member)
        return member

    def remove(self, member: Member, *, number: signal.Signals = signal.SIGTERM) -> int:
        """Ends a process that is no longer wanted; its exit code. Raises SiteFailed if it does not end within 40 s."""
        with self._lock:
            member.removed = True
        return self.end(member, number)

    def end(self, member: Member, number: signal.Signals) -> int:
        """Sends a signal and waits until the process is gone; its exit code. The watcher starts it again unless it was removed."""
        process = member.process
        if process is None:
            return 0
        process.send_signal(number)
        try:
            return process.wait(40)
        except subprocess.TimeoutExpired:
            raise SiteFailed(f"{member.name} did not end within 40 s of {number.name}") from None

    @contextmanager
    def holding(self, members: Iterable[Member]) -> Iterator[None]:
        """While inside, the watcher lets these rest when they end."""
        held = list(members)
        with self._lock:
            for member in held:
                member.held = True
        try:
            yield
        finally:
            self.release(held)

    def release(self, members: Iterable[Member]) -> None:
        """The watcher starts these again, if they have ended."""
        with self._lock:
            for member in members:
                member.held = False

    def wait_ready(self, members: Iterable[Member], seconds: float = READY_SECONDS) -> float:
        """Waits until all of them are ready, and returns how long that took. Raises SiteFailed."""
        began = time.monotonic()
        for member in members:
            wait_until(member.is_ready, seconds - (time.monotonic() - began), f"{member.name} is not ready: {self.tail(member)}")
        return time.monotonic() - began

    def wait_new(self, member: Member, former: int, seconds: float = 60.0) -> int:
        """Waits until the process has another number than before, and returns it."""
        wait_until(lambda: member.pid not in {0, former}, seconds, f"{member.name} was not started again")
        return member.pid

    def tail(self, member: Member) -> str:
        """The end of its log."""
        return processes.last_lines(member.log, 8)

    def restarts(self) -> int:
        """How often a process has ended and was started again by the watcher."""
        return self.launches

    def targets(self, urls: Mapping[str, str]) -> dict[str, object]:
        """What the judging program is told of this installation. `urls`: where clients go, if not to the one API process."""
        internal = {name: [f"http://{HOST}:{one.internal_port}" for one in self.those(service=name)] for name in SERVICES}
        spare = {name: [f"http://{HOST}:{_internal_port(name, 'worker', number)}" for number in SPARES] for name in SERVICES}
        return {
            "services": {
                name: {
                    "url": [urls.get(name, services.url(self.kept, name))],
                    "internal_url": internal[name],
                    "spare_internal_url": spare[name],
                }
                for name in SERVICES
            },
            "databases": {name: self.dsn(name) for name in SERVICES},
            "kafka": self.kafka,
            "topic_prefix": "",
            "tokens": {"key_file": str(self.kept.keys / "key.pem"), "issuer": ISSUER},
            "logs": [str(member.log) for member in self.members],
            "secrets": [*self.kept.passwords.values(), self.kept.cursor_secret],
        }

    def _add(self, service: str, role: str, number: int, port: int, internal_port: int) -> Member:
        member = Member(service=service, role=role, number=number, port=port, internal_port=internal_port, log=Path())
        member.log = self.folder / "logs" / f"{member.name}.log"
        with self._lock:
            self.members.append(member)
        return member

    def _launch(self, member: Member) -> None:
        settings = {**services.environment(self.kept, member.service, os.environ), **self._settings(member)}
        member.log.parent.mkdir(parents=True, exist_ok=True)
        with member.log.open("ab") as log:
            member.process = subprocess.Popen(
                [sys.executable, "-m", f"services.{member.service}", member.role],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=state.project(),
                env=settings,
                start_new_session=True,
                group=GROUP if os.geteuid() == 0 else None,
            )
        member.began = time.monotonic()
        member.once = {}

    def _settings(self, member: Member) -> Mapping[str, str]:
        changed = {"BATON_PREPARE": "false", "BATON_PORT": str(member.port), "BATON_INTERNAL_PORT": str(member.internal_port)}
        if self.edits:
            changed |= {"PYTHONPATH": os.pathsep.join((str(HOOK), str(state.project()))), **variants.environment(self.edits)}
        return changed | member.once

    def _watch(self) -> None:
        while not self._closing.wait(LOOK_SECONDS):
            with self._lock:
                for member in [*self.members]:
                    self._tend(member)

    def _tend(self, member: Member) -> None:
        process, now = member.process, time.monotonic()
        if self._closing.is_set() or process is None:
            return
        if process.poll() is not None and not member.due:
            member.exits.append(process.returncode)
            member.quick = 0 if now - member.began > SETTLED_SECONDS else member.quick + 1
            member.due = now + RESTART_SECONDS[min(member.quick, len(RESTART_SECONDS) - 1)]
        if member.due and now >= member.due and not member.held:
            member.due = 0.0
            if member.removed:
                member.process = None
                self.members.remove(member)
            else:
                self.launches += 1
                self._launch(member)


def wait_until(condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
    """Waits for a condition. Raises SiteFailed with the text if it does not come to hold in time."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise SiteFailed(f"{otherwise} (waited {seconds:.0f} s)")
        time.sleep(LOOK_SECONDS)


def _internal_port(service: str, role: str, number: int) -> int:
    return (9101 if role == "api" else 9501) + 10 * number + SERVICES.index(service)


def write_targets(site: Site, file: Path, urls: Mapping[str, str]) -> None:
    """Writes what the judging program is told, readable by its owner alone: it holds passwords."""
    state.write_private(file, json.dumps(site.targets(urls), indent=1))
