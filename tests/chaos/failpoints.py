"""Every named point at which a process can end: it ends there under load, is started again, and everything must hold."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from tests.chaos import poison
from tests.chaos.kills import KILLED, LANES, SERVING
from tests.chaos.site import SiteFailed
from tests.chaos.stage import Stage

EDGE: Final = "edge."


def end_everywhere(stage: Stage, points: Sequence[str]) -> list[str]:
    """A process ends at each point once; what went wrong. The points of the drain come last: by then much waits behind bad records."""
    plain = [point for point in points if not point.startswith(poison.DRAIN)]
    drains = [point for point in points if point.startswith(poison.DRAIN)]
    stage.chance.shuffle(plain)
    sent = poison.spoil(stage) if drains else []
    lanes = [(plain[number :: len(LANES)], services, stage.chance.random()) for number, services in enumerate(LANES)]
    with ThreadPoolExecutor(len(lanes)) as pool:
        against = [said for found in pool.map(lambda lane: _end_in_lane(stage, *lane), lanes) for said in found]
    return against + (poison.drains_ended(stage, drains, sent) if drains else [])


def _end_in_lane(stage: Stage, points: Sequence[str], services: Sequence[str], seed: float) -> list[str]:
    chance = random.Random(seed)  # a lane's own, so that the order in which threads run changes nothing
    against: list[str] = []
    for point in points:
        at = [name for name in services if name in SERVING] if point.startswith(EDGE) else services
        service, times = chance.choice(at), chance.randint(1, 4)
        against += _tried(lambda one=point, at=service, n=times: end_at_point(stage, one, at, n), point)
    return against


def end_at_point(stage: Stage, point: str, service: str, times: int) -> None:
    """A process of a service ends when it comes to a point for that time; SiteFailed if it never does."""
    role = "api" if point.startswith(EDGE) else "worker"
    member = stage.site.member(service, role)
    with stage.fault(point, member.name) as entry:
        entry.evidence["exit"] = stage.end_at(member, f"{point}:{times}")
        entry.evidence["new_pid"] = stage.site.wait_new(member, 0)
        entry.healed()
        entry.demand("ended there", entry.evidence["exit"] == KILLED)
        stage.site.wait_ready([member])


def _tried(work: Callable[[], None], point: str) -> list[str]:
    try:
        work()
    except SiteFailed as error:
        return [f"{point}: {error}"]
    return []
