"""Files that are larger than memory should be: a gigabyte of rows, and a lookup in hundreds of megabytes, in the memory of a small file."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import stack as stacks
from tests.stack import Stack

MB = 1_000_000
MAPPING = """
[source]
code = "CODE"
name = "A large file"
time_zone = "UTC"
[files.visits]
columns = ["visit", "kind", "day", "page"]
[files.pages]
columns = ["page", "title"]
[[feeds]]
entity = "lead"
file = "visits"
external_id = "visit"
when = { kind = "request" }
repeats = "first"
fields = { occurred_at = "day" }
[feeds.labels]
page = "page"
"""
TITLE = 'title = { column = "title", lookup = { file = "pages", key = "page", by = "page" } }\n'
BLOCK = 100
"""Rows of which one is meant to become a lead."""
TELLINGS = 10
"""How often each lead is told of."""

# A process between, so that nothing of the test's own memory is counted.
_MEASURE = """
import resource, subprocess, sys
ended = subprocess.run([sys.executable, "-m", "baton", *sys.argv[1:]])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss * (1 if sys.platform == "darwin" else 1024), file=sys.stderr)
sys.exit(ended.returncode)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """An import: what it printed, its largest resident memory in bytes, how long it took, and how much of that it computed."""

    output: str
    peak: int
    seconds: float
    cpu_seconds: float


def run_import(stack: Stack, *arguments: Path | str) -> Measured:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, "import", *map(str, arguments)],
        cwd=stack.state,
        env={**os.environ, "BATON_STATE": str(stack.state), "PYTHONPATH": str(stacks.PROJECT), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    cpu_seconds, peak = done.stderr.split()[-2:]
    return Measured(output=done.stdout, peak=int(peak), seconds=time.monotonic() - began, cpu_seconds=float(cpu_seconds))


def tell(capsys: pytest.CaptureFixture[str], name: str, size: int, measured: Measured) -> None:
    took = f"{measured.seconds:.1f} s ({measured.cpu_seconds:.1f} s of CPU)"
    with capsys.disabled():
        sys.stdout.write(f"\n{name}: {size / MB:,.0f} MB in {took}, peak {measured.peak / MB:.0f} MB ")


@contextmanager
def gone_afterwards(path: Path) -> Iterator[Path]:
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def write_visits(path: Path, size: int) -> int:
    """A file of that many bytes at least, with a lead in every block of rows; gives how many leads there are."""
    other = "".join(f"x{n},click,2018-01-02,p{n},{'a visit of which nothing is kept; ' * 11}{n}\n" for n in range(BLOCK - 1)).encode()
    blocks = 0
    with path.open("wb") as file:
        file.write(b"visit,kind,day,page,text\n")
        while file.tell() < size:
            lead = blocks // TELLINGS
            file.write(b"v%d,request,2018-01-02,p%d,%b\n" % (lead, lead, b"a visit of which something is kept; " * 11))
            file.write(other)
            blocks += 1
    return -(-blocks // TELLINGS)


def write_pages(path: Path, size: int) -> None:
    count = 0
    with path.open("wb") as file:
        file.write(b"page,title,text\n")
        while file.tell() < size:
            # Not in order, so that an index cannot be filled from one end.
            file.write(b"".join(b"p%d,Title %d,%b\n" % (n * 7_368_787 % 10_000_019, n, b"text " * 14) for n in range(count, count + 1_000)))
            count += 1_000


def assert_flat(small: Measured, large: Measured) -> None:
    assert large.peak <= 1.15 * small.peak + 10 * MB, f"peak grew from {small.peak / MB:.0f} to {large.peak / MB:.0f} MB"


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    return tmp_path / "large.toml"


def test_a_gigabyte_is_imported_in_the_memory_of_fifty_megabytes(
    stack: Stack, tmp_path: Path, mapping: Path, capsys: pytest.CaptureFixture[str]
):
    measured: list[Measured] = []
    for size in (50 * MB, 1_000 * MB):
        code = f"visits_{size // MB}"
        mapping.write_text(MAPPING.replace("CODE", code))
        with gone_afterwards(tmp_path / "visits.csv") as path:
            leads = write_visits(path, size)
            measured.append(run_import(stack, path, "--mapping", mapping))
        tell(capsys, "visits", size, measured[-1])
        assert stack.count_leads(code) == leads > 0
        assert "rejected" not in measured[-1].output
        assert "told of again, the first row counts" in measured[-1].output
    assert_flat(*measured)


def test_a_lookup_in_two_hundred_megabytes_takes_the_memory_of_one_in_ten(
    stack: Stack, tmp_path: Path, mapping: Path, capsys: pytest.CaptureFixture[str]
):
    measured: list[Measured] = []
    for size in (10 * MB, 200 * MB):
        code = f"pages_{size // MB}"
        mapping.write_text(MAPPING.replace("CODE", code) + TITLE)
        paths: Sequence[Path] = (tmp_path / "visits.csv", tmp_path / "pages.csv")
        with gone_afterwards(paths[0]), gone_afterwards(paths[1]):
            leads = write_visits(paths[0], 5 * MB)
            write_pages(paths[1], size)
            measured.append(run_import(stack, *paths, "--mapping", mapping))
        tell(capsys, "pages", size, measured[-1])
        assert stack.count_leads(code) == leads > 0
    assert_flat(*measured)
