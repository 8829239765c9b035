"""What a service's own code does for an operator, and how `baton` has it done here, in containers, or not at all."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from baton import CommandError
from baton.local import state as states
from baton.ops import jobs
from baton.ops.backbone import time_of
from baton.ops.parked import seconds_of
from baton.ops.secrets import make
from shared.auth.tokens import TrustedIssuer
from shared.db.transaction import Database
from shared.ids import new_id
from shared.runtime import operating
from shared.runtime.service import Service
from shared.runtime.settings import Settings
from tests import kit
from tests.integration.shared import traffic
from tests.integration.shared.test_offsets import everything_applied, positions_of, put, shorten
from tests.integration.shared.test_parking import rows
from tests.integration.shared.traffic import publish, published, relay_of, subject_in
from tests.integration.shared.waiting import running, until

BY = ("--principal=ann@terminal", "--reason=tried in test")


class Jobs:
    """The sample's jobs, run in this process."""

    def __init__(self, service: Service, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
        self.service = service
        self.settings = settings
        self.capsys = capsys

    async def run(self, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
        """What a job told; it must end with that code."""
        self.capsys.readouterr()
        assert await operating.run(self.service, self.settings, operating.parse("sales", arguments)) == code
        lines = self.capsys.readouterr().out.splitlines()
        return [told for line in lines if line.startswith("{") and "told" in (told := json.loads(line))]


@pytest.fixture
def sales(  # noqa: PLR0917  fixtures are given by name
    alone: Database, service: Service, servers: Any, topics: str, keys: Path, capsys: pytest.CaptureFixture[str]
) -> Jobs:
    issuer = TrustedIssuer(issuer=kit.ISSUER, jwks=str(keys / "public" / "jwks.json"), algorithms=frozenset({"ES256"}))
    settings = Settings(
        env="local",
        database_url=alone.engine.url.render_as_string(hide_password=False),  # type: ignore[arg-type]  it becomes a secret
        kafka=servers.kafka,
        topic_prefix=topics,
        issuers=(issuer,),
        cursor_secret="a secret of at least thirty-two bytes",  # type: ignore[arg-type]  it becomes a secret
    )
    return Jobs(service, settings, capsys)


async def test_published_events_are_counted_and_then_sent_again(alone: Database, servers: Any, topics: str, sales: Jobs) -> None:
    subjects = [new_id(), new_id()]
    await publish(alone, servers.kafka, topics, subjects * 4)
    await everything_applied(alone, servers, topics, 8)
    key = f"--key={subjects[0]}"
    progress, counted = await sales.run("republish", key, "--dry-run", *BY)
    assert (progress["total"], counted) == (4, {"told": "result", "events": 4, "dry_run": True})
    assert await rows(alone, "audit_log") == []
    told = await sales.run("republish", key, "--since=2026-01-01T00:00:00Z", *BY)
    assert told[-1] == {"told": "result", "events": 4, "dry_run": False}
    assert [one["events"] for one in told[:-1]] == [0, 4]
    (said,) = await rows(alone, "audit_log")
    assert (said.principal, said.action, said.reason) == ("ann@terminal", "outbox.republish", "tried in test")
    async with running(relay_of(alone, servers.kafka, topics)):
        await published(servers.kafka, topics, 12, copies=True)
        await traffic.write(alone, [new_id()])
        await published(servers.kafka, topics, 13, copies=True)
    await everything_applied(alone, servers, topics, 9)
    assert len(await traffic.seen(alone)) == 9


async def test_a_restored_database_is_asked_for_only_while_no_relay_runs(alone: Database, servers: Any, topics: str, sales: Jobs) -> None:
    await publish(alone, servers.kafka, topics, [new_id()] * 3)
    relay = relay_of(alone, servers.kafka, topics)
    async with running(relay):

        async def leads() -> bool:
            return relay.trouble is None

        await until(leads)
        (refused,) = await sales.run("restored", *BY, code=operating.FAILED)
    assert (refused["told"], refused["code"]) == ("refused", "RELAY_RUNS")
    async with alone.engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE aggregate_sequence SET last = 1")
        await connection.exec_driver_sql("DELETE FROM outbox WHERE id = (SELECT max(id) FROM outbox)")
    await _create_other_topics(servers, topics)
    (told,) = await sales.run("restored", *BY)
    assert (told["records"], told["raised"], len(told["lacking"])) == (3, 1, 1)
    assert told["lacking"][0]["sequence"] == 3
    assert {row.action for row in await rows(alone, "audit_log")} == {"db.restored"}


async def _create_other_topics(servers: Any, topics: str) -> None:
    # What the real service of this name owns besides.
    from shared.runtime import topics as contracts

    await contracts.provision(servers.kafka, "nobody", topic_prefix=topics, replication=1)


async def test_a_repair_names_what_the_owner_is_to_send_again(alone: Database, servers: Any, topics: str, sales: Jobs) -> None:
    accepted = topics + "lead-accepted"
    await publish(alone, servers.kafka, topics, [subject_in(0)] * 8)
    await shorten(servers, accepted, 0, 3)
    await put(alone, {(accepted, 0): 1})
    (shown,) = await sales.run("offsets", "show")
    assert [(one["trouble"], one["start"], one["end"]) for one in shown["positions"]] == [("log_start", 3, 4)]
    (told,) = await sales.run("offsets", "repair", *BY)
    assert told["moves"] == [{"topic": accepted, "part": 0, "before": 1, "after": 3, "reason": "log_start"}]
    assert told["republish"] == [["baton", "outbox", "republish", "sales", "--topic", "lead-accepted", "--reason", "its log lost records"]]
    (again,) = await sales.run("offsets", "repair", "--topic=lead-accepted", *BY)
    assert again["moves"] == []


async def test_a_reset_that_cannot_be_is_refused_with_a_code(alone: Database, servers: Any, topics: str, sales: Jobs) -> None:
    await put(alone, {(topics + "lead-accepted", 0): 0})
    for time, topic, code in (
        ("2020-01-01T00:00:00Z", "lead-accepted", "BEYOND_INBOX"),
        ("2999-01-01T00:00:00Z", "lead-accepted", "IN_FUTURE"),
        (datetime.now(UTC).isoformat(), "order-shipped", "UNKNOWN_TOPIC"),
    ):
        (refused,) = await sales.run("offsets", "reset", f"--to-time={time}", f"--topic={topic}", *BY, code=operating.FAILED)
        assert (refused["told"], refused["code"]) == ("refused", code)
    assert await positions_of(alone) == {(topics + "lead-accepted", 0): 0}


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["offsets"],
        ["offsets", "repair"],
        ["offsets", "repair", "--principal=a", "--reason=  "],
        ["offsets", "reset", *BY],
        ["offsets", "reset", "--to-time=yesterday", *BY],
        ["offsets", "reset", "--to-time=2026-01-01T00:00:00", *BY],
        ["republish", "--rate=0", *BY],
        ["republish", "--event-id=7", *BY],
        ["republish"],
        ["restored", "--princ=a", "--reason=b"],
    ],
)
def test_a_job_that_is_not_understood_ends_with_its_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        operating.parse("sales", arguments)
    assert ended.value.code == 2
    assert "usage: python -m services.sales" in capsys.readouterr().err


