"""Every named point at which a process can end: it ends there under load, is started again, and everything must hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shared.db import failpoints
from tests.chaos import scenario
from tests.chaos.scenario import Outcome, Plan
from tests.chaos.site import Site


def play(site: Site, seed: int, folder: Path, names: Sequence[str] | None = None) -> Outcome:
    """One run in which every point is reached once, each by another service's process, by chance."""
    points = [name for name in sorted(failpoints.POINTS) if names is None or name in names]
    plan = Plan(name="fail-points", seed=seed, faults=points, seconds=30.0, after_heal=10.0)
    return scenario.play(site, plan, folder)
