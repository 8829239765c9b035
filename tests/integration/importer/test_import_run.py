"""Whole imports against services in a dictionary: twice, stopped, late, refused."""

import csv
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from baton import CommandError
from baton import client as api
from baton.importer import mapping, plans, running, workspace
from baton.importer.journal import Journal
from baton.importer.rejects import Rejects
from baton.importer.sending import Limits
from tests.integration.importer import outside
from tests.integration.importer.outside import Outside

MAPPING = """
[source]
code = "shop"
name = "Shop"
time_zone = "UTC"
[files.leads]
name = "leads*.csv"
[files.deals]
name = "deals*.csv"
[files.pages]
name = "pages.csv"
[[feeds]]
entity = "lead"
file = "leads"
external_id = "id"
[feeds.fields]
occurred_at = "day"
[feeds.labels]
origin = "origin"
title = { column = "title", lookup = { file = "pages", key = "page", by = "page" } }
[[feeds]]
entity = "deal"
file = "deals"
external_id = "lead"
when = { stage = ["Won", "Lost"] }
[feeds.fields]
occurred_at = { column = "closed", stand_in = { column = "opened" } }
lead = "lead"
outcome = { column = "stage", map = { Won = "won", Lost = "lost" } }
blanket_order = { column = "stage", map = { Won = "true", Lost = "false" } }
"""


class Silent:
    """Shows nothing."""

    def begin(self, name: str, size: int) -> None: ...
    def at(self, position: int, rows: int) -> None: ...
    def waits(self, count: int) -> None: ...


class Import:
    """One import of files in a folder."""

    def __init__(self, folder: Path, count: int = 10, text: str = MAPPING) -> None:
        self.folder = folder
        self.text = text
        self.rejects = folder / "rejects.csv"
        self.journal = folder / "import.journal"
        write(folder / "leads.csv", ["id", "day", "origin", "page"], ([f"L{n}", "2018-01-02", "social", f"p{n % 3}"] for n in range(count)))
        write(folder / "pages.csv", ["page", "title"], [["p0", "Home"], ["p1", "About"], ["p1", "Second"]])
        write(
            folder / "deals.csv",
            ["lead", "stage", "opened", "closed"],
            ([f"L{n}", ("Won", "Lost", "Open")[n % 3], "2018-01-05", "2018-02-01" if n % 2 else ""] for n in range(count)),
        )

    async def run(self, world: Outside, **limits: float) -> tuple[running.Tallies, int]:
        plan = plans.make(mapping.parse(self.text.encode(), "m.toml"), "m.toml", sorted(self.folder.glob("[!r]*.csv")))
        site = api.Site(addresses=outside.ADDRESSES, tokens=dict.fromkeys(outside.ADDRESSES, "t"))
        async with api.Client(site, roles={}, subject="test", patience=5, transport=httpx2.MockTransport(world.answer)) as client:
            tallies, rejected, _ = await running.run(
                plan,
                client,
                limits=Limits(**({"batch": 3, "wait": 0.3} | limits)),  # pyright: ignore[reportArgumentType]
                rejects_path=self.rejects,
                journal=Journal(self.journal),
                meter=Silent(),
            )
            return tallies, rejected

    def rejected(self) -> list[dict[str, str]]:
        with self.rejects.open(newline="") as file:
            return list(csv.DictReader(file))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def write(path: Path, header: list[str], rows) -> None:  # pyright: ignore[reportMissingParameterType]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


async def test_rows_become_leads_and_deals_of_a_registered_source(tmp_path: Path):
    world = Outside()
    tallies, rejected = await Import(tmp_path).run(world)
    assert world.sources == {"shop": {"name": "Shop", "time_zone": "UTC"}}
    assert (tallies["lead"].created, tallies["deal"].created, tallies["deal"].not_meant, rejected) == (10, 7, 3, 0)
    assert world.leads["shop", "L1"]["labels"] == {"origin": "social", "title": "About"}
    assert world.leads["shop", "L2"]["labels"] == {"origin": "social"}
    assert world.leads["shop", "L1"]["origin"] == "import"
    assert world.deals["shop", "L0"]["estimated"] is True
    assert "estimated" not in world.deals["shop", "L1"]
    assert world.deals["shop", "L1"]["lead_id"] == world.leads["shop", "L1"]["lead_id"]
    assert not (tmp_path / "rejects.csv").exists()
    assert names(tmp_path) == {"leads.csv", "pages.csv", "deals.csv"}, "nothing of the run is left"


async def test_the_second_run_changes_nothing(tmp_path: Path):
    world = Outside()
    await Import(tmp_path).run(world)
    tallies, _ = await Import(tmp_path).run(world)
    assert (world.created, tallies["lead"].unchanged, tallies["deal"].unchanged) == (17, 10, 7)


