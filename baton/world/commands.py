"""`baton demo`: a market of our own, played through the public APIs and shown. `baton smoke`: one lead through all of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

LEADS = 2000
SEED = 7


def register(app: typer.Typer) -> None:
    """Add the commands of this folder."""
    app.command("demo")(demo)
    app.command("smoke")(smoke)


def demo(
    leads: Annotated[int, typer.Option("--leads", min=1, max=100_000, help="How many leads come in.")] = LEADS,
    seed: Annotated[int, typer.Option("--seed", help="Another number is another market.")] = SEED,
    state: Annotated[Path | None, typer.Option("--state", help="State folder of the services on this machine.", show_default=False)] = None,
) -> None:
    """Play a seeded market through the running services, wait until every event is applied, and show what happened."""
    import asyncio

    from rich.console import Console

    from baton.world import telling

    asyncio.run(telling.tell(leads, seed, state, Console()))


def smoke(
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="How long to wait for each hop.")] = 30.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per hop, and one for the hop that is missing.")] = False,
    state: Annotated[Path | None, typer.Option("--state", help="State folder of the services.", show_default=False)] = None,
) -> None:
    """Carry one new lead from POST to delivery through running services and show each hop with its time.

    Exit code 1 names the hop that is missing. The lead is of the source `smoke`.
    """
    import asyncio
    import json
    from dataclasses import asdict

    from baton import client
    from baton.world import smoke as walking

    def tell(hop: walking.Hop) -> None:
        line = f"{hop.name:<10}{hop.took_ms:8.0f} ms {hop.total_ms:8.0f} ms  {hop.seen}"
        print(json.dumps(asdict(hop)) if as_json else line, flush=True)

    try:
        lead_id = asyncio.run(walking.walk(client.find_site(state), seconds=seconds, tell=tell))
    except walking.MissingHopError as error:
        if as_json:
            print(json.dumps({"lead_id": error.lead_id, "missing": error.hop, "waited_ms": error.waited_ms, "why": error.why}))
        raise
    if not as_json:
        print(f"every hop of lead {lead_id} was seen")
