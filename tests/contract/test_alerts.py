"""The alert rules speak of metrics that exist, and each has its page for the night. Whether they fire is promtool's to say."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import pytest
import typer.main
import yaml
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase
from typer.core import TyperGroup

from baton import cli
from shared.inbox import parking
from shared.telemetry import metrics
from tests.contract.documents import ROOT

RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
SITE = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
RUNBOOK = ROOT / "docs" / "runbook.md"
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
}

OF_EVERY_PROCESS = {"up", "process_start_time_seconds"}
OF_THE_SITE = {"instance", "job"} | {label for each in SITE["scrape_configs"][0]["static_configs"] for label in each["labels"]}
PARTS = ("**What it means.**", "**First look.**", "**Mend.**", "**Over when**")


def exported() -> Mapping[str, frozenset[str]]:
    """The names under which series of Baton's metrics are scraped, with their labels."""
    return {name: labels for metric in vars(metrics).values() if isinstance(metric, MetricWrapperBase) for name, labels in _series(metric)}


def _series(metric: MetricWrapperBase) -> Iterator[tuple[str, frozenset[str]]]:
    name, labels = next(iter(metric.describe())).name, frozenset(metric._labelnames)
    if isinstance(metric, Counter):
        yield f"{name}_total", labels
    elif isinstance(metric, Gauge):
        yield name, labels
    elif isinstance(metric, Histogram):
        yield from ((f"{name}_{end}", labels | {"le"}) for end in ("bucket", "sum", "count"))


def unknown(expression: str) -> set[str]:
    """Metrics and labels of an expression that nothing exports."""
    named = set(re.findall(r"\b(?:baton_\w+|up|process_\w+)\b", expression))
    known = exported()
    labels = OF_THE_SITE.union(*(known.get(name, frozenset()) for name in named))
    used = {label.strip() for group in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression) for label in group.split(",")}
    return (named - known.keys() - OF_EVERY_PROCESS) | (used - labels) | (set() if named else {expression})


def section(heading: str) -> str:
    """The text of the runbook's section with that anchor; empty if there is none."""
    parts = re.split(r"^## (.+)$", RUNBOOK.read_text(), flags=re.MULTILINE)
    return {title.lower().replace(" ", "-"): text for title, text in zip(parts[1::2], parts[2::2], strict=True)}.get(heading, "")


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_asks_for_what_is_exported(alert: str) -> None:
    assert unknown(ALERTS[alert]["expr"]) == set()


def test_an_alert_on_something_that_nobody_exports_is_noticed() -> None:
    assert unknown("max by (service, part) (baton_relay_blocked) > 0") == {"part"}
    assert unknown("baton_relay_blocked_total > 0") == {"baton_relay_blocked_total"}
    assert unknown("increase(baton_e2e_latency_seconds_bucket[5m]) and on (le) baton_old") == {"baton_old"}
    assert unknown("vector(1)") == {"vector(1)"}


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_leads_to_a_page_that_says_what_to_do(alert: str) -> None:
    rule = ALERTS[alert]
    severity = rule["labels"]["severity"]
    assert severity in {"critical", "warning"}
    assert rule["annotations"]["summary"].startswith("{{ $labels.service }}: ")
    page, anchor = rule["annotations"]["runbook"].split("#")
    assert page == str(RUNBOOK.relative_to(ROOT))
    text = section(anchor)
    assert f"`{alert}`, {severity}" in text
    places = [text.find(part) for part in PARTS]
    assert -1 not in places
    assert places == sorted(places)


def test_each_page_of_an_alert_has_its_alert() -> None:
    told = re.findall(r"^`(\w+)`, (?:critical|warning)", RUNBOOK.read_text(), flags=re.MULTILINE)
    assert sorted(told) == sorted(ALERTS)
    assert section("no-such-page") == ""


def test_what_the_runbook_calls_by_name_exists() -> None:
    code = "".join(path.read_text() for folder in ("shared", "services", "baton") for path in (ROOT / folder).rglob("*.py"))
    names = set(re.findall(r"`([a-z]+(?:_[a-z0-9]+)+)`", RUNBOOK.read_text()))
    assert len(names) > 20
    of_postgresql = {"max_connections"}
    assert {name for name in names - of_postgresql if name not in code} == set()


def test_the_runbook_asks_for_metrics_that_are_exported() -> None:
    named = set(re.findall(r"\bbaton_[a-z0-9_]*[a-z0-9]", RUNBOOK.read_text()))
    known = exported().keys()
    assert len(named) > 5
    assert named <= known | {name.removesuffix("_bucket") for name in known}


def test_the_runbook_leads_to_pages_of_its_own() -> None:
    anchors = set(re.findall(r"\]\(#([a-z-]+)\)", RUNBOOK.read_text()))
    assert "restore-drill" in anchors
    assert {anchor for anchor in anchors if not section(anchor)} == set()


def commands() -> list[list[str]]:
    """The words of every command of ours in the runbook, without what is left out (`…`) and what a shell adds."""
    text = RUNBOOK.read_text()
    lines = re.findall(r"`(baton [^`\n]+)`", text) + re.findall(r"^ {4,}(baton [^#\n]+)", text, flags=re.MULTILINE)
    return [shlex.split(part) for line in lines for part in line.replace("\\|", "|").partition("|")[0].split("&&")]


@cache
def command_line() -> Any:
    return typer.main.get_command(cli.build())


def refused(words: Sequence[str]) -> str | None:
    """Why the command line would not take these words; None if it would. A command that is only named need not be complete."""
    command: Any = command_line()
    rest = list(words[1:])
    while isinstance(command, TyperGroup):
        known = {option: one for one in command.params for option in one.opts}
        while rest and rest[0] in known:
            rest = rest[2:]
        if not rest:
            return None
        if rest[0] not in command.commands:
            return f"no such command: {rest[:1]}"
        command = command.commands[rest.pop(0)]
    known = {option: one for one in command.params for option in (*one.opts, *one.secondary_opts)}
    given = [word for word in rest if word.startswith("-")]
    if strange := [word for word in given if word not in known]:
        return f"no such option: {strange}"
    required = [one for one in command.params if one.required and one.opts[0].startswith("-")]
    missing = [one.name for one in required if rest and not set(one.opts) & set(given)]
    return f"missing: {missing}" if missing else None


def test_the_runbook_gives_commands_that_exist() -> None:
    found = commands()
    assert len(found) > 25
    assert {" ".join(words): why for words in found if (why := refused(words))} == {}
    assert {words[2] for words in found if words[1] == "parked" and len(words) > 2} == {
        "list",
        "show",
        "export",
        "retry",
        "edit",
        "discard",
    }


def test_a_command_that_does_not_exist_is_noticed() -> None:
    assert refused(["baton", "parked", "forget", "sales"])
    assert refused(["baton", "parked", "discard", "sales", "42"])
    assert refused(["baton", "outbox", "republish", "sales", "--before", "noon"])
    assert refused(["baton", "--profile", "compose", "status"]) is None


def test_reading_stops_and_the_alert_comes_at_the_same_number_of_held_keys() -> None:
    assert ALERTS["TooManyKeysHeld"]["expr"].endswith(f">= {parking.MAX_HELD_KEYS}")


def test_every_process_of_the_deployment_is_scraped() -> None:
    (job,) = SITE["scrape_configs"]
    targets = {
        f"{each['labels']['service']}-{each['labels']['role']}": target for each in job["static_configs"] for target in each["targets"]
    }
    deployed = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert targets == {name: f"{name}:9000" for name in deployed["services"] if name.endswith(("-api", "-worker"))}
    assert SITE["rule_files"] == [RULES.name]
