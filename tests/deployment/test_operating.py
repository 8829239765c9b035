"""What an operator does every day: start it twice, stop it, start it again; and what it takes."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from baton.local import state as states
from tests import compose
from tests.compose import Deployment
from tests.deployment import operating
from tests.deployment.configuration import JOBS, LASTING, PROCESSES

STOP_SECONDS = 25.0
LARGEST = 1_600_000_000
"""Bytes of memory that all containers together may take."""
EXIT_CODES = {"kafka": {143}}
"""A Java process that is asked to end says so; every other container ends with 0."""
UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


@pytest.fixture(scope="module", autouse=True)
def started(deployment: Deployment) -> None:
    operating.set_up(deployment)


def test_a_second_start_changes_nothing(deployment: Deployment, note: Callable[[str], None]) -> None:
    before = identities(deployment)
    begun = time.monotonic()
    operating.set_up(deployment)
    note(f"started again, nothing to do: {time.monotonic() - begun:.1f} s")
    assert identities(deployment) == before
    assert set(before) == set(LASTING)


def test_a_lead_is_carried_to_delivery_within_the_memory_promised(deployment: Deployment, note: Callable[[str], None]) -> None:
    deployment.run("smoke")
    usage = memory(deployment)
    assert set(usage) == set(LASTING)
    note("memory after the smoke, MiB: " + ", ".join(f"{part} {size / (1 << 20):.0f}" for part, size in usage.items()))
    note(f"memory of all together: {sum(usage.values()) / 1e6:.0f} MB")
    assert sum(usage.values()) < LARGEST


def test_every_container_ends_when_asked_to_and_starts_with_what_it_had(deployment: Deployment, note: Callable[[str], None]) -> None:
    deployment.run("smoke")
    before = deployment.count_leads("smoke")
    assert before >= 1
    took = {**stop(deployment, PROCESSES), **stop(deployment, states.SERVERS)}
    note("stopped after, s: " + ", ".join(f"{part} {seconds:.1f}" for part, seconds in took.items()))
    assert {part: seconds for part, seconds in took.items() if seconds > STOP_SECONDS} == {}
    codes = {part: told["State"]["ExitCode"] for part, told in operating.inspected(deployment).items() if part in LASTING}
    assert {part: code for part, code in codes.items() if code not in EXIT_CODES.get(part, {0})} == {}

    deployment.compose("down", "--remove-orphans")
    assert operating.inspected(deployment) == {}
    begun = time.monotonic()
    operating.set_up(deployment)
    note(f"started on volumes that are there: {time.monotonic() - begun:.1f} s")
    assert deployment.count_leads("smoke") == before
    deployment.run("smoke")
    assert deployment.count_leads("smoke") == before + 1


def test_a_first_start_takes_no_other_step(deployment: Deployment, note: Callable[[str], None]) -> None:
    deployment.compose("down", "--volumes")
    begun = time.monotonic()
    operating.set_up(deployment)
    note(f"first start, images built, volumes empty: {time.monotonic() - begun:.1f} s")
    told = operating.inspected(deployment)
    assert set(told) == set(operating.ALL)
    assert {part: state["State"]["ExitCode"] for part, state in told.items() if part in JOBS} == dict.fromkeys(JOBS, 0)
    assert deployment.unhealthy() == {}
    assert deployment.count_leads("smoke") == 0


def identities(deployment: Deployment) -> dict[str, tuple[str, str]]:
    """The containers that last, each with when it was started."""
    return {part: (told["Id"], told["State"]["StartedAt"]) for part, told in deployment.inspect().items()}


def memory(deployment: Deployment) -> dict[str, float]:
    """Bytes that each container takes now."""
    names = {f"{deployment.project}-{part}-1": part for part in LASTING}
    told = compose.docker("stats", "--no-stream", "--format", "{{json .}}", *names).splitlines()
    return {names[each["Name"]]: size_of(each["MemUsage"]) for each in map(json.loads, told)}


def size_of(usage: str) -> float:
    """Bytes of a text like `61.2MiB / 512MiB`: what is used."""
    found = re.match(r"([\d.]+)(\w+)", usage)
    assert found is not None
    return float(found[1]) * UNITS[found[2]]


def stop(deployment: Deployment, parts: tuple[str, ...]) -> dict[str, float]:
    """Asks the containers to end, all at once, and tells how long each took."""
    begun = datetime.now().astimezone()
    deployment.compose("stop", "--timeout", "60", *parts)
    told: dict[str, Any] = operating.inspected(deployment)
    # the engine's time has more digits than Python's
    ended = {part: datetime.fromisoformat(re.sub(r"(\.\d{6})\d*", r"\1", told[part]["State"]["FinishedAt"])) for part in parts}
    return {part: (moment - begun).total_seconds() for part, moment in ended.items()}
