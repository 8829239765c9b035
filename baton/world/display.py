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
    """Why the lead was decided on as it was: the rules that matched, with their points after caps, and the names of the others."""
    decided = explanation["decision"]
    title = (
        f"Why it was {decided['outcome']}: grade {decided['grade']}, fit {decided['fit_score']}, "
        f"engagement {decided['engagement_score']}, rule set version {decided['rule_set_version']}"
    )
    matched = Table("rule that matched", "axis", "points", "condition", title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for column in matched.columns[:3]:
        column.no_wrap = True
    for rule in explanation["rules"]:
        if rule["matched"]:
            matched.add_row(rule["rule_code"], rule["axis"], str(rule["points"]), escape(rule["when"]))
    others = {"did not match": False, "could not be told": None}
    named = [(text, [rule["rule_code"] for rule in explanation["rules"] if rule["matched"] is value]) for text, value in others.items()]
    return Group(matched, *(Text(f"  {text}: {', '.join(codes)}") for text, codes in named if codes))


def topics(counts: Mapping[str, int]) -> RenderableType:
    """How many events each topic holds."""
    table = Table("topic", "events", title="Events in Kafka", title_justify="left", box=box.SIMPLE_HEAD)
    table.columns[1].justify = "right"
    for name, count in counts.items():
        table.add_row(name, f"{count:,}")
    return table


def next_steps(profile: Mapping[str, Any], lead_id: str, baton: str = "baton") -> RenderableType:
    """What to try now. `baton`: how the command is called for this place."""
    handoff = profile["services"]["handoff"]["url"]
    steps = {
        f"{baton} status": "what runs",
        f"{baton} report funnel --source market --by size": "the funnel by another label",
        f"TOKEN=$({baton} token issue --role reader --sub me --aud handoff)": "",
        f'curl -H "Authorization: Bearer $TOKEN" {handoff}/v1/journeys/{lead_id}': "",
        "make compose-down" if "containers" in profile else f"{baton} stop": "end it all; the data stays",
    }
    lines = [
        "[bold]Everything is running.[/] Try next:",
        *(f"  {command:<65} {what}".rstrip() for command, what in steps.items()),
        *(f"  {name:<13} {where['url']}/openapi.json" for name, where in profile["services"].items()),
    ]
    return Text.from_markup("\n".join(lines))


def _time(text: str | None) -> str:
    return (text or "")[:19].replace("T", " ")
