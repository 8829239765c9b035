"""How the demo looks on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

_MARKS = {"passed": "[green]passed[/]", "skipped": "[yellow]skipped[/]", "open": "[dim]open[/]"}


def journey(found: Mapping[str, Any]) -> RenderableType:
    """One lead's way, stage by stage, and everything that happened on it."""
    stages = Table(
        "stage", "", "when (UTC)", title=f"One lead's whole journey: {found['journey_id']}", title_justify="left", box=box.SIMPLE_HEAD
    )
    for stage in found["stages"]:
        stages.add_row(stage["stage"], _MARKS.get(stage["status"], stage["status"]), _time(stage["at"]))
    events = Table("event", "from", "happened (UTC)", box=box.SIMPLE_HEAD)
    for event in found["events"]:
        events.add_row(event["event"], event["source"], _time(event["occurred_at"]))
    return Group(stages, events)


def decision(explanation: Mapping[str, Any]) -> RenderableType:
    """Why the lead was decided on as it was: every rule, matched or not, with its points after caps."""
    decided = explanation["decision"]
    title = (
        f"Why it was {decided['outcome']}: grade {decided['grade']}, fit {decided['fit_score']}, "
        f"engagement {decided['engagement_score']}, rule set version {decided['rule_set_version']}"
    )
    rules = Table("rule", "axis", "matched", "points", "condition", title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for column in rules.columns[:4]:
        column.no_wrap = True
    for rule in explanation["rules"]:
        matched = {True: "[green]yes[/]", False: "[dim]no[/]", None: "[yellow]unknown[/]"}[rule["matched"]]
        rules.add_row(rule["rule_code"], rule["axis"], matched, str(rule["points"]), escape(rule["when"]))
    return rules


def topics(counts: Mapping[str, int]) -> RenderableType:
    """How many events each topic holds."""
    table = Table("topic", "events", title="Events in Kafka", title_justify="left", box=box.SIMPLE_HEAD)
    table.columns[1].justify = "right"
    for name, count in counts.items():
        table.add_row(name, f"{count:,}")
    return table


def next_steps(profile: Mapping[str, Any], lead_id: str) -> RenderableType:
    """What to try now."""
    handoff = profile["services"]["handoff"]["url"]
    lines = [
        "[bold]Everything is running.[/] Try next:",
        "  baton status                                    what runs, and where its logs are",
        "  baton report funnel --source market --by size   the funnel by another label",
        "  TOKEN=$(baton token issue --role reader --sub me --aud handoff)",
        f'  curl -H "Authorization: Bearer $TOKEN" {handoff}/v1/journeys/{lead_id}',
        "  baton stop                                      end it all; the data stays",
        *(f"  {name:<13} {where['url']}/openapi.json" for name, where in profile["services"].items()),
    ]
    return Text.from_markup("\n".join(lines))


def _time(text: str | None) -> str:
    return (text or "")[:19].replace("T", " ")
