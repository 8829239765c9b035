"""Has a service's own code do something, with the service's settings and rights: as a process here, or in a container of its image.

What it tells are JSON lines: `progress`, and at the end `result` or `refused`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from baton import CommandError, client
from baton.local import elsewhere, services, state

Told = Mapping[str, Any]


class RefusedError(CommandError):
    """The service refused: why, with its code."""

    def __init__(self, service: str, told: Told) -> None:
        self.code = str(told.get("code"))
        context = ", ".join(f"{name}: {value}" for name, value in dict(told.get("context") or {}).items())
        super().__init__(f"{service} refused: {told.get('detail')} ({self.code}{f'; {context}' if context else ''})")


def run(folder: Path | None, service: str, arguments: Sequence[str], on_progress: Callable[[Told], None] = lambda _: None) -> Told:
    """The result that a job of the service tells. Raises RefusedError, and CommandError with its last words if it failed otherwise."""
    command, environment = _command(client.state_folder(folder), service, arguments)
    return follow(command, environment, service=service, on_progress=on_progress)


def follow(
    command: Sequence[str], environment: Mapping[str, str], *, service: str, on_progress: Callable[[Told], None] = lambda _: None
) -> Told:
    """The result that a program tells, run in the project's folder. Raises as `run` does."""
    result: Told | None = None
    last = ""
    try:
        process = subprocess.Popen(
            command, cwd=state.project(), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    except FileNotFoundError as error:
        raise CommandError(f"{command[0]} is not installed here: it starts the containers") from error
    with process:
        try:
            for line in process.stdout or ():
                told = _told(line)
                if told is None:
                    last = line.strip() or last
                elif told["told"] == "progress":
                    on_progress(told)
                else:
                    result = told
            code = process.wait()
        except BaseException:
            process.terminate()
            raise
    if result is not None and result["told"] == "refused":
        raise RefusedError(service, result)
    if code or result is None:
        raise CommandError(f"{service} could not do it, its process ended with {code}: {_words(last)}")
    return result


def _command(folder: Path, service: str, arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    job = ["python", "-m", f"services.{service}", *arguments]
    if project := elsewhere.project(folder):
        named = client.read_profile(folder).get("settings")
        settings = named if isinstance(named, str) else str(state.project() / ".env")
        # Whatever of the service runs or not: a container for this alone.
        compose = ["docker", "compose", "--env-file", settings, "--project-name", project]
        return [*compose, "run", "--rm", "--no-deps", "-T", f"{service}-provision", *job], {**os.environ, "BATON_HOME": str(folder)}
    kept = None if elsewhere.is_elsewhere(folder) else state.find(folder)
    if kept is None:
        raise CommandError(f"{service} does not run on this machine: run where it does, with its settings: {' '.join(job)}")
    return [sys.executable, *job[1:]], services.environment(kept, service, os.environ)


def _told(line: str) -> dict[str, Any] | None:
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return told if isinstance(told, dict) and "told" in told else None


def _words(line: str) -> str:
    try:
        said = json.loads(line)
    except ValueError:
        return line
    return str(said.get("reason") or said.get("event") or line) if isinstance(said, dict) else line
