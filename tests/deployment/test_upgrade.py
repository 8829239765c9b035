"""An older version is replaced on the spot: its volumes stay, its migrations run, its figures are the same."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from baton.local import state as states
from shared.db import migrating
from tests.compose import Deployment
from tests.deployment import breaking, former, operating
from tests.deployment.former import Former
from tests.faults import figures, population
from tests.faults.population import Population
from tests.stack import PROJECT

LEADS = 1200
BEFORE, AFTER = "before_upgrade", "after_upgrade"
SETTLE_SECONDS = 60


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Former]:
    with former.unpacked(tmp_path_factory.mktemp("former")) as found:
        yield found


@pytest.fixture
def empty(deployment: Deployment) -> Deployment:
    """A deployment without containers and without data."""
    deployment.compose("down", "--volumes")
    return deployment


def test_a_clone_without_its_history_says_so(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", f"file://{PROJECT}", clone], capture_output=True, check=True)
    with pytest.raises(AssertionError, match=r"this clone does not hold the commit before .*: fetch its history"):
        former.before_newest_migration(clone)


async def test_an_older_version_is_upgraded_on_its_volumes(
    empty: Deployment, older: Former, tmp_path: Path, note: Callable[[str], None]
) -> None:
    people = some(LEADS)
    files = people.write(tmp_path)
    truth = people.truth()
    await asyncio.to_thread(older.up, empty)
    before = {service: await breaking.schema(empty, service) for service in states.SERVICES}
    newest = {service: migrating.newest(PROJECT / "services" / service) for service in states.SERVICES}
    assert before != newest
    await asyncio.to_thread(older.run, empty, "import", *files, "--mapping", str(population.mapping(tmp_path, BEFORE)))
    await figures.settle(empty, seconds=SETTLE_SECONDS)
    was, reported = await figures.read(empty), await asyncio.to_thread(older.funnel, empty, BEFORE)
    assert (reported["total"]["leads"], reported["total"]["won_deals"]) == (truth["leads"], truth["won_deals"])
    assert was["rows"]["distribution"]["orders"] == truth["orders"]

    await asyncio.to_thread(operating.set_up, empty)
    assert {service: await breaking.schema(empty, service) for service in states.SERVICES} == newest
    assert {image_of(told) for part, told in empty.inspect().items() if part not in states.SERVERS} == {"local"}
    await figures.settle(empty, seconds=SETTLE_SECONDS)
    now = await figures.read(empty)
    assert (now["sums"], now["events"]) == (was["sums"], was["events"])
    for service, rows in was["rows"].items():
        assert rows.items() <= now["rows"][service].items()
    assert common(await asyncio.to_thread(empty.funnel, BEFORE), reported) == common(reported, reported)

    await asyncio.to_thread(empty.run, "import", *files, "--mapping", str(population.mapping(tmp_path, AFTER)))
    await figures.settle(empty, seconds=SETTLE_SECONDS)
    after = await figures.read(empty)
    assert after["rows"]["marketing"]["leads"] == 2 * LEADS
    assert after["rows"]["distribution"]["orders"] == 2 * was["rows"]["distribution"]["orders"]
    assert after["sums"]["distribution: order value"] == {"EUR": 2 * was["sums"]["distribution: order value"]["EUR"]}
    await asyncio.to_thread(empty.run, "smoke")
    note(f"upgraded from {older.tag}: {truth['leads']} leads, {truth['deals']} deals, {truth['orders']} orders, all figures equal")


def some(count: int) -> Population:
    """The first leads of the population, with their deals."""
    people = population.make()
    leads = people.leads[:count]
    known = {lead["lead"] for lead in leads}
    return Population(leads=leads, deals=[deal for deal in people.deals if deal["lead"] in known])


def common(report: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """What both reports tell, but for the moment they are of."""
    return {
        name: common(value, other[name]) if isinstance(value, dict) and isinstance(other[name], dict) else value
        for name, value in report.items()
        if name in other and name != "as_of"
    }


def image_of(told: dict[str, Any]) -> str:
    """The tag of a container's image."""
    return told["Config"]["Image"].rpartition(":")[2]
