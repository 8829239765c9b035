"""What a run of a promise says: held, broken with what was seen, or invalid because it shows nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

HELD, BROKEN, INVALID = "held", "broken", "invalid"


@dataclass(slots=True, kw_only=True)
class Findings:
    """What a scenario saw. `checked`: on how many things (events, requests, kills) the claim was tried."""

    checked: int = 0
    problems: list[str] = field(default_factory=list)
    counts: dict[str, float] = field(default_factory=dict)

    def claim(self, holds: object, problem: str) -> None:
        """Notes the problem, once, unless the claim holds."""
        if not holds and problem not in self.problems:
            self.problems.append(problem)

    def count(self, **counts: float) -> None:
        """Notes figures; those noted before are added to."""
        for name, number in counts.items():
            self.counts[name] = self.counts.get(name, 0) + number


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One run of a promise, real (no variant) or broken on purpose."""

    promise: str
    variant: str | None
    outcome: str
    seen: list[str]
    checked: int
    counts: Mapping[str, float]
    seed: int
    seconds: float
    versions: Mapping[str, str]

    @property
    def wanted(self) -> str:
        """The outcome that a sound run of it has."""
        return HELD if self.variant is None else BROKEN

    @property
    def bound(self) -> float | None:
        """3/n: with no failure in n trials, the rate of failures is below it (at 95 %)."""
        return 3 / self.checked if self.outcome == HELD and self.checked else None


def judge(findings: Findings, *, at_least: int) -> tuple[str, list[str]]:
    """The outcome of a scenario that ran to its end. One that tried less than it should is invalid, whatever it saw."""
    if findings.checked < max(at_least, 1):
        return INVALID, [f"an empty run: {findings.checked} checked, {max(at_least, 1)} are the least", *findings.problems]
    return (BROKEN, findings.problems) if findings.problems else (HELD, [])


def failures(verdicts: list[Verdict]) -> list[str]:
    """Why the whole run proves nothing; empty if each real run held and each broken variant was found broken."""
    found = [
        f"{verdict.promise} {verdict.variant or 'real'}: {verdict.outcome}, {verdict.wanted} was expected"
        for verdict in verdicts
        if verdict.outcome != verdict.wanted
    ]
    return found or ([] if any(verdict.variant is None for verdict in verdicts) else ["an empty run: no promise was tried"])