async def test_no_two_requests_share_a_key(tmp_path: Path):
    world = Outside()
    await Import(tmp_path).run(world)
    await Import(tmp_path).run(world)
    assert len(world.keys) == len(set(world.keys)) > 10


async def test_batches_are_never_larger_than_asked(tmp_path: Path):
    world = Outside()
    await Import(tmp_path, 100).run(world, batch=7)
    assert max(size for _, size in world.requests) == 7


async def test_what_is_not_known_yet_is_waited_for(tmp_path: Path):
    world = Outside(behind=12)
    tallies, rejected = await Import(tmp_path).run(world, wait=30)
    assert (tallies["deal"].created, tallies["deal"].rejected, rejected) == (7, 0, 0)


async def test_the_wait_is_bounded_and_an_orphan_does_not_hold_up_the_others(tmp_path: Path):
    world, job = Outside(), Import(tmp_path)
    write(tmp_path / "deals2.csv", ["lead", "stage", "opened", "closed"], [["ghost", "Won", "", "2018-01-01"]])
    tallies, rejected = await job.run(world)
    assert (tallies["deal"].created, tallies["deal"].rejected, rejected) == (7, 1, 1)
    (row,) = job.rejected()
    assert (row["file"], row["line"], row["entity"], row["code"]) == ("deals2.csv", "2", "deal", "NOT_KNOWN_YET")


async def test_rejected_rows_are_told_by_line_and_without_values(tmp_path: Path):
    world, job = Outside(refuses=lambda item: "NOT_WANTED" if item["external_id"] == "L4" else None), Import(tmp_path)
    secret = "ana@example.org"
    write(
        tmp_path / "leads2.csv",
        ["id", "day", "origin", "page"],
        [[secret, secret, "x", "p"], ["", "2018-01-02", "x", "p"], ["M1", "2018-01-02", "y" * 121, "p"], ["M2", "", "x", "p"]],
    )
    tallies, rejected = await job.run(world)
    told = {(row["file"], row["line"], row["entity"], row["code"], row["field"]) for row in job.rejected()}
    assert told == {
        ("leads.csv", "6", "lead", "NOT_WANTED", "/labels"),
        ("deals.csv", "6", "deal", "NOT_WANTED", "/labels"),
        ("leads2.csv", "2", "lead", "NOT_A_DATE", "occurred_at"),
        ("leads2.csv", "3", "lead", "MISSING", "external_id"),
        ("leads2.csv", "4", "lead", "LABEL_TOO_LONG", "labels.origin"),
    }
    assert secret not in job.rejects.read_text()
    lead = tallies["lead"]
    assert (lead.rows, lead.created, lead.rejected, lead.labels_rejected, lead.no_time, rejected) == (14, 10, 3, 1, 1, 5)


def test_only_a_file_is_replaced_by_the_rejected_rows(tmp_path: Path):
    pipe, old = tmp_path / "pipe", tmp_path / "old.csv"
    os.mkfifo(pipe)
    old.write_text("of an earlier run")
    Rejects(pipe)
    Rejects(old)
    assert (pipe.exists(), old.exists()) == (True, False)
    with pytest.raises(CommandError, match="is a folder"):
        Rejects(tmp_path)


async def test_rejections_are_told_again_by_the_next_run(tmp_path: Path):
    world, job = Outside(refuses=lambda item: "NOT_WANTED" if item["external_id"] == "L4" else None), Import(tmp_path)
    await job.run(world)
    first = job.rejected()
    await job.run(world)
    assert job.rejected() == first


async def test_an_unreachable_service_stops_the_import_and_the_next_run_goes_on(tmp_path: Path):
    world, job = Outside(), Import(tmp_path, 60)

    def cut(path: str) -> httpx2.Response | None:
        if path == "/v1/deals/batch" and len(world.requests) > 25:
            return httpx2.Response(403, json={"code": "FORBIDDEN", "detail": "No.", "errors": []})
        return None

    world.before = cut
    with pytest.raises(api.ApiError, match="sales refused POST /v1/deals/batch with 403"):
        await job.run(world)
    world.before = lambda _: None
    requests = len(world.requests)
    tallies, _ = await job.run(world)
    assert len(world.leads) == 60
    assert len(world.deals) == 40
    assert tallies["lead"].skipped == 57  # the last confirmed batch is sent again, to see that the services still have it
    assert world.created == 100
    assert len(world.requests) - requests < 20
    assert not job.journal.exists()


async def test_a_journal_of_services_that_were_wiped_is_not_believed(tmp_path: Path):
    world, job = Outside(), Import(tmp_path, 30)
    world.before = lambda path: httpx2.Response(403, json={}) if path == "/v1/deals/batch" else None
    with pytest.raises(api.ApiError):
        await job.run(world)
    assert job.journal.exists()
    wiped = Outside()
    tallies, _ = await job.run(wiped)
    assert (len(wiped.leads), len(wiped.deals), tallies["lead"].skipped) == (30, 20, 0)


