"""Processes that outlive the command that started them, each known by pid, start time and boot, never by its number alone."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from baton.local import errors, launch
from baton.local.errors import LocalError

MARK = "BATON_STARTED_FOR"
ROTATE_ABOVE = 10 * 1024 * 1024
# where a log says why a program gave up: PostgreSQL's last words, or the innermost exception of a Java program
TELLING = re.compile(r"(?:FATAL|PANIC): +(.+)|^(?:Caused by: )?[\w.$]+(?:Exception|Error): (.+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One running process that was started here."""

    pid: int
    started: str


def find(record: Path) -> Process | None:
    """The running process that a record names; None if it ended, or the record is of an earlier boot."""
    process = _noted(record)
    return process if process and runs(process) else None


def died(record: Path) -> bool:
    """Whether the process that a record names ended since the machine came up, without having been stopped by a command."""
    process = _noted(record)
    return process is not None and not runs(process)


def runs(process: Process) -> bool:
    """Whether exactly this process still runs, not only one with its number."""
    with suppress(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)
    return launch.started(process.pid) == process.started


def start(
    command: Sequence[str],
    *,
    record: Path,
    log: Path,
    folder: Path,
    environment: Mapping[str, str],
    user: tuple[int, int] | None = None,
) -> Process:
    """Run a command detached, with standard output and error appended to `log`. Raises LocalError if the program cannot be run."""
    record.parent.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > ROTATE_ABOVE:
        log.replace(log.with_suffix(".old.log"))
    who = f"{user[0]}:{user[1]}" if user else "-"
    done = subprocess.run(
        [sys.executable, "-I", launch.__file__, str(record), str(log), str(folder), who, *command],
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    process = None if done.returncode else _noted(record)
    if process is None:
        why = done.stderr.strip().rpartition("\n")[2]
        if errors.tells_full(why):
            raise errors.disk_full(record.parent)
        raise LocalError(f"could not run {command[0]} ({why}): install requirements-dev.txt into this environment again, or see {log}")
    return process


def send(process: Process, number: signal.Signals) -> None:
    """Send a signal to exactly this process: one that took over its number is left alone."""
    if not hasattr(os, "pidfd_open"):
        if runs(process):
            os.kill(process.pid, number)
        return
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(process.pid)
        try:
            if runs(process):
                signal.pidfd_send_signal(handle, number)
        finally:
            os.close(handle)


def wait_gone(process: Process, seconds: float) -> bool:
    """Wait until a process ended; False if it still runs after `seconds`."""
    until = time.monotonic() + seconds
    while runs(process):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def stop(process: Process, *, seconds: float) -> bool:
    """Ask a process to end and wait; after `seconds` it is killed. True if it ended by itself."""
    send(process, signal.SIGTERM)
    send(process, signal.SIGCONT)
    if wait_gone(process, seconds):
        return True
    send(process, signal.SIGKILL)
    wait_gone(process, 10)
    return False


def strays(mark: str) -> list[Process]:
    """Running processes that carry this installation's mark in their environment (empty where the kernel does not show it)."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            carried = wanted in (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        since = launch.started(int(folder.name))
        if carried and since is not None:
            found.append(Process(pid=int(folder.name), started=since))
    return found


def session(process: Process) -> int | None:
    """The process that leads the session: what was started here leads its own, and its children belong to it."""
    try:
        return os.getsid(process.pid)
    except ProcessLookupError:
        return None


def ended(what: str, record: Path, log: Path, *, data: Path, otherwise: str) -> LocalError:
    """Why a process ended by itself: a full disk below its log or `data`, or what the end of its log says, with what to do `otherwise`."""
    if filled_its_disk(record, log, data):
        return errors.disk_full(data, f"{what} ended because its disk is full")
    told = TELLING.findall(_said(record, log))
    cause = f" ({''.join(told[-1]).strip()})" if told else ""
    return LocalError(f"{what} ended while starting{cause}: {otherwise}; the end of {log}:\n{last_lines(log)}")


def filled_its_disk(record: Path, log: Path, data: Path) -> bool:
    """Whether the process of a record ended for want of space: its log says so, or there was none left to say it in."""
    return errors.tells_full(_said(record, log)) or any(errors.is_full(place) for place in (log, data))


def last_lines(log: Path, count: int = 15) -> str:
    """The end of a log file, without the frames of Java's traces, for a message about why its process ended."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 16_384))
            lines = file.read().decode(errors="replace").splitlines()
            return "\n".join([line for line in lines if not line.startswith("\tat ")][-count:])
    except OSError:
        return "(no log)"


def _noted(record: Path) -> Process | None:
    """The process that a record names, running or not; None for a damaged record, or one of an earlier boot."""
    try:
        noted = json.loads(record.read_text())
        process = Process(pid=int(noted["pid"]), started=str(noted["started"]))
        return process if noted["boot"] == launch.boot() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _said(record: Path, log: Path) -> str:
    """The end of what the process of a record has written to its log, and nothing of those before it."""
    try:
        begins = int(json.loads(record.read_text())["log_begins"])
        with log.open("rb") as file:
            file.seek(max(begins, log.stat().st_size - 65_536))
            return file.read().decode(errors="replace")
    except (OSError, ValueError, KeyError, TypeError):
        return ""
