"""The demo from begin to end: play what was not played yet, wait, and show it."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Awaitable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from baton import CommandError
from baton import client as api
from baton.report import display as report_display
from baton.report import reading
from baton.world import display, market, playing, settling

JOURNEY_STAGES = ("captured", "qualified", "routed", "accepted", "opportunity", "won", "promised", "shipped", "delivered")


async def tell(leads: int, seed: int, state: Path | None, console: Console) -> None:
    """Plays and shows. CommandError if something is refused, or not applied in time."""
    folder = api.state_folder(state)
    site = api.find_site(state)
    profile = api.read_profile(folder)
    settle = settling.by(profile)
    remembered = folder / "world.json"
    known = json.loads(remembered.read_text()) if remembered.is_file() else {}
    begun = known.get(f"{seed}-{leads}", {"today": datetime.now(UTC).date().isoformat(), "played": False})
    plan = list(market.plan(seed, leads, datetime.fromisoformat(begun["today"]).replace(tzinfo=UTC)))
    if begun["played"] and await _is_there(site):
        console.print(f"This market of {leads:,} leads was played before; showing what is there.\n")
    else:
        remembered.write_text(json.dumps(known | {f"{seed}-{leads}": begun}))
        player = playing.Player(site, seed, datetime.fromisoformat(begun["today"]).date())
        await _play(player, plan, settle, console)
        remembered.write_text(json.dumps(known | {f"{seed}-{leads}": begun | {"played": True}}))
    await _show(site, profile, plan, console, baton=command(folder, api.LOCAL))


async def _play(player: playing.Player, plan: list[market.Planned], settle: settling.Settle, console: Console) -> None:
    async with player.at_work():
        await _step(console, "marketing captures {} leads, handoff decides on them", player.capture(plan), settle)
        await _step(console, "sales answers {} offers", player.answer_offers(plan), settle)
        await _step(console, "sales works on {} opportunities", player.sell(plan), settle)
        await _step(console, "distribution fulfils {} orders", player.fulfil(plan), settle)


async def _is_there(site: api.Site) -> bool:
    # What this folder remembers may be older than a reset of the databases.
    async with api.Client(site, roles={"marketing": ["reader"]}, subject="demo-reader", patience=15) as client:
        try:
            return (await client.get("marketing", "/v1/metrics/funnel", {"source": market.SOURCE}))["total"]["leads"] > 0
        except api.ApiError:
            return False


async def _step(console: Console, text: str, work: Awaitable[int], settle: settling.Settle) -> None:
    started = time.perf_counter()
    with console.status(text.format("…")):
        count = await work
        await settle()
    console.print(f"[green]✓[/] {text.format(f'{count:,}')} [dim]({time.perf_counter() - started:.1f} s, every event applied)[/]")


async def _show(site: api.Site, profile: dict[str, Any], plan: list[market.Planned], console: Console, *, baton: str) -> None:
    roles = {service: ["reader"] for service in api.SERVICES}
    async with api.Client(site, roles=roles, subject="demo-reader", patience=15) as client:
        report = await reading.read(client, reading.Question(source=market.SOURCE, by="channel"))
        console.print(report_display.shown(report))
        journey = await _complete_journey(client, plan)
        explanation = await client.get("handoff", f"/v1/leads/{journey['journey_id']}/explain")
        console.print(display.journey(journey))
        console.print(display.decision(explanation))
        console.print(display.topics(await settling.count_events(profile["kafka"])))
        console.print(display.next_steps(profile, journey["journey_id"], baton), soft_wrap=True)


def command(folder: Path, local: Path) -> str:
    """How `baton` is called for a state folder; `local` is that of this machine, beside which the profiles lie."""
    prefix = f"{local.name}-"
    if folder == local:
        return "baton"
    if folder.parent == local.parent and folder.name.startswith(prefix):
        return f"baton --profile {folder.name.removeprefix(prefix)}"
    return f"BATON_STATE={shlex.quote(str(folder))} baton"


async def _complete_journey(client: api.Client, plan: list[market.Planned]) -> dict[str, Any]:
    for planned in plan:
        course = planned.course
        if course.answer == "accept" and course.close == "won" and course.fulfilment == "delivered":
            journey = await client.get("handoff", f"/v1/journeys/{planned.lead_id}")
            if all(stage["status"] == "passed" for stage in journey["stages"]):
                return journey
    raise CommandError(f"no journey of the demo went through all of {', '.join(JOURNEY_STAGES)}")
