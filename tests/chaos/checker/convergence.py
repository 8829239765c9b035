"""I5, and the last part of I1: every database holds exactly what the log says, field by field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from tests.chaos.checker.evidence import CONSUMERS, PRODUCERS, SERVICES, Declared, Event, Final
from tests.chaos.checker.folds import Model, Published, fold_distribution, fold_handoff, fold_sales
from tests.chaos.checker.judging import Judged, differences, text
from tests.chaos.checker.lifecycles import fold_marketing

FOLDS: Mapping[str, Callable[[Published, Final], Iterable[Model]]] = {
    "marketing": fold_marketing,
    "handoff": fold_handoff,
    "sales": fold_sales,
    "distribution": fold_distribution,
}


@dataclass(slots=True, kw_only=True)
class Comparison:
    """Rows that are missing, and rows that say something else or that nothing published explains."""

    missing: Judged
    differing: Judged


def converged(final: Final, known: Declared) -> Comparison:
    """Compares every table that mirrors what was published with the fold over it. Parked and discarded events are expected nowhere."""
    comparison = Comparison(missing=Judged(name="missing"), differing=Judged(name="differing"))
    for service in SERVICES:
        told = published(final, known, service)
        try:
            for model in FOLDS[service](told, final):
                _compare(model, final, comparison)
        except (KeyError, TypeError, ValueError) as error:
            comparison.differing.expect(
                False, f"what was published for {service} has not the promised form ({type(error).__name__}: {error})"
            )
    return comparison


def published(final: Final, known: Declared, service: str) -> Published:
    """What a service must have applied of others, and have told itself: first occurrences by topic."""
    excused = kept_back(final, service)
    strange = known.foreign - known.moved
    told: dict[str, list[Event]] = {}
    for topic, producer in PRODUCERS.items():
        reads = service in CONSUMERS[topic]
        told[topic] = [
            event
            for event in final.sound.get(topic, ())
            if not (reads and event.id in excused)
            and event.record.place not in known.parked
            and not (producer == service and event.record.place in strange)
        ]
    for event in final.untold(service, known.lost):
        told[event.topic].append(event)
    return told


def kept_back(final: Final, service: str) -> frozenset[str]:
    """Ids of events that are parked or discarded at a service, and so have no effect there."""
    rows = final.rows(f"{service}.parked_event")
    return frozenset(text(row["event_id"]) for row in rows if row["event_id"] and row["state"] != "applied")


def _compare(model: Model, final: Final, comparison: Comparison) -> None:
    rows = {model.key(row): row for row in final.rows(model.table) if model.judges(row)}
    for key, expected in model.expected.items():
        row = rows.get(key)
        if row is None:
            comparison.missing.expect(model.may_lack, f"{model.table} has no row {'/'.join(key)}, which was published")
        else:
            differing = differences(expected, row)
            comparison.differing.expect(not differing, f"{model.table} {'/'.join(key)} differs from what was published in {differing}")
    for key in rows.keys() - model.expected.keys():
        comparison.differing.expect(False, f"{model.table} has a row {'/'.join(key)} that nothing published explains")
