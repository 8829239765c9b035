"""Run by Python inside a container, with what to try as JSON in its one argument: tells what came of each attempt, as JSON.

An attempt that succeeds is `done`, one that fails is the name of its error. It stands alone: nothing of the tests is in an image.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import json
import os
import socket
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg

PATIENCE = 3.0
DONE = "done"
MEMORY = "/tmp"  # noqa: S108  the container's own
NEW_USER_NAMESPACE = 0x10000000


def told(attempt: Callable[[], object]) -> str:
    """What came of it."""
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, type(error).__name__)
    except Exception as error:
        return type(error).__name__
    return DONE


def append(path: str) -> None:
    """Write into a file or, in a folder, a new one."""
    place = Path(path)
    with (place / "planted" if place.is_dir() else place).open("a") as file:
        file.write("planted")


def execute(path: str) -> None:
    """Put a program somewhere and run it."""
    place = Path(path, "program")
    place.write_text("#!/bin/sh\nexit 0\n")
    place.chmod(0o755)
    if os.posix_spawn(str(place), [str(place)], {}) == 0:
        raise OSError(errno.EACCES, "not run")


def fill(path: str, size: int) -> None:
    """Write so many bytes."""
    place = Path(path, "large")
    try:
        with place.open("wb") as file:
            for _ in range(size >> 20):
                file.write(bytes(1 << 20))
    finally:
        place.unlink(missing_ok=True)


def system_call(name: str, *arguments: Any) -> None:
    """A function of the C library that gives -1 when it fails."""
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)


def reach(host: str, port: int) -> None:
    """Open a connection."""
    with socket.create_connection((host, port), PATIENCE):
        pass


async def query(user: str, password: str, database: str, statement: str) -> str:
    """A statement on the deployment's PostgreSQL."""
    try:
        connection = await asyncpg.connect(host="postgres", user=user, password=password, database=database, timeout=10)
    except (asyncpg.PostgresError, OSError) as error:
        return type(error).__name__
    try:
        await connection.execute(statement)
    except asyncpg.PostgresError as error:
        return type(error).__name__
    finally:
        await connection.close()
    return DONE


async def queries(wanted: list[list[str]], password: str) -> list[str]:
    """Every statement, one after the other."""
    return [await query(user, password, database, statement) for user, database, statement in wanted]


def reaches(wanted: list[list[Any]]) -> list[str]:
    """Every connection, all at once."""
    with ThreadPoolExecutor(len(wanted)) as threads:
        return list(threads.map(lambda place: told(lambda: reach(place[0], place[1])), wanted))


def rights() -> dict[str, str]:
    """Everything that needs a right which nobody here has, and two things that need none."""
    return {
        "become root": told(lambda: os.setuid(0)),
        "join root's group": told(lambda: os.setgid(0)),
        "change an owner": told(lambda: os.chown(MEMORY, 0, 0)),
        "mount": told(lambda: system_call("mount", b"none", MEMORY.encode(), b"tmpfs", 0, None)),
        "leave the root": told(lambda: os.chroot("/")),
        "a namespace of its own": told(lambda: system_call("unshare", NEW_USER_NAMESPACE)),
        "raw packets": told(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)),
        "a device": told(lambda: os.mknod(f"{MEMORY}/device", 0o20600, os.makedev(1, 1))),
        "a program of its own": told(lambda: execute(MEMORY)),
        "fill the memory": told(lambda: fill(MEMORY, 64 << 20)),
        "write a temporary file": told(lambda: fill(MEMORY, 1 << 20)),
    }


def all_of(wanted: dict[str, Any]) -> dict[str, Any]:
    """Every attempt by its name."""
    password = Path("/run/secrets/baton_database_password").read_text().strip()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        "write": {path: told(lambda path=path: append(path)) for path in wanted["write"]},
        "read": {path: told(lambda path=path: Path(path).read_bytes()) for path in wanted["read"]},
        "query": asyncio.run(queries(wanted["query"], password)),
        "reach": reaches(wanted["reach"]),
        "rights": rights(),
        "status": {name: status[name].split() for name in ("Uid", "Gid", "CapEff", "CapPrm", "CapBnd", "NoNewPrivs", "Seccomp")},
        "seen": {folder: sorted(os.listdir(folder)) for folder in ("/run/secrets", "/run/baton")},
        "started with": Path("/proc/1/environ").read_text().split("\0") + Path("/proc/1/cmdline").read_text().split("\0"),
    }


if __name__ == "__main__":
    print(json.dumps(all_of(json.loads(sys.argv[1]))))  # noqa: T201  its answer
