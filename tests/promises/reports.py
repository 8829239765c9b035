"""The table of all verdicts, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pydantic_core import to_json

from tests.promises import catalogue
from tests.promises.verdicts import Verdict, failures

WIDTH = 110


def table(verdicts: Sequence[Verdict]) -> str:
    """One line a verdict, as plain text."""
    lines = [f"{'promise':8}{'code':26}{'outcome':9}{'checked':>9}{'3/n':>10}{'s':>7}  what was seen"]
    for each in verdicts:
        bound = f"{each.bound:.2g}" if each.bound else ""
        wanted = "" if each.outcome == each.wanted else "  <- not as expected"
        seen = "; ".join(each.seen)[:WIDTH]
        code = each.variant or "real"
        lines.append(f"{each.promise:8}{code:26}{each.outcome:9}{each.checked:>9}{bound:>10}{each.seconds:>7}  {seen}{wanted}")
    return "\n".join(lines)


def write(folder: Path, verdicts: Sequence[Verdict], seconds: float) -> None:
    """report.md and report.json in that folder."""
    folder.mkdir(parents=True, exist_ok=True)
    found = failures(list(verdicts))
    whole = {
        "passed": not found,
        "failures": found,
        "seconds": round(seconds, 1),
        "verdicts": [{**asdict(each), "wanted": each.wanted, "bound": each.bound} for each in verdicts],
    }
    (folder / "report.json").write_bytes(to_json(whole, indent=2) + b"\n")
    (folder / "report.md").write_text(_page(verdicts, found, seconds))


def _page(verdicts: Sequence[Verdict], found: Sequence[str], seconds: float) -> str:
    versions = next((each.versions for each in verdicts if each.versions), {})
    lines = [
        "# Promises",
        "",
        "The real code must hold; every variant is broken on purpose and must be found broken. 3/n: where nothing failed in n checks,",
        "fewer than that share fail (at 95 %).",
        "",
        f"- Result: {'passed' if not found else '; '.join(found)}",
        f"- Time: {seconds:.0f} s; seeds: {', '.join(sorted({str(each.seed) for each in verdicts}))}",
        f"- Versions: {', '.join(f'{name} {number}' for name, number in versions.items())}",
        "",
        "| Promise | Code | Outcome | Checked | 3/n | Seconds | Seen | Counts |",
        "|---|---|---|---:|---:|---:|---|---|",
    ]
    for each in verdicts:
        claim = f"**{each.promise}** {catalogue.find(each.promise).claim}" if each.variant is None else each.promise
        bound = f"{each.bound:.2g}" if each.bound else ""
        counts = ", ".join(f"{name} {number:g}" for name, number in each.counts.items())
        seen = "; ".join(each.seen).replace("|", "\\|").replace("\n", " ")
        cells = (claim, each.variant or "real", each.outcome, each.checked, bound, each.seconds, seen, counts)
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return "\n".join(lines) + "\n"
