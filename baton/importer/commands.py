"""`baton import`: files into the services, on the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from baton.importer.doctor import Finding
    from baton.importer.plans import Plan
    from baton.importer.sending import Limits, Tally


def register(app: typer.Typer) -> None:
    """Add the command of this folder."""
    app.command("import")(import_files)


def import_files(  # noqa: PLR0917  a command's options
    paths: Annotated[list[Path], typer.Argument(metavar="FILE...", help="CSV files; which is which is told by the mapping.")],
    mapping: Annotated[Path, typer.Option("--mapping", help="What the files mean (TOML); docs/mappings.md tells how to write one.")],
    state: Annotated[Path | None, typer.Option("--state", help="State folder of the services on this machine.", show_default=False)] = None,
    rejects: Annotated[
        Path | None, typer.Option("--rejects", help="File for rejected rows; default: MAPPING.rejects.csv here.", show_default=False)
    ] = None,
    allow_rejects: Annotated[bool, typer.Option("--allow-rejects", help="Exit with 0 although rows were rejected.")] = False,
    batch: Annotated[int, typer.Option("--batch", min=1, max=500, help="Rows in one request.")] = 500,
    wait: Annotated[float, typer.Option("--wait", min=0, help="Seconds without progress before rows are given up.")] = 120.0,
    resume: Annotated[bool, typer.Option("--resume/--restart", help="Skip what an interrupted run had confirmed, or send all.")] = True,
) -> None:
    """Import CSV files by a mapping. Safe to stop and to run again: nothing is stored twice.

    Exit codes: 0 done, 1 rows were rejected or a service failed, 2 mapping or files do not fit (nothing was sent), 130 stopped.
    """
    import asyncio

    from rich.console import Console

    from baton import CommandError
    from baton.importer import display, doctor, plans
    from baton.importer import mapping as mappings
    from baton.importer.sending import Limits

    console = Console()
    read, digest = mappings.read(mapping)
    plan = plans.make(read, mapping.name, paths)
    where = rejects or Path(f"{mapping.stem}.rejects.csv")
    try:
        tallies, rejected, findings = asyncio.run(
            _import(plan, digest, state, where, Limits(batch=batch, wait=wait), resume=resume, console=console)
        )
    except KeyboardInterrupt:
        raise CommandError("stopped. Nothing is lost or stored twice: run the same command again to go on.", exit_code=130) from None
    console.print(display.table(tallies))
    if findings:
        console.print(doctor.table(findings))
    if rejected:
        console.print(f"{rejected} rejections, with line and reason: {where}", highlight=False, markup=False, soft_wrap=True)
    if rejected and not allow_rejects:
        raise typer.Exit(1)


async def _import(
    plan: Plan, digest: str, state: Path | None, rejects: Path, limits: Limits, *, resume: bool, console: Console
) -> tuple[Mapping[str, Tally], int, Sequence[Finding]]:
    from baton import client as api
    from baton.importer import display, running
    from baton.importer import journal as journals

    site = api.find_site(state)
    parts = [digest, str(limits.batch), *sorted(plan.digests), *sorted(site.addresses.values())]
    journal = journals.Journal(journals.path_of(api.state_folder(state) / "imports", parts))
    if not resume:
        journal.discard()
    elif journal.begun:
        console.print(f"going on after an interrupted run: {journal.begun} batches are there already", highlight=False)
    roles = {service: [running.ROLE] for service in running.SERVICES}
    with display.Bars(console) as meter:
        async with api.Client(site, roles=roles, subject="baton-import", patience=limits.wait) as client:
            return await running.run(plan, client, limits=limits, rejects_path=rejects, journal=journal, meter=meter)