async def test_the_later_row_wins_where_the_mapping_says_update(tmp_path: Path):
    text = MAPPING.replace('external_id = "id"', 'external_id = "id"\non_conflict = "update"')
    world, job = Outside(), Import(tmp_path, 10, text)
    write(tmp_path / "leads2.csv", ["id", "day", "origin", "page"], [["L1", "2018-01-02", "email", ""]])
    tallies, _ = await job.run(world)
    assert tallies["lead"].updated == 1
    assert world.leads["shop", "L1"]["labels"] == {"origin": "email"}


async def test_memory_does_not_grow_with_the_file(tmp_path: Path):
    async def peak(count: int) -> int:
        world = Outside()
        world.before = lambda path: _forgetful(world, path)
        job = Import(tmp_path / str(count), 0)
        lines = ("L%d,2018-01-02,social,p1\n" % n for n in range(count))  # noqa: UP031
        with (job.folder / "leads.csv").open("a") as file:
            file.writelines(lines)
        tracemalloc.start()
        try:
            await job.run(world, batch=100)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    for count in (1_000, 10_000):
        (tmp_path / str(count)).mkdir()
    await peak(1_000)
    small, large = await peak(1_000), await peak(10_000)
    assert large < small * 1.5


def _forgetful(world: Outside, path: str) -> None:
    world.leads.clear()
    world.requests.clear()
    world.keys.clear()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Programs started inside hear SIGINT, also where this run was started in the background of a shell, which makes all below it deaf."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("how", "ending"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_the_command_can_be_stopped_and_run_again(tmp_path: Path, interruptible: None, how: signal.Signals, ending: int):
    Import(tmp_path, 3000)
    (tmp_path / "m.toml").write_text(MAPPING)
    world = Outside(held=lambda: len(world.leads) >= 500)  # however slow this test is, the import does not get to its end
    with outside.served(world) as address:
        killed = start(tmp_path, address)
        until = time.monotonic() + 30
        while len(world.leads) < 500 and time.monotonic() < until:
            time.sleep(0.01)
        killed.send_signal(how)
        killed.communicate(timeout=60)
        assert killed.returncode == ending
        world.held = lambda: False
        assert 500 <= len(world.leads) < 3000
        again = start(tmp_path, address)
        output, _ = again.communicate(timeout=60)
    assert again.returncode == 0, output
    assert "going on after an interrupted run" in output
    assert (len(world.leads), len(world.deals), world.created) == (3000, 2000, 5000)


async def test_what_a_killed_run_left_is_removed_by_the_next_of_the_same_import(tmp_path: Path):
    job = Import(tmp_path)
    left, of_another = tmp_path / "import-work-killed", tmp_path / "other-work-killed"
    for folder in (left, of_another):
        folder.mkdir()
        (folder / workspace.LOCK).touch()
    with workspace.opened(job.journal) as at_work:
        await job.run(Outside())
        assert at_work.exists(), "a run that is alive keeps its folder"
    assert not left.exists()
    assert of_another.exists()


def test_the_command_says_with_its_exit_code_what_happened(tmp_path: Path):
    Import(tmp_path, 5)
    (tmp_path / "m.toml").write_text(MAPPING)
    with outside.served(Outside(refuses=lambda item: "NO" if item["external_id"] == "L1" else None)) as address:
        assert code(start(tmp_path, address)) == 1
        assert code(start(tmp_path, address, "--allow-rejects")) == 0
        (tmp_path / "m.toml").write_text(MAPPING.replace('"origin"', '"orgin"'))
        refused = start(tmp_path, address)
        output, _ = refused.communicate(timeout=60)
        assert refused.returncode == 2
        assert "m.toml: feeds[0].labels.origin: leads.csv has no column 'orgin' (did you mean 'origin'?)" in output


def start(folder: Path, address: str, *options: str) -> subprocess.Popen[str]:
    environ = {"BATON_STATE": str(folder / "state")}
    for service in ("MARKETING", "SALES", "DISTRIBUTION"):
        environ |= {f"BATON_URL_{service}": address, f"BATON_TOKEN_{service}": "t"}
    command = [
        sys.executable,
        "-m",
        "baton",
        "import",
        "leads.csv",
        "deals.csv",
        "pages.csv",
        "--mapping",
        "m.toml",
        "--batch",
        "100",
        *options,
    ]
    project = Path(__file__).resolve().parents[3]
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **environ, "PYTHONPATH": str(project)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def code(process: subprocess.Popen[str]) -> int:
    process.communicate(timeout=60)
    return process.returncode
