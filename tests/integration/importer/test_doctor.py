"""Whole imports of a made-up shop: what was strange in its files is told at the end, by count and place, and hinders nothing."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx2
import pytest

from baton import client as api
from baton.importer import mapping, plans, running
from baton.importer.journal import Journal
from baton.importer.sending import Limits
from baton.importer.strangeness import Finding
from tests.integration.importer import outside, shop
from tests.integration.importer.outside import Outside

PLANTED = {
    "orders.csv": ["x1,2018-02-09 10:00:00,2018-02-09 09:00:00,2018-02-20,delivered", "x2,2018-02-09 10:00:00,,2018-02-20,cancelled"],
    "parcels.csv": [
        "y1,x1,2018-02-09 09:30:00,2018-02-09",
        "y2,x2,2018-02-11 10:00:00,2018-02-10",
        "y3,gone,2018-02-11 10:00:00,",
        "p0,o0,2018-02-05 08:00:00,2018-02-12 09:30:00",
    ],
    "items.csv": ["x1-0,x1,s1,sku 0,1,9.90,3.20", "x2-0,x2,s1,sku 0,1,9.90,3.20"],
}
"""A row of each kind of strangeness, behind the rows of the shop."""


class Silent:
    """Shows nothing."""

    def begin(self, name: str, size: int) -> None: ...
    def at(self, position: int, rows: int) -> None: ...
    def waits(self, count: int) -> None: ...


def written(folder: Path) -> list[Path]:
    paths = shop.write(folder)
    for path in paths:
        with path.open("a") as file:
            file.writelines(f"{line}\n" for line in PLANTED.get(path.name, ()))
    return paths


async def examined(folder: Path, paths: Sequence[Path]) -> list[Finding]:
    plan = plans.make(mapping.parse(shop.MAPPING.encode(), "m.toml"), "m.toml", paths)
    site = api.Site(addresses=outside.ADDRESSES, tokens=dict.fromkeys(outside.ADDRESSES, "t"))
    async with api.Client(site, roles={}, subject="test", patience=5, transport=httpx2.MockTransport(Outside().answer)) as client:
        _, _, findings = await running.run(
            plan,
            client,
            limits=Limits(batch=7, wait=0.1),
            rejects_path=folder / "rejects.csv",
            journal=Journal(folder / "import.journal"),
            meter=Silent(),
        )
    return list(findings)


def told(findings: Sequence[Finding]) -> dict[str, int]:
    return {f"{each.kind}: {each.subject}": each.count for each in findings}


async def test_what_was_planted_in_the_files_is_found(tmp_path: Path):
    findings = await examined(tmp_path, written(tmp_path))
    orders = 40
    late_ones = sum(at % 3 == 2 and at % 8 != 4 for at in range(orders))
    assert told(findings) == {
        "dates_out_of_order: order: approved before it was received": late_ones + 1,
        "dates_out_of_order: order: shipped before it was received": 1,
        "dates_out_of_order: order: delivered before it was shipped": 1,
        "contradiction: order: both cancelled and shipped": 1,
        "contradiction: order: both cancelled and delivered": 1,
        "no_date: approval: approved is missing": 1,
        "no_date: delivery: arrived is missing": 1,
        "estimated: order: another time stands in": orders // 8,
        "estimated: cancellation: another time stands in": orders // 8 + 1,
        "left_out: freight": sum(at % 8 != 2 and at % 7 == 0 for at in range(orders) for _ in range(1 + at % 3)),
        "duplicate: order: told of again, the first row counts": orders // 8,
        "duplicate: approval: told of again, the first row counts": orders // 8,
        "duplicate: shipment: told of again, with the same content": 1,
        "duplicate: delivery: told of again, with the same content": 1,
        "orphan: shipment: of no order in these files": 1,
    }
    places = {each.subject: (each.file, each.line, each.example) for each in findings}
    lines = {name: (tmp_path / name).read_text().splitlines() for name in PLANTED}
    late = lines["parcels.csv"].index(PLANTED["parcels.csv"][1]) + 1
    lost = lines["parcels.csv"].index(PLANTED["parcels.csv"][2]) + 1
    assert places["order: delivered before it was shipped"] == ("parcels.csv", late, "shipment in the same row")
    assert places["shipment: of no order in these files"] == ("parcels.csv", lost, "")
    first = lines["orders.csv"].index(PLANTED["orders.csv"][0]) + 1
    assert places["order: shipped before it was received"][2] == f"order in orders.csv, line {first}"


async def test_the_order_of_the_files_changes_nothing_of_what_is_found(tmp_path: Path):
    paths = written(tmp_path)
    first = told(await examined(tmp_path, paths))
    for order in itertools.islice(itertools.permutations(paths), 1, None, 5):
        assert told(await examined(tmp_path, order)) == first


async def test_nothing_of_the_doctor_is_left_on_disk(tmp_path: Path):
    await examined(tmp_path, written(tmp_path))
    assert set(os.listdir(tmp_path)) == {"customers.csv", "orders.csv", "items.csv", "parcels.csv", "rejects.csv"}


@pytest.mark.parametrize("clean", [True, False])
def test_the_command_shows_what_was_strange_below_what_became_of_the_rows(tmp_path: Path, clean: bool):
    (tmp_path / "m.toml").write_text(shop.MAPPING if not clean else shop.MAPPING.replace("repeats", "# repeats"))
    paths = written(tmp_path)
    if clean:
        paths = [paths[0]]
    with outside.served(Outside()) as address:
        environ = {f"BATON_URL_{service.upper()}": address for service in outside.ADDRESSES}
        environ |= {f"BATON_TOKEN_{service.upper()}": "t" for service in outside.ADDRESSES}
        done = subprocess.run(
            [sys.executable, "-m", "baton", "import", *map(str, paths), "--mapping", "m.toml", "--wait", "0.1", "--allow-rejects"],
            cwd=tmp_path,
            env={
                **os.environ,
                **environ,
                "BATON_STATE": str(tmp_path),
                "PYTHONPATH": str(Path(__file__).resolve().parents[3]),
                "COLUMNS": "200",
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("strange in the files" in done.stdout) != clean
    assert ("order: delivered before it was shipped" in done.stdout) != clean
