"""What is set wrong is named at once, in one line, by what finds it first; nothing is started over and over; mended, it starts."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable

import pytest

from tests.compose import Deployment
from tests.deployment import breaking, operating
from tests.deployment.breaking import Mistake

MISCONFIGURED = 78
NOT_STARTED = 128
SECRET = "/run/secrets/baton"

MISTAKES = {
    "a secret is missing": Mistake(
        wrong=breaking.missing_secret,
        part=None,
        told=r"bind source path does not exist: \S+/secrets/sales_cursor_secret",
    ),
    "a secret is empty": Mistake(
        wrong=breaking.empty_secret,
        part="sales-provision",
        told=rf"{SECRET}_cursor_secret is empty: put the secret into it, as one line",
    ),
    "a secret is open to all": Mistake(
        wrong=breaking.secret_open_to_all,
        part="distribution-provision",
        told=rf"{SECRET}_database_password is open to everybody \(mode 0444\): give it mode 0440 and a group of user 10001",
    ),
    "a password is wrong": Mistake(
        wrong=breaking.wrong_password,
        part="marketing-migrate",
        told=r"PostgreSQL at postgres:5432 does not accept user marketing with the given password: give the role's own in "
        rf"BATON_DATABASE_PASSWORD or {SECRET}_database_password, or set the role's to ",
    ),
    "a port is taken": Mistake(
        wrong=breaking.taken_port,
        part="handoff-api",
        told=r"another program has that port: stop it, or choose another BATON_PORT_HANDOFF in \S+",
    ),
    "a topic is another": Mistake(
        wrong=breaking.other_topic,
        part="marketing-provision",
        told=r"lead-generated has retention.ms=1000000, its contract says retention.ms=604800000: set it by `[^`]+`",
    ),
    "a schema is newer": Mistake(
        wrong=breaking.newer_schema,
        part="handoff-migrate",
        told=r"the database of handoff is at schema 9999_not_known_yet, which this version of handoff does not know \(its newest is \w+\): "
        r"deploy the newer version again, or restore the backup from before its migration",
    ),
}


@pytest.fixture(scope="module", autouse=True)
def started(deployment: Deployment) -> None:
    operating.set_up(deployment)


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_is_named_and_when_mended_it_starts(deployment: Deployment, what: str, note: Callable[[str], None]) -> None:
    mistake = MISTAKES[what]
    with mistake.wrong(deployment):
        begun = time.monotonic()
        done = operating.up(deployment)
        took = time.monotonic() - begun
        assert done.returncode == 1
        assert "\x1b" not in done.stderr
        lines = [line for line in done.stderr.splitlines() if re.search(mistake.told, line)]
        assert lines, done.stderr
        found = operating.inspected(deployment)
        values = operating.secrets(deployment).values() if mistake.part else []
        assert not [value for value in values if value and value in done.stdout + done.stderr]
    note(f"{what}: said after {took:.1f} s")
    assert {part: told["RestartCount"] for part, told in found.items() if told["RestartCount"]} == {}
    if mistake.part is not None:
        code = NOT_STARTED if mistake.part.endswith("-api") else MISCONFIGURED
        assert f"--- {mistake.part} ended with exit code {code}:" in done.stderr
        assert (found[mistake.part]["State"]["Status"], found[mistake.part]["State"]["ExitCode"]) == ("exited", code)
    if what == "a password is wrong":  # nothing ran before: nothing of a service runs whose migration failed
        assert {found[part]["State"]["Status"] for part in ("marketing-api", "marketing-worker")} == {"created"}
    operating.set_up(deployment)
    assert deployment.unhealthy() == {}


def test_a_job_waits_for_a_database_that_is_away(deployment: Deployment) -> None:
    deployment.compose("stop", "postgres")
    command = ["docker", "compose", "--env-file", deployment.env, "run", "--rm", "--no-deps", "--no-TTY", "sales-migrate"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=operating.PROJECT) as job:
        assert job.stdout is not None
        waiting = next((line for line in job.stdout if '"waiting"' in line), "")
        assert waiting
        assert job.poll() is None
        deployment.compose("start", "postgres")
        rest = job.stdout.read()
    assert job.returncode == 0, waiting + rest
    assert '"event": "migrated"' in rest
    assert {part: told["RestartCount"] for part, told in deployment.inspect().items() if told["RestartCount"]} == {}
    operating.set_up(deployment)
    assert deployment.unhealthy() == {}
