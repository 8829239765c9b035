"""`baton parked …`: events that a service could not apply. Look at them, have them tried again, mend a value, or let one go."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from baton import CommandError
from baton.client import SERVICES

if TYPE_CHECKING:
    from baton.ops.parking import Filters

parked_app = typer.Typer(help="Events that a service could not apply.", no_args_is_help=True)

_AGE = re.compile(r"(\d{1,7})([smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds_of(age: str) -> int:
    """Seconds in a text like `90s`, `15m`, `2h`, `3d` or `900`; raises typer.BadParameter for anything else."""
    match = _AGE.fullmatch(str(age))
    if match is None:
        raise typer.BadParameter("an age is a number with s, m, h or d: 90s, 15m, 2h, 3d")
    return int(match[1]) * _SECONDS[match[2]]


Service = Annotated[str, typer.Argument(help="marketing, handoff, sales or distribution.")]
Id = Annotated[int, typer.Argument(min=1, help="Id of the parked event, as the list shows it.")]
Topic = Annotated[str | None, typer.Option("--topic", help="Only of this topic.")]
ErrorCode = Annotated[str | None, typer.Option("--error-code", help="Only with this error; BEHIND: those that only wait.")]
Key = Annotated[str | None, typer.Option("--key", help="Only of this key.")]
OlderThan = Annotated[
    int | None, typer.Option("--older-than", parser=seconds_of, metavar="AGE", help="Only parked so long ago: 90s, 15m, 2h, 3d.")
]
State = Annotated[str | None, typer.Option("--is", metavar="STATE", help="open, applied or discarded; any if left out.")]
Reason = Annotated[str, typer.Option("--reason", help="Why: it stays in the audit log.")]
Folder = Annotated[Path | None, typer.Option("--state", metavar="DIR", help="State folder of the services.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]


def register(app: typer.Typer) -> None:
    """Adds `baton parked`."""
    app.add_typer(parked_app, name="parked")


def known(service: str) -> str:
    """The service of that name. CommandError if there is none."""
    if service not in SERVICES:
        raise CommandError(f"there is no service `{service}`: choose one of {', '.join(SERVICES)}")
    return service


@parked_app.command("list")
def list_parked(
    *,
    service: Annotated[str | None, typer.Argument(help="One service; all if left out.")] = None,
    topic: Topic = None,
    error_code: ErrorCode = None,
    key: Key = None,
    older_than: OlderThan = None,
    is_: State = "open",
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many of each service at most.")] = 50,
    as_json: Json = False,
    folder: Folder = None,
) -> None:
    """List parked events, oldest first."""
    from baton.ops import parking

    names = [known(service)] if service else list(SERVICES)
    chosen = _filters(topic, error_code, key, older_than, is_)
    found = asyncio.run(parking.list_of(folder, names, chosen, limit=limit))
    if as_json:
        parking.print_json(found)
    else:
        parking.show_list(found, limit)


@parked_app.command()
def show(service: Service, parked_id: Id, as_json: Json = False, folder: Folder = None) -> None:
    """Show one parked event with its headers and its value."""
    from baton.ops import parking

    whole = asyncio.run(parking.get(folder, known(service), parked_id))
    if as_json:
        parking.print_json(whole)
    else:
        parking.show_whole(whole)


@parked_app.command()
def export(
    *,
    service: Service,
    ids: Annotated[list[int] | None, typer.Argument(min=1, help="Ids; if left out, all that the filters choose.")] = None,
    to: Annotated[Path, typer.Option("--to", help="Folder, made if it is missing.")] = Path("parked"),
    topic: Topic = None,
    error_code: ErrorCode = None,
    key: Key = None,
    older_than: OlderThan = None,
    is_: State = "open",
    folder: Folder = None,
) -> None:
    """Write parked events to files, byte for byte: ID.value (and ID.edited), and ID.json with all the rest."""
    from baton.ops import parking

    chosen = _filters(topic, error_code, key, older_than, is_)
    written = asyncio.run(parking.export(folder, known(service), ids or [], chosen, to))
    typer.echo(f"{written} event(s) written to {to}")


@parked_app.command()
def retry(
    *,
    service: Service,
    ids: Annotated[list[int] | None, typer.Argument(min=1, help="Ids; if left out, all open ones that the filters choose.")] = None,
    topic: Topic = None,
    error_code: ErrorCode = None,
    key: Key = None,
    older_than: OlderThan = None,
    everything: Annotated[bool, typer.Option("--all", help="All that are open, if no filter is given.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many they are.")] = False,
    rate: Annotated[float, typer.Option("--rate", min=0.01, max=1000, help="Keys a second.")] = 10.0,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Watch what becomes of them.")] = True,
    reason: Annotated[str | None, typer.Option("--reason", help="Why: it stays in the audit log.")] = None,
    folder: Folder = None,
) -> None:
    """Have events tried again now; each key goes on from its first event."""
    from baton.ops import parking

    chosen = _filters(topic, error_code, key, older_than, None)
    if not dry_run and not (reason or "").strip():
        raise CommandError("say why by --reason: it stays in the audit log")
    if ids and (chosen.given or everything):
        raise CommandError("give ids or filters, not both")
    if not ids and not chosen.given and not everything:
        raise CommandError("give ids, a filter (--topic, --error-code, --key, --older-than) or --all")
    asking = parking.Retrying(service=known(service), rate=rate, reason=reason or "", wait=wait)
    if ids:
        asyncio.run(parking.retry_each(folder, asking, ids, dry_run=dry_run))
    else:
        asyncio.run(parking.retry_chosen(folder, asking, chosen, dry_run=dry_run))


@parked_app.command()
def edit(
    service: Service,
    parked_id: Id,
    file: Annotated[Path, typer.Option("--file", help="The new value, a JSON object; `-` reads standard input.")],
    reason: Reason,
    folder: Folder = None,
) -> None:
    """Put another value in place of the one that came, whose bytes stay; `retry` then applies it."""
    from baton.ops import parking

    asyncio.run(parking.edit(folder, known(service), parked_id, parking.read(file), reason))
    typer.echo(f"event {parked_id} has a new value; apply it by: baton parked retry {service} {parked_id} --reason …")


@parked_app.command()
def discard(
    service: Service,
    ids: Annotated[list[int], typer.Argument(min=1, help="Ids of parked events.")],
    reason: Reason,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    folder: Folder = None,
) -> None:
    """Let events go without an effect, for good. Their bytes stay, and what waits behind them goes on."""
    from baton.ops import parking

    if not yes:
        typer.confirm(f"{len(ids)} event(s) of {known(service)} will never have an effect. Go on?", abort=True)
    asyncio.run(parking.discard(folder, known(service), ids, reason))
    typer.echo(f"{len(ids)} event(s) discarded")


def _filters(topic: str | None, error_code: str | None, key: str | None, older_than: Any, state: str | None) -> Filters:
    from baton.ops.parking import Filters

    return Filters(topic=topic, error_code=error_code, key=key, older_than=older_than, state=state)
