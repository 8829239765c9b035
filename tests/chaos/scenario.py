"""One run of the judging program over a running site, with faults played while it drives."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from baton.local import state
from baton.local.ports import HOST
from shared.db.failpoints import POINTS
from tests.chaos import failpoints, faults
from tests.chaos.front import Front, standing
from tests.chaos.site import SERVICES, Site, SiteFailed, wait_until, write_targets
from tests.chaos.stage import Stage, lag

EXITS: Final = {0: "PASS", 1: "FAIL", 2: "INVALID", 3: "INVALID"}
SETTLE_SECONDS: Final = 35.0
"""After most faults nothing else is broken until all is caught up, or so long at most; after some the next follows at once."""

SEEN_SECONDS: Final = 2.5
"""By then who judges has seen it, too."""

AT_ONCE: Final = 0.25
CALM_SECONDS: Final = 3.0
"""Load before the first fault, so that it hits what is at work."""

REST_SECONDS: Final = 7.0
"""By then a service has ended the connections of clients that are silent."""

ROLLING: Final = "F6"
"""The fault that needs two replicas of each API."""

FRONT_PORT: Final = 8701
STRAIN: Final = ("--clients", "12")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one run does. `seconds`: how long the load goes on beside the faults, at least. `rate`: writes begun per second.

    `rest`: how long nobody writes, twice, to see what idle processes hold; 0 leaves that out.
    """

    name: str
    seed: int
    faults: Sequence[str] = ()
    seconds: float = 20.0
    after_heal: float = 30.0
    rate: float = 25.0
    rest: float = REST_SECONDS
    min_ok: int = 1000
    thorough: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a run: the verdict's document, the faults as they were logged, and what speaks against it from this side."""

    plan: Plan
    result: str
    verdict: dict[str, Any]
    played: list[dict[str, Any]]
    against: list[str]
    restarts: int
    seconds: float
    folder: str = field(default="")

    @property
    def broken(self) -> list[str]:
        """The invariants that do not hold."""
        return [name for name, one in self.verdict.get("invariants", {}).items() if one["violations"]]

    @property
    def acknowledged(self) -> int:
        """How many writes were acknowledged."""
        return int(self.verdict.get("figures", {}).get("acknowledged", 0))

    @property
    def injections(self) -> int:
        """How many faults were injected."""
        return len(self.played)


def play(site: Site, plan: Plan, folder: Path) -> Outcome:
    """Drives the site, plays the faults in an order by chance, heals, and has the whole judged. Never raises for what the site does."""
    with _replicas(site) if ROLLING in plan.faults else nullcontext({}) as urls:
        return _play(site, plan, folder, urls)


@contextmanager
def _replicas(site: Site) -> Iterator[dict[str, str]]:
    """A second API process for each service, and one address for both; none of it is left afterwards."""
    added = [site.second(service, "api") for service in SERVICES]
    fronts = [Front(port=FRONT_PORT + index, replicas=site.those(service=service, role="api")) for index, service in enumerate(SERVICES)]
    try:
        with standing(fronts):
            yield {service: f"http://{HOST}:{FRONT_PORT + index}" for index, service in enumerate(SERVICES)}
    finally:
        for member in added:
            site.remove(member)


def _play(site: Site, plan: Plan, folder: Path, urls: Mapping[str, str]) -> Outcome:
    began, restarts = time.monotonic(), site.restarts()
    shutil.rmtree(folder, ignore_errors=True)  # nothing of an earlier run is taken for this one's
    folder.mkdir(parents=True)
    write_targets(site, folder / "targets.json", urls)
    log = folder / "faults.jsonl"
    log.touch()
    stage = Stage(site=site, chance=random.Random(plan.seed), log=log, thorough=plan.thorough)
    against: list[str] = []
    with (folder / "judge.log").open("w") as said:
        judge = subprocess.Popen(_command(plan, folder), stdout=said, stderr=said, cwd=state.project())
        try:
            _wait_for_load(judge, folder)
            until = time.monotonic() + plan.seconds
            time.sleep(CALM_SECONDS)
            against += _play_all(stage, plan, judge)
            time.sleep(max(0.0, until - time.monotonic()))
            (folder / "healed").touch()
            code = judge.wait(600)
        except (SiteFailed, subprocess.TimeoutExpired) as error:
            against.append(str(error))
            code = 3
        finally:
            judge.kill()
            judge.wait()
    against += [f"{one.name} on {one.target}: not so: {what}" for one in stage.played for what, holds in one.demands.items() if not holds]
    verdict = _verdict(folder)
    result = EXITS.get(code, "INVALID")
    if result == "PASS" and against:
        result = "FAIL"
    return Outcome(
        plan=plan,
        result=result,
        verdict=verdict,
        played=[one.line() for one in stage.played],
        against=against if verdict else [*against, _end_of(folder / "judge.log")],
        restarts=site.restarts() - restarts,
        seconds=time.monotonic() - began,
        folder=folder.name,
    )


def _play_all(stage: Stage, plan: Plan, judge: subprocess.Popen[bytes]) -> list[str]:
    against: list[str] = []
    points = [name for name in plan.faults if name in POINTS]
    if points:
        _say(f"{plan.name}: {len(points)} fail-points")
        against += failpoints.end_everywhere(stage, points)
    names = [name for name in plan.faults if name not in POINTS]
    stage.chance.shuffle(names)
    for number, name in enumerate(names):
        if judge.poll() is not None:
            return [*against, "the judge ended before the faults did"]
        _say(f"{plan.name}: {name}")
        try:
            faults.play(stage, name)
        except SiteFailed as error:
            against.append(f"{name}: {error}")
        last = number == len(names) - 1
        if not last and (stage.chance.random() >= AT_ONCE or stage.thorough):
            _settle(stage)
    for wait in stage.afterwards:
        try:
            wait()
        except SiteFailed as error:
            against.append(str(error))
    return against


def _settle(stage: Stage) -> None:
    until, workers = time.monotonic() + SETTLE_SECONDS, stage.site.those(role="worker")
    while time.monotonic() < until and not all(one.is_ready() and lag(one) < 1.0 for one in workers):
        time.sleep(0.5)
    time.sleep(SEEN_SECONDS)


def _command(plan: Plan, folder: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "tests.chaos.checker", "--targets", str(folder / "targets.json"), "--out", str(folder)),
        *("--seed", str(plan.seed), "--until-healed", "--faults", str(folder / "faults.jsonl")),
        *("--after-heal", str(plan.after_heal), "--min-ok", str(plan.min_ok), *STRAIN),
        *("--rate", str(plan.rate), "--rest", str(plan.rest)),
    ]


def _wait_for_load(judge: subprocess.Popen[bytes], folder: Path) -> None:
    phase = folder / "phase"

    def loaded() -> bool:
        if judge.poll() is not None:
            raise SiteFailed(f"the judge ended before the load began: {_end_of(folder / 'judge.log')}")
        return phase.exists() and phase.read_text().strip() == "load"

    wait_until(loaded, 240, "the load did not begin")


def _verdict(folder: Path) -> dict[str, Any]:
    file = folder / "verdict.json"
    return json.loads(file.read_text()) if file.exists() else {}


def _end_of(file: Path) -> str:
    return "\n".join(file.read_text(errors="replace").splitlines()[-6:])


def _say(line: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stdout.flush()
