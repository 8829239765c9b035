"""The commands that run Baton on this machine: up, status, url, stop, logs, reset."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from baton.local import state
from baton.local.errors import LocalError

if TYPE_CHECKING:
    from rich.console import Console

Folder = Annotated[
    Path | None, typer.Option("--state", metavar="DIR", help="State folder (default: BATON_STATE, else .baton of the project).")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    for command in (up, status, url, stop, logs, reset):
        app.command()(command)


def up(
    folder: Folder = None,
    port: Annotated[
        list[str] | None, typer.Option("--port", metavar="PART=NUMBER", help="Fix a port, e.g. marketing=8001; also BATON_PORT_MARKETING.")
    ] = None,
    only: Annotated[str | None, typer.Option("--only", metavar="servers", help="Start PostgreSQL and Kafka, but no service.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Remove all databases and events first.")] = False,
    yes: Yes = False,
) -> None:
    """Start PostgreSQL, Kafka and the four services, and wait until all are ready. Starts only what does not run."""
    from baton.local import progress, system

    if only not in (None, "servers"):
        raise LocalError(f"--only takes `servers`, not `{only}`")
    where = _own(folder, "make compose-up")
    fixed = fixed_ports(port or [], os.environ)
    if fresh:
        _confirm(where, yes)
    console = _console()
    begun = time.monotonic()
    with _interruptible():
        kept = system.up(where, fixed=fixed, with_services=only is None, fresh=fresh, progress=progress.Lines(console))
    _show(kept, console)
    console.print(f"ready after {time.monotonic() - begun:.1f} s", highlight=False)


def status(
    folder: Folder = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show each process with port, pid, readiness and log file. Exit code 0 if all are ready, else 1."""
    from dataclasses import asdict

    from baton.local import elsewhere, system

    where = state.folder_of(folder)
    if elsewhere.is_elsewhere(where):
        _show_elsewhere(where, as_json=as_json)
        return
    kept = state.get(where)
    parts = system.inspect(kept)
    if as_json:
        rows = [asdict(part) | {"log": str(part.log)} for part in parts]
        print(json.dumps({"state": str(kept.folder), "ready": all(part.ready for part in parts), "parts": rows}, indent=1))
    else:
        _show(kept, _console())
    if not all(part.ready for part in parts):
        raise typer.Exit(1)


def url(service: Annotated[str, typer.Argument(help="marketing, handoff, sales or distribution.")], folder: Folder = None) -> None:
    """Print the address of a service, for scripts."""
    from baton import client

    if service not in state.SERVICES:
        raise LocalError(f"there is no service `{service}`: choose one of {', '.join(state.SERVICES)}")
    addresses = client.find_site(folder).addresses
    if service not in addresses:
        raise LocalError(f"the address of {service} is not known: set BATON_URL_{service.upper()}")
    print(addresses[service])


def stop(folder: Folder = None) -> None:
    """Stop what was started here: services first, then Kafka and PostgreSQL. Data stays."""
    from baton.local import progress, system

    where = _own(folder, "make compose-down")
    console = _console()
    if not state.find(where) or not system.stop(where, progress=progress.Lines(console)):
        console.print("nothing was running", highlight=False)


def logs(
    part: Annotated[str | None, typer.Argument(help="A service, postgres or kafka; all services if left out.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines are written.")] = False,
    lines: Annotated[int, typer.Option("-n", min=0, help="How many of the last lines.")] = 50,
    folder: Folder = None,
) -> None:
    """Show the end of the log files."""
    from baton.local import tail

    kept = state.get(_own(folder, "make compose-logs"))
    known = (*state.SERVICES, *state.SERVERS)
    if part and part not in known:
        raise LocalError(f"there is no log of `{part}`: choose one of {', '.join(known)}")
    files = {name: kept.log(name) for name in ([part] if part else state.SERVICES)}
    if not any(file.exists() for file in files.values()):
        raise LocalError(f"no log of {', '.join(files)} yet: run `baton up`")
    try:
        for line in tail.read(files, last=lines, follow=follow):
            print(line, flush=True)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def reset(folder: Folder = None, yes: Yes = False) -> None:
    """Stop everything and remove all databases and events (never only one of the two). Ports, passwords and keys stay."""
    from baton.local import progress, system

    where = _own(folder, "docker compose down --volumes")
    state.get(where)
    _confirm(where, yes)
    system.reset(where, progress=progress.Lines(_console()))


def fixed_ports(options: list[str], environment: "os._Environ[str] | dict[str, str]") -> dict[str, int]:
    """Ports from BATON_PORT_… and `--port PART=NUMBER`, the option winning. Raises LocalError for an unknown part or no number."""
    wanted = {name: environment[key] for name in state.PORTS if (key := f"BATON_PORT_{name.upper().replace('-', '_')}") in environment}
    for option in options:
        name, _, number = option.partition("=")
        if name not in state.PORTS:
            raise LocalError(f"--port {option}: the parts are {', '.join(state.PORTS)}")
        wanted[name] = number
    for name, number in wanted.items():
        if not number.isdecimal() or not 0 < int(number) < 65_536:
            raise LocalError(f"the port for {name} must be a number from 1 to 65535, not `{number}`")
    return {name: int(number) for name, number in wanted.items()}


def _confirm(folder: Path, yes: bool) -> None:
    if state.find(folder) and not yes:
        typer.confirm(f"Remove all databases and events of {folder}?", abort=True)


def _show(kept: state.State, console: "Console") -> None:
    from rich.table import Table

    from baton.local import system

    table = Table("part", "state", "pid", "port", "url", "log", box=None, pad_edge=False)
    for part in system.inspect(kept):
        table.add_row(part.name, part.state, str(part.pid or "-"), str(part.port), part.url, os.path.relpath(part.log))
    console.print(table, soft_wrap=not console.is_terminal)


def _own(folder: Path | None, instead: str) -> Path:
    """The state folder, if what it holds is run from here."""
    from baton.local import elsewhere

    where = state.folder_of(folder)
    elsewhere.refuse(where, instead)
    return where


def _show_elsewhere(where: Path, *, as_json: bool) -> None:
    from dataclasses import asdict

    from rich.table import Table

    from baton.local import elsewhere

    parts = elsewhere.inspect(where)
    if as_json:
        print(
            json.dumps(
                {"state": str(where), "ready": all(part.ready for part in parts), "parts": [asdict(part) for part in parts]}, indent=1
            )
        )
    else:
        table = Table("part", "state", "url", box=None, pad_edge=False)
        for part in parts:
            table.add_row(part.name, part.state, part.url)
        _console().print(table)
        if elsewhere.project(where):
            print("more: docker compose ps, make compose-logs")
    if not all(part.ready for part in parts):
        raise typer.Exit(1)


def _console() -> "Console":
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=200)


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM ends the command like Ctrl-C: what it started half is stopped again."""

    def interrupt(number: int, _: object) -> None:
        raise KeyboardInterrupt(number)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        raise LocalError("interrupted: what this command had started is stopped again", exit_code=130) from None
    finally:
        signal.signal(signal.SIGTERM, before)
