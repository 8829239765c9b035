"""What the command line can ask for: which runs there are, on which sites, and what they show together."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from shared.db.failpoints import POINTS
from tests.chaos import faults, planted, reports
from tests.chaos.scenario import REST_SECONDS, ROLLING, Outcome, Plan, play
from tests.chaos.site import Site, SiteFailed
from tests.promises.variants import Edit

GATE: Final = ("F4", "F5", "F8", "F10", "F12", "F13", "F22", "F24")
"""The faults of every commit: the quick ones that meet every part. F1, F2 and F3 are played by the fail-points."""

FAULT_RATE: Final = 10.0
"""Writes begun per second, each of one thing or of many, while processes have to start again on a small machine all the time."""

SEEDS: Final = 3
CLEAN_RUNS: Final = 10


def run(asked: argparse.Namespace) -> int:
    """Plays what was asked for, writes the report, and returns the exit code."""
    began = time.monotonic()
    outcomes: list[Outcome] = []
    for outcome in _outcomes(asked):
        outcomes.append(outcome)
        said = f"{outcome.plan.name}: {outcome.result} after {outcome.seconds:.0f} s, broken: {', '.join(outcome.broken) or 'none'}"
        sys.stdout.write(f"{time.strftime('%H:%M:%S')} {said}\n")
        sys.stdout.flush()
    report = reports.Report(seed=asked.seed, what=_what(asked), outcomes=outcomes, seconds=time.monotonic() - began)
    reports.write(report, asked.report)
    sys.stdout.write(reports.page(report))
    return 0 if report.result == "PASS" else 1


def _outcomes(asked: argparse.Namespace) -> Iterator[Outcome]:
    seed: int = asked.seed
    if asked.gate:
        with _site(asked, "gate") as site:
            plan = Plan(name="gate", seed=seed, faults=[*sorted(POINTS), *GATE], after_heal=15.0, rate=FAULT_RATE)
            yield play(site, plan, asked.report / "gate")
    elif asked.full:
        yield from _full(asked)
    elif asked.only:
        with _site(asked, "only") as site:
            plan = Plan(name="only", seed=seed, faults=asked.only.split(","), thorough=asked.thorough)
            yield play(site, plan, asked.report / "only")
    elif asked.kafka_away:
        with _site(asked, "kafka-away") as site:
            plan = Plan(name="kafka-away", seed=seed, faults=[f"{faults.KAFKA_AWAY}{asked.kafka_away}"])
            yield play(site, plan, asked.report / "kafka-away")
    elif asked.fail_points:
        with _site(asked, "fail-points") as site:
            names = () if asked.fail_points == "all" else asked.fail_points.split(",")
            plan = Plan(name="fail-points", seed=seed, faults=[*(names or sorted(POINTS))], after_heal=10.0)
            yield play(site, plan, asked.report / "fail-points")
    elif asked.planted:
        names = list(planted.BUGS) if asked.planted == "all" else asked.planted.split(",")
        for name in names:
            yield _planted(asked, name)
    else:
        yield from _clean(asked, asked.clean)


def _full(asked: argparse.Namespace) -> Iterator[Outcome]:
    for turn in range(SEEDS):
        with _site(asked, f"faults-{turn}") as site:
            name = f"seed-{asked.seed + turn}"
            others = [fault for fault in faults.SET_1 if fault != ROLLING]
            plan = Plan(name=name, seed=asked.seed + turn, faults=others, thorough=turn == 0, rate=FAULT_RATE)
            yield play(site, plan, asked.report / name)
    with _site(asked, "rolling") as site:
        yield play(site, Plan(name="rolling", seed=asked.seed, faults=[ROLLING], rate=FAULT_RATE), asked.report / "rolling")
    yield from _clean(asked, CLEAN_RUNS)
    for name in planted.BUGS:
        yield _planted(asked, name)


def _clean(asked: argparse.Namespace, count: int) -> Iterator[Outcome]:
    with _site(asked, "clean") as site:
        for turn in range(count):
            name = f"clean-{turn + 1}"
            rest = 0.0 if turn else REST_SECONDS  # what idle processes hold is seen once
            plan = Plan(name=name, seed=asked.seed + turn, seconds=15.0, after_heal=3.0, rest=rest)
            yield play(site, plan, asked.report / name)


def _planted(asked: argparse.Namespace, name: str) -> Outcome:
    bug = planted.BUGS[name]
    with _site(asked, name, bug.edits) as site:
        plan = Plan(name=name, seed=asked.seed, faults=bug.faults, seconds=10.0, after_heal=4.0, rest=0.0)
        return planted.judged(play(site, plan, asked.report / name))


def _what(asked: argparse.Namespace) -> str:
    return "gate" if asked.gate else "full" if asked.full else "part"


@contextmanager
def _site(asked: argparse.Namespace, name: str, edits: Sequence[Edit] = ()) -> Iterator[Site]:
    site = Site(asked.folder / f"site-{name}", edits=edits)
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {name}: starting\n")
    sys.stdout.flush()
    try:
        site.open()
        yield site
    except SiteFailed as error:
        sys.stdout.write(f"{name}: {error}\n")
        raise
    finally:
        _keep_logs(site, asked.report / "logs" / name)
        site.close()


def _keep_logs(site: Site, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for log in (site.folder / "logs").glob("*.log"):
        (folder / log.name).write_bytes(log.read_bytes())
