"""`baton report …`: figures on the terminal, as JSON, as CSV, as a chart."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from baton import CommandError

if TYPE_CHECKING:
    from baton.report.reading import Question

report_app = typer.Typer(help="Figures from the measures of the services.", no_args_is_help=True)

STDOUT = Path("-")
DAY = ["%Y-%m-%d"]

Source = Annotated[str | None, typer.Option("--source", help="Of this source only.", show_default=False)]
By = Annotated[str | None, typer.Option("--by", metavar="LABEL", help="Grouped by this label.", show_default=False)]
Per = Annotated[Literal["month", "quarter", "year"] | None, typer.Option("--per", help="Grouped by period.", show_default=False)]
Since = Annotated[datetime | None, typer.Option("--from", formats=DAY, help="On this day or later.", show_default=False)]
Until = Annotated[datetime | None, typer.Option("--to", formats=DAY, help="On this day or before.", show_default=False)]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="INSTANT", help="As it was known then, such as 2026-03-01T12:00:00Z.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
Csv = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write CSV; - for standard output.", show_default=False)]
Plot = Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Draw a chart, .svg or .png.", show_default=False)]
State = Annotated[Path | None, typer.Option("--state", help="State folder of the services on this machine.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add the commands of this folder."""
    app.add_typer(report_app, name="report")


@report_app.callback()
def reports() -> None:
    """Figures from the measures of the services."""


@report_app.command("funnel")
def funnel(
    *,
    source: Source = None,
    by: By = None,
    since: Since = None,
    until: Until = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
    csv: Csv = None,
    plot: Plot = None,
    state: State = None,
) -> None:
    """Leads, stages, conversion and days to close of those captured in a period (days of the source's zone, both inclusive)."""
    from baton.report.reading import Question

    question = Question(source=source, by=by, since=_day(since), until=_day(until), as_of=_instant(as_of))
    _report(question, state, as_json=as_json, csv=csv, plot=plot)


@report_app.command("pipeline")
def pipeline(
    *,
    source: Source = None,
    by: By = None,
    per: Per = None,
    since: Since = None,
    until: Until = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
    csv: Csv = None,
    plot: Plot = None,
    state: State = None,
) -> None:
    """What is open, won and lost, with values and win rate; a period is that of closing (UTC days, both inclusive)."""
    from baton.report.reading import Question

    question = Question(report="pipeline", source=source, by=by, per=per, since=_day(since), until=_day(until), as_of=_instant(as_of))
    _report(question, state, as_json=as_json, csv=csv, plot=plot)


@report_app.command("fulfilment")
def fulfilment(
    *,
    source: Source = None,
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="LABEL", help="Label of a line or its order, or lead.LABEL or deal.LABEL.", show_default=False),
    ] = None,
    per: Per = None,
    level: Annotated[Literal["order", "line"], typer.Option("--level", help="What is on time.")] = "order",
    through: Annotated[
        str | None,
        typer.Option("--through", metavar="LABEL", help="Label that lines and deals share; default: the order's deal.", show_default=False),
    ] = None,
    since: Since = None,
    until: Until = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
    csv: Csv = None,
    plot: Plot = None,
    state: State = None,
) -> None:
    """Orders received in a period (local days, both inclusive): how far they came, on time or not, how long it took, value.

    By lead.LABEL or deal.LABEL each line is joined with a won deal, and that with its lead; lines without such a deal are left out.
    """
    from baton.report.reading import Question

    question = Question(
        report="fulfilment",
        source=source,
        by=by,
        per=per,
        level=level,
        through=through,
        since=_day(since),
        until=_day(until),
        as_of=_instant(as_of),
    )
    _report(question, state, as_json=as_json, csv=csv, plot=plot)


def _report(question: Question, state: Path | None, *, as_json: bool, csv: Path | None, plot: Path | None) -> None:
    import asyncio

    _check_question(question)
    _check_files(csv, plot, as_json=as_json)
    report = asyncio.run(_read(question, state))
    _tell(report, as_json=as_json, csv=csv)
    if csv is not None and csv != STDOUT:
        _write_csv(report, csv)
    if plot is not None:
        _draw(report, plot)


def _tell(report: dict[str, Any], *, as_json: bool, csv: Path | None) -> None:
    from rich.console import Console

    from baton.report import display, notes, rows

    for note in notes.of(report):
        print(f"note: {note}", file=sys.stderr)
    if csv == STDOUT:
        # The line ends are those of the format, on every system.
        sys.stdout.buffer.write(rows.to_csv(report).encode())
    elif as_json:
        print(display.to_json(report))
    else:
        Console().print(display.shown(report))


def _check_question(question: Question) -> None:
    if question.since and question.until and question.since > question.until:
        raise _wrong("--from must not be after --to")
    if question.through is not None and question.joins is None:
        raise _wrong("--through needs --by lead.LABEL or --by deal.LABEL")
    if question.joins is not None and not question.joins[1]:
        raise _wrong(f"--by {question.by} names no label")
    if question.joins is not None and question.per is not None:
        raise _wrong(f"--per cannot be used with --by {question.by}")


def _check_files(csv: Path | None, plot: Path | None, *, as_json: bool) -> None:
    """What cannot be written is said before anything is asked."""
    from baton.report import charts

    if as_json and csv == STDOUT:
        raise _wrong("--json and --csv - both want standard output: name a file for the CSV, or leave one of them out")
    for path in (csv, plot):
        if path is not None and path != STDOUT:
            if not path.parent.is_dir():
                raise _wrong(f"{path} cannot be written: there is no folder {path.parent}")
            if path.is_dir():
                raise _wrong(f"{path} cannot be written: it is a folder")
    if plot is None:
        return
    if csv is not None and csv.resolve() == plot.resolve():
        raise _wrong(f"--csv and --plot both name {plot}")
    if plot.suffix.lower() not in charts.FORMATS:
        raise _wrong(f"--plot {plot}: the name must end in {' or '.join(charts.FORMATS)}")
    if not charts.is_possible():
        raise _wrong("--plot needs matplotlib, which is not installed here: `pip install matplotlib` adds it")


def _write_csv(report: dict[str, Any], path: Path) -> None:
    from baton.report import rows

    with _written(path):
        path.write_bytes(rows.to_csv(report).encode())


def _draw(report: dict[str, Any], path: Path) -> None:
    from baton.report import charts

    with _written(path):
        charts.save(charts.chart_of(report), path)


@contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as trouble:
        raise CommandError(f"{path} cannot be written: {trouble.strerror or trouble}") from trouble
    print(f"written: {path}", file=sys.stderr)


def _wrong(message: str) -> CommandError:
    return CommandError(message, exit_code=2)


def _day(given: datetime | None) -> date | None:
    return given.date() if given else None


def _instant(given: str | None) -> datetime | None:
    try:
        instant = datetime.fromisoformat(given) if given else None
    except ValueError:
        raise _wrong(f"--as-of {given} is no instant: write it as 2026-03-01T12:00:00Z") from None
    if instant is not None and instant.tzinfo is None:
        raise _wrong(f"--as-of {given} needs an offset, such as {given}Z")
    return instant


async def _read(question: Question, state: Path | None) -> dict[str, Any]:
    from baton import client as api
    from baton.report import reading

    roles = {service: [reading.ROLE] for service in api.SERVICES}
    async with api.Client(api.find_site(state), roles=roles, subject="baton-report", patience=15) as client:
        return await reading.read(client, question)
