"""What was measured, and how it is shown: in the terminal, as Markdown, as JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

HEADINGS = ("what", "median", "min", "max", "n", "unit", "goal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One thing measured, as often as `values` says; without values it could not be measured, and `note` says why."""

    name: str
    unit: str
    values: tuple[float, ...]
    goal: str = ""
    note: str = ""

    @property
    def median(self) -> float | None:
        """The middle of the values, None without any."""
        return statistics.median(self.values) if self.values else None

    def cells(self) -> tuple[str, ...]:
        """What a row of a table shows, in the order of HEADINGS."""
        if not self.values:
            return (self.name, self.note or "not measured", "", "", "0", self.unit, self.goal)
        spread = ("", "") if len(self.values) == 1 else (shown(min(self.values)), shown(max(self.values)))
        return (self.name, shown(statistics.median(self.values)), *spread, str(len(self.values)), self.unit, self.goal)


def percentile(values: Iterable[float], share: float) -> float:
    """The value that this share of the values does not exceed. Needs at least one."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def shown(value: float) -> str:
    """A number with as many digits as can be trusted."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(figures: Sequence[Figure]) -> str:
    """Columns for a terminal."""
    rows = [HEADINGS, *(figure.cells() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if 1 <= column <= 4 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def markdown(figures: Sequence[Figure], noise: Mapping[str, Any]) -> str:
    """The table with what it was measured on, for a page."""
    rows = ["| " + " | ".join(HEADINGS) + " |", "|---|--:|--:|--:|--:|---|---|"]
    rows += ["| " + " | ".join(figure.cells()) + " |" for figure in figures]
    measured_on = "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in noise.items())
    return "\n".join([*rows, "", f"Measured on: {measured_on}."])


def document(figures: Sequence[Figure], noise: Mapping[str, Any]) -> str:
    """Everything, for programs."""
    listed = [asdict(figure) | {"median": figure.median} for figure in figures]
    return json.dumps({"machine": dict(noise), "figures": listed}, indent=1) + "\n"
