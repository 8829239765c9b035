"""The way to the services' internal ports, where operators' routes are: straight on this machine, through Docker into containers."""

from __future__ import annotations

import asyncio
import getpass
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from baton import CommandError, client
from baton.client import SERVICES, Client

ROLE = "ops"
PATIENCE_SECONDS = 10.0
INTERNAL_PORT = 9000
# The containers publish this port nowhere, and have no program that speaks HTTP; the shell opens a connection by itself.
_PIPE = f"exec 3<>/dev/tcp/127.0.0.1/{INTERNAL_PORT} && {{ cat <&3 & cat >&3; kill $!; }}"


def whoami() -> str:
    """Who is at this terminal, for the audit log."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a user that the machine has no name for
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"


@asynccontextmanager
async def operator(state: Path | None, services: Sequence[str]) -> AsyncIterator[Client]:
    """A client whose addresses are the internal ones of these services. CommandError where one of them is not known."""
    async with AsyncExitStack() as stack:
        addresses = {name: await _address(stack, client.state_folder(state), name) for name in services}
        site = replace(client.find_site(state), addresses=addresses)
        roles = {name: [ROLE] for name in SERVICES}
        yield await stack.enter_async_context(Client(site, roles=roles, subject=whoami(), patience=PATIENCE_SECONDS))


async def _address(stack: AsyncExitStack, folder: Path, name: str) -> str:
    if named := os.environ.get(f"BATON_INTERNAL_URL_{name.upper()}"):
        return named
    profile = client.read_profile(folder)
    known = dict(profile.get("services") or {}).get(name)
    if isinstance(known, dict) and isinstance(known.get("internal_url"), str):
        return known["internal_url"]
    if isinstance(project := profile.get("containers"), str):
        command = ("docker", "compose", "--project-name", project, "exec", "-T", f"{name}-api", "bash", "-c", _PIPE)
        return await stack.enter_async_context(forwarded(command))
    raise CommandError(f"the internal address of {name} is not known: set BATON_INTERNAL_URL_{name.upper()}")


@asynccontextmanager
async def forwarded(command: Sequence[str]) -> AsyncIterator[str]:
    """An address of this machine at which every connection is the standard input and output of a process of its own."""
    busy: set[asyncio.Task[Any]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  a handler is a task
        busy.add(task)
        try:
            await _pipe(command, reader, writer)
        finally:
            writer.close()
            busy.discard(task)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)


async def _pipe(command: Sequence[str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL)
    except FileNotFoundError:
        return  # the caller is told that the connection was closed
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018  both are pipes
    directions = {asyncio.create_task(_copy(reader, process.stdin)), asyncio.create_task(_copy(process.stdout, writer))}
    try:
        await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for direction in directions:
            direction.cancel()
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while part := await source.read(65_536):
            target.write(part)
            await target.drain()
