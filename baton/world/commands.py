"""`baton demo`: a market of our own, played through the public APIs and shown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

LEADS = 2000
SEED = 7


def register(app: typer.Typer) -> None:
    """Add the commands of this folder."""
    app.command("demo")(demo)


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
