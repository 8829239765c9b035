"""`baton report …`: figures on the terminal or as JSON."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from baton.report.reading import Question

report_app = typer.Typer(help="Figures from the measures of the services.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this folder."""
    app.add_typer(report_app, name="report")


@report_app.callback()
def reports() -> None:
    """Figures from the measures of the services."""


@report_app.command("funnel")
def funnel(  # noqa: PLR0917  a command's options
    source: Annotated[str | None, typer.Option("--source", help="Leads of this source only.", show_default=False)] = None,
    by: Annotated[str | None, typer.Option("--by", metavar="LABEL", help="Grouped by this label.", show_default=False)] = None,
    since: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="Captured on this day or later.", show_default=False)
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Captured on this day or before.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    state: Annotated[Path | None, typer.Option("--state", help="State folder of the services on this machine.", show_default=False)] = None,
) -> None:
    """Leads, stages, conversion and days to close of those captured in a period (days of the source's zone, both inclusive)."""
    import asyncio

    from rich.console import Console

    from baton.report import display
    from baton.report.reading import Question

    question = Question(source=source, by=by, since=_day(since), until=_day(until))
    report = asyncio.run(_read(question, state))
    if as_json:
        print(display.to_json(report))
    else:
        Console().print(display.shown(report))


def _day(given: datetime | None) -> date | None:
    return given.date() if given else None


async def _read(question: Question, state: Path | None) -> dict[str, Any]:
    from baton import client as api
    from baton.report import reading

    roles = {service: [reading.ROLE] for service in api.SERVICES}
    async with api.Client(api.find_site(state), roles=roles, subject="baton-report", patience=15) as client:
        return await reading.read(client, question)