def test_a_job_of_containers_gets_a_container_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = tmp_path / "env"
    env.write_text(f"COMPOSE_PROJECT_NAME=shop\nBATON_HOME={tmp_path / 'home'}\nBATON_SECRETS_GROUP=0\n")
    home = make(env).home
    monkeypatch.setenv("BATON_HOME", "of another deployment")
    command, environment = jobs._command(home, "sales", ["republish", "--all"])
    assert environment["BATON_HOME"] == str(home)  # its secrets, whatever the shell has
    assert command == [
        "docker", "compose", "--env-file", str(env), "--project-name", "shop",
        "run", "--rm", "--no-deps", "-T", "sales-provision", "python", "-m", "services.sales", "republish", "--all",
    ]  # fmt: skip


def test_a_job_of_this_machine_runs_with_the_services_settings(tmp_path: Path) -> None:
    kept = replace(states.new(tmp_path), ports=dict.fromkeys(states.PORTS, 5000))
    states.save(kept)
    command, environment = jobs._command(tmp_path, "sales", ["offsets", "show"])
    assert command == [sys.executable, "-m", "services.sales", "offsets", "show"]
    assert "sales:" in environment["BATON_DATABASE_URL"]


def test_a_job_of_services_elsewhere_is_named_and_not_run(tmp_path: Path) -> None:
    (tmp_path / "profile.json").write_text('{"services": {"sales": {"url": "https://sales.example"}}}')
    with pytest.raises(CommandError, match=r"python -m services\.sales offsets show"):
        jobs.run(tmp_path, "sales", ["offsets", "show"])


REFUSED = {"told": "refused", "code": "GROUP_IS_RUNNING", "detail": "it reads", "context": {"group": "sales"}}
MISCONFIGURED = {"event": "misconfigured", "reason": "no rights"}


@pytest.mark.parametrize(
    ("line", "code", "error", "words"),
    [
        (MISCONFIGURED, 78, CommandError, r"ended with 78: no rights"),
        (REFUSED, 1, jobs.RefusedError, r"sales refused: it reads \(GROUP_IS_RUNNING; group: sales\)"),
        ({"event": "started"}, 0, CommandError, r"ended with 0: started"),
    ],
)
def test_a_job_that_fails_is_told_in_its_own_words(line: dict[str, Any], code: int, error: type[Exception], words: str) -> None:
    script = f"print({json.dumps(line)!r}); raise SystemExit({code})"
    with pytest.raises(error, match=words):
        jobs.follow([sys.executable, "-c", script], {}, service="sales")


def test_the_progress_of_a_job_is_followed() -> None:
    lines = [{"told": "progress", "events": 3}, {"event": "something"}, {"told": "result", "events": 5}]
    script = "; ".join(f"print({json.dumps(line)!r})" for line in lines)
    followed: list[Any] = []
    assert jobs.follow([sys.executable, "-c", script], {}, service="sales", on_progress=followed.append)["events"] == 5
    assert followed == [{"told": "progress", "events": 3}]


def test_times_and_ages_are_read_as_people_write_them() -> None:
    assert [seconds_of(age) for age in ("90", "90s", "15m", "2h", "3d")] == [90, 90, 900, 7200, 259_200]
    assert time_of("2026-03-02T12:00:00Z") == "2026-03-02T12:00:00+00:00"
