"""PASS, FAIL or INVALID: all invariants over one run, and whether the run can prove anything at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.chaos.checker import callers, convergence, keeping, leaks, ordering, recovery, traces
from tests.chaos.checker.evidence import CONSUMERS, PRODUCERS, SERVICES, Declared, Fault, Final, Sample, declared, increases
from tests.chaos.checker.history import Entry, Operation, acknowledged, attempts, operations
from tests.chaos.checker.judging import Judged, some

Result = Literal["PASS", "FAIL", "INVALID"]

TOUCHES_CALLERS = frozenset({"F1", "F4", "F10", "F12", "F15"})
"""Faults that must leave at least one outcome unknown: else they never hit."""

COUNTERS = {
    "F2": [{"name": "baton_inbox_duplicates_total", "at_least": 1}],
    "F22": [{"name": "baton_inbox_duplicates_total", "at_least": 1}],
    "F5": [{"name": "baton_cas_lost_total", "at_least": 1}],
    "F23": [{"name": "baton_sequence_gaps_total", "at_least": 1}],
}
MOST_SHOWN = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything that was gathered. `load`, `idle`: when the load went on, and when nothing did (seconds of the monotonic clock).

    `leaked`: secrets seen outside of the final read. `unreadable`: what of the fault log says nothing.
    """

    entries: Sequence[Entry]
    final: Final
    faults: Sequence[Fault] = ()
    samples: Sequence[Sample] = ()
    load: recovery.Span = (0.0, 0.0)
    idle: tuple[recovery.Span, recovery.Span] | None = None
    secrets: Sequence[str] = ()
    leaked: Judged = field(default_factory=lambda: Judged(name="I12"))
    min_ok: int = 1000
    unreadable: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a run shows. `guards`: why it proves nothing; `found`: what each invariant found; `figures`: how much there was."""

    result: Result
    guards: list[str]
    invariants: list[Judged]
    figures: dict[str, Any]

    def document(self) -> dict[str, Any]:
        """The same for a JSON file; long lists are cut, their length is told."""
        return {
            "result": self.result,
            "guards": self.guards,
            "invariants": {
                each.name: {"asked": each.asked, "checked": each.checked, "violations": len(each.found), "found": each.found[:MOST_SHOWN]}
                for each in self.invariants
            },
            "figures": self.figures,
        }


def judge(run: Run) -> Verdict:
    """FAIL if any invariant is broken; else INVALID if a guard fails, because then a PASS would prove nothing."""
    writes = operations(run.entries)
    tried = attempts(run.entries)
    known = declared(run.faults)
    comparison = convergence.converged(run.final, known)
    availability = callers.available(tried, run.faults)
    calm = callers.undisturbed(tried, run.faults)
    availability.asked = availability.asked or calm.asked
    invariants = [
        traces.nothing_lost(writes, run.final, known, comparison),
        traces.no_phantom(writes, run.final, known),
        traces.effect_once(writes, run.final, known, run.samples),
        ordering.in_order(run.final, known),
        Judged(name="I5").add(comparison.missing, comparison.differing),
        callers.safe_retries(writes, run.final),
        callers.no_lost_update(writes, run.final),
        keeping.conserved(run.final, known),
        recovery.recovered(run.faults, run.samples, run.final, run.load),
        availability.add(calm),
        callers.reads_own_writes(tried),
        Judged(name="I12").add(run.leaked, leaks.no_leak(leaks.texts_of(run.final), run.secrets)),
        recovery.nothing_creeps(run.samples, run.idle),
        _readable(run.final, known),
    ]
    guards = list(_guards(run, writes, invariants))
    result: Result = "FAIL" if any(each.found for each in invariants) else "INVALID" if guards else "PASS"
    return Verdict(result=result, guards=guards, invariants=invariants, figures=_figures(run, writes))


def _readable(final: Final, known: Declared) -> Judged:
    """Every event is one for a reader that nobody here wrote, too; what test producers wrote need not be."""
    misread = [told for place, told in final.misread if place not in known.foreign]
    return Judged(name="CloudEvents", checked=final.parsed, found=misread)


def _guards(run: Run, writes: Sequence[Operation], invariants: Sequence[Judged]) -> list[str]:
    failed = list(run.unreadable)
    count = acknowledged(writes)
    if count < run.min_ok:
        failed.append(f"{count} acknowledged writes are fewer than {run.min_ok}")
    published = {
        topic: [event for event in run.final.by_topic.get(topic, ()) if event.id not in run.final.before.events] for topic in PRODUCERS
    }
    if missing := [topic for topic, events in published.items() if not events]:
        failed.append(f"no event of {some(missing)} was seen")
    failed += [f"the final read could not read {what}" for what in run.final.unread]
    failed += [f"the final read has no row of {service}" for service in SERVICES if not _any_row(run.final, service)]
    failed += [f"{each.name} checked nothing" for each in invariants if each.asked and not each.checked]
    for topic, part in sorted(place for place, start in run.final.starts.items() if start > 0):
        failed.append(f"{topic}/{part} does not begin at offset 0 any more")
    for fault in run.faults:
        failed += _fault_guards(fault, run)
    return failed


def _fault_guards(fault: Fault, run: Run) -> list[str]:
    named = f"{fault.name} on {fault.target}"
    failed = [] if any(fault.evidence.values()) else [f"{named}: no evidence that it bit"]
    if fault.expects.get("info", fault.name in TOUCHES_CALLERS):
        tried = attempts(run.entries)
        # An attempt that was under way when the fault began counts, too.
        if not any(each.outcome == "info" for each in tried):
            failed.append(f"{named}: no outcome was unknown, so it did not hit the callers")
    for counter in fault.expects.get("counters", _default_counters(fault)):
        risen = increases(run.samples, counter["name"])
        services = counter.get("services", SERVICES)
        total = sum(risen.get(service, 0.0) for service in services)
        if total < counter.get("at_least", 1):
            failed.append(f"{named}: {counter['name']} rose by {total:.0f} only")
    kinds = Counter(str(each["kind"]) for each in fault.expects.get("parked", ()))
    parked = keeping.kinds_parked(run.final, declared([fault]))
    failed += [f"{named}: no event of the kind {kind} was parked" for kind in kinds if not parked.get(kind)]
    return failed


def _default_counters(fault: Fault) -> list[dict[str, Any]]:
    if fault.name == "F5" and fault.evidence.get("server_ended_transaction"):
        return []
    return COUNTERS.get(fault.name, [])


def _any_row(final: Final, service: str) -> bool:
    return any(rows for table, rows in final.tables.items() if table.startswith(f"{service}."))


def _figures(run: Run, writes: Sequence[Operation]) -> dict[str, Any]:
    answered = Counter(f"{entry.f} {entry.type}" for entry in run.entries if entry.type != "invoke")
    return {
        "writes": len(writes),
        "acknowledged": acknowledged(writes),
        "unknown": sum(write.outcome == "info" for write in writes),
        "refused": sum(write.outcome == "fail" for write in writes),
        "attempts": dict(sorted(answered.items())),
        "events": {topic: len(run.final.by_topic.get(topic, ())) for topic in PRODUCERS},
        "records": len(run.final.log),
        "copies": len(run.final.events) - len(run.final.first),
        "largest_record": max((len(record.value or b"") for record in run.final.log), default=0),
        "faults": dict(Counter(fault.name for fault in run.faults)),
        "settled_seconds": run.final.settled,
        "accounts": keeping.counts(run.final),
        "duplicates_absorbed": increases(run.samples, "baton_inbox_duplicates_total"),
        "consumers": {topic: list(readers) for topic, readers in CONSUMERS.items()},
    }
