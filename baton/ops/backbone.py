"""`baton offsets …`, `baton outbox republish`, `baton db restored`: about logs that lost records and databases that were restored.

Each is done by the service's own code, with its settings; here it is asked for and shown.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from baton import CommandError
from baton.client import SERVICES
from baton.ops.parked import known

offsets_app = typer.Typer(help="How far the services have read.", no_args_is_help=True)
outbox_app = typer.Typer(help="What the services have published.", no_args_is_help=True)
db_app = typer.Typer(help="The services' databases.", no_args_is_help=True)

Service = Annotated[str, typer.Argument(help="marketing, handoff, sales or distribution.")]
Reason = Annotated[str, typer.Option("--reason", help="Why: it stays in the audit log.")]
Folder = Annotated[Path | None, typer.Option("--state", metavar="DIR", help="State folder of the services.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]
Topics = Annotated[list[str] | None, typer.Option("--topic", help="Only this topic; may be given more than once.")]


def time_of(given: str) -> str:
    """A time (ISO 8601, with its offset from UTC) as text; raises typer.BadParameter for anything else."""
    try:
        instant = datetime.fromisoformat(str(given))
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise typer.BadParameter("a time is written with its offset from UTC, as in 2026-03-02T12:00:00Z")
    return instant.isoformat()


Time = Annotated[str | None, typer.Option(parser=time_of, metavar="TIME", help="As in 2026-03-02T12:00:00Z.")]


def register(app: typer.Typer) -> None:
    """Adds `baton offsets`, `baton outbox` and `baton db`."""
    app.add_typer(offsets_app, name="offsets")
    app.add_typer(outbox_app, name="outbox")
    app.add_typer(db_app, name="db")


@offsets_app.command("show")
def show_offsets(
    service: Annotated[str | None, typer.Argument(help="One service; all if left out.")] = None,
    as_json: Json = False,
    folder: Folder = None,
) -> None:
    """Show what is read next of each partition, how far its log goes, and who reads. Exit code 1 if a log does not reach a position."""
    from baton.ops import jobs

    found = {name: jobs.run(folder, name, ["offsets", "show"]) for name in ([known(service)] if service else SERVICES)}
    if as_json:
        print(json.dumps({name: {part: told[part] for part in ("positions", "members")} for name, told in found.items()}, indent=1))
    else:
        for name, told in found.items():
            _show_positions(name, told["positions"], told["members"])
    if any(one["trouble"] for told in found.values() for one in told["positions"]):
        raise typer.Exit(1)


@offsets_app.command()
def repair(service: Service, reason: Reason, topic: Topics = None, folder: Folder = None) -> None:
    """Go on where a log that lost records does: at its start, or behind a hole. With --topic that topic is read again from its start.

    The service must not read meanwhile. What is read twice has no second effect; what is lost, the owner of the topic sends again by
    the command that is shown.
    """
    from baton.ops import jobs

    told = jobs.run(folder, known(service), ["offsets", "repair", *_topics(topic), *_by(reason)])
    _show_moves(told["moves"], "every log reaches its position: nothing to repair")
    for command in told["republish"]:
        print(f"send again what was lost: {shlex.join(command)}")


@offsets_app.command()
def reset(
    service: Service,
    to_time: Annotated[str, typer.Option("--to-time", parser=time_of, metavar="TIME", help="As in 2026-03-02T12:00:00Z.")],
    reason: Reason,
    topic: Topics = None,
    folder: Folder = None,
) -> None:
    """Read again from a time on, at most as far back as the inbox knows what had its effect. The service must not read meanwhile."""
    from baton.ops import jobs

    told = jobs.run(folder, known(service), ["offsets", "reset", "--to-time", to_time, *_topics(topic), *_by(reason)])
    _show_moves(told["moves"], "nothing was written since then that has been read")


@outbox_app.command()
def republish(
    *,
    service: Service,
    since: Time = None,
    until: Time = None,
    topic: Annotated[str | None, typer.Option("--topic", help="Only of this topic.")] = None,
    key: Annotated[str | None, typer.Option("--key", help="Only of this key.")] = None,
    event_id: Annotated[str | None, typer.Option("--event-id", help="Only this event.")] = None,
    rate: Annotated[float, typer.Option("--rate", min=1, help="Events a second.")] = 500.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count them.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="All that the outbox holds, if nothing else is given.")] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="Why: it stays in the audit log.")] = None,
    folder: Folder = None,
) -> None:
    """Send published events again, in their order; whoever has read them drops the copies. --since and --until: when they were recorded."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from baton.ops import jobs

    chosen = {"--since": since, "--until": until, "--topic": topic, "--key": key, "--event-id": event_id}
    given = [part for option, value in chosen.items() if value is not None for part in (option, value)]
    if not given and not everything:
        raise CommandError("say which events: --since, --until, --topic, --key, --event-id, or --all")
    if not dry_run and not (reason or "").strip():
        raise CommandError("say why by --reason: it stays in the audit log")
    arguments = ["republish", *given, "--rate", str(rate), *_by(reason or "dry run"), *(["--dry-run"] if dry_run else [])]
    with Progress(TextColumn("stamped"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as bar:
        task = bar.add_task("stamped", total=None)

        def on_progress(told: Mapping[str, Any]) -> None:
            bar.update(task, completed=told["events"], total=told["total"])

        told = jobs.run(folder, known(service), arguments, on_progress)
    print(f"{told['events']} event(s) {'would be' if dry_run else 'are'} sent again")


@db_app.command()
def restored(service: Service, reason: Reason, as_json: Json = False, folder: Folder = None) -> None:
    """After the database was restored to an earlier point, and before the service starts: no number is given out twice.

    Reads the service's own topics, and lists events that they have and the outbox lacks: what the world knows and the service does not.
    """
    from baton.ops import jobs

    told = jobs.run(folder, known(service), ["restored", *_by(reason)])
    if as_json:
        print(json.dumps({name: value for name, value in told.items() if name != "told"}, indent=1))
        return
    print(
        f"{told['records']} record(s) read, {told['unreadable']} of them no event; {told['raised']} subject(s) go on with a higher number"
    )
    _show_lacking(told["lacking"])


def _show_positions(service: str, positions: Sequence[Mapping[str, Any]], members: Sequence[Mapping[str, Any]]) -> None:
    who = ", ".join(f"{one['client']} at {one['host']}" for one in members) or "nobody"
    print(f"{service}: read by {who}")
    rows = []
    for one in positions:
        behind = "" if one["end"] is None else str(max(0, one["end"] - one["next_offset"]))
        log = "(no such partition)" if one["end"] is None else f"{one['start']} … {one['end']}"
        rows.append((f"{one['topic']}/{one['part']}", str(one["next_offset"]), log, behind, one["trouble"] or ""))
    _table(("partition", "next", "log", "behind", "trouble"), rows, right=("next", "behind"))


def _show_moves(moves: Sequence[Mapping[str, Any]], nothing: str) -> None:
    if not moves:
        print(nothing)
        return
    rows = [(f"{one['topic']}/{one['part']}", str(one["before"]), str(one["after"]), one["reason"]) for one in moves]
    _table(("partition", "was", "is", "why"), rows, right=("was", "is"))


def _show_lacking(lacking: Sequence[Mapping[str, Any]]) -> None:
    if not lacking:
        print("the outbox has every event that the topics have")
        return
    print(f"{len(lacking)} event(s) are in the topics and not in the outbox; a person decides what follows:")
    rows = [
        (one["event_id"], f"{one['topic']}/{one['part']}@{one['offset']}", one["subject"], str(one["sequence"]), one["at"])
        for one in lacking
    ]
    _table(("event", "place in the log", "subject", "number", "made"), rows, right=("number",))


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(highlight=False).print(table)


def _topics(topics: Sequence[str] | None) -> list[str]:
    return [part for topic in topics or () for part in ("--topic", topic)]


def _by(reason: str) -> list[str]:
    from baton.ops import reaching

    return [f"--principal={reaching.whoami()}", f"--reason={reason}"]
