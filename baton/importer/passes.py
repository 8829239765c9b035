"""Passes over the files: indexes for lookups, then for each entity its items, each file read as a stream."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from baton.importer import files, plans, shapes, standing, values
from baton.importer.doctor import Doctor
from baton.importer.entities import Entity
from baton.importer.faults import Rejection
from baton.importer.files import Table
from baton.importer.items import LARGEST_BATCH_BYTES, Item
from baton.importer.lookups import Index, Names
from baton.importer.mapping import Feed
from baton.importer.plans import Plan
from baton.importer.rejects import Rejects
from baton.importer.sending import Tally
from baton.importer.shapes import Made
from baton.importer.waiting import WaitingRoom

STEP = 200
REPEATED = Made(outcome="repeated")
TOO_LARGE = f"is longer than the {LARGEST_BATCH_BYTES:,} bytes that can be sent at once"

Finders = Mapping[tuple[str, str, str], values.Find]
Told = tuple[Table, files.Row, Made]


class Meter(Protocol):
    """Where the progress of an import is shown."""

    def begin(self, name: str, size: int) -> None:
        """A part begins: so many bytes will be read."""
        ...

    def at(self, position: int, rows: int) -> None:
        """So many bytes and rows of the part are read."""
        ...

    def waits(self, count: int) -> None:
        """So many items wait for a service to learn of what they refer to."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What all passes of one import share. `folder` is for what they keep on disk; `diagnosed` are the files whose rows the doctor saw."""

    plan: Plan
    folder: Path
    finders: Finders
    rejects: Rejects
    meter: Meter
    doctor: Doctor
    diagnosed: set[Path] = field(default_factory=set)

    def feeds(self, entity: Entity) -> list[Feed]:
        """The feeds of an entity."""
        return [feed for feed in self.plan.feeds if feed.entity == entity.name]


def indexed(plan: Plan, folder: Path, meter: Meter) -> Finders:
    """What lookups find, by file, key and column: every file that is looked up in is read once for each of its keys."""
    finders: dict[tuple[str, str, str], values.Find] = {}
    for file, key in sorted({(wanted.file, wanted.key) for wanted in plan.lookups}):
        columns = sorted({wanted.column for wanted in plan.lookups if (wanted.file, wanted.key) == (file, key)})
        index = Index(folder / f"{len(finders)}.index", len(columns))
        tables = [table for kind, table in _tables(plan) if kind == file]
        meter.begin(f"index of {file}", sum(table.size for table in tables))
        index.fill(_keyed(plan, file, tables, key=key, columns=columns, meter=meter))
        finders |= {(file, key, column): index.finder(at) for at, column in enumerate(columns)}
    return finders


def items(reading: Reading, entity: Entity, tally: Tally) -> Iterator[Item]:
    """What the files tell of an entity, ready to be sent; what cannot be sent is counted and, where it is at fault, rejected."""
    feeds = reading.feeds(entity)
    diagnosing = {table.path for kind, table in _tables(reading.plan) if any(feed.file == kind for feed in feeds)} - reading.diagnosed
    reading.diagnosed.update(diagnosing)
    for table, row, made in _told(reading, entity, feeds, tally=tally, name=entity.name, diagnosing=diagnosing):
        name = table.path.name
        for place, fault in made.faults:
            told = Rejection(file=name, line=row.line, entity=entity.name, code=fault.code, field=place, message=fault.message)
            reading.rejects.add(told)
        if made.body is not None:
            tally.labels_rejected += len(made.faults)
            item = _item(name, row, made.body)
            if len(item.body) > LARGEST_BATCH_BYTES:
                reading.rejects.add(Rejection(file=name, line=row.line, entity=entity.name, code="TOO_LARGE", field="", message=TOO_LARGE))
                tally.rejected += 1
                continue
            reading.doctor.see_thing(entity.name, made.body, name, row.line)
            yield item
        else:
            if made.outcome == "repeated":
                reading.doctor.see_repeat(entity.name, name, row.line)
            setattr(tally, made.outcome, getattr(tally, made.outcome) + 1)


def standing_leads(reading: Reading, entity: Entity, tally: Tally, deals: WaitingRoom) -> Iterator[Item]:
    """The leads of the standing deals that the rows need, once each; the deals themselves are put into that room."""
    feeds = [feed for feed in reading.feeds(entity) if feed.standing]
    known = Names(reading.folder / "standing.names")
    for table, row, made in _told(reading, entity, feeds, tally=tally, name="standing", diagnosing=frozenset()):
        if made.standing is None or made.body is None or not known.add(made.standing.external_id):
            continue
        name = table.path.name
        lead, deal = standing.lead(made.standing), standing.deal(made.standing)
        reading.doctor.see_thing("lead", lead, name, row.line)
        reading.doctor.see_thing("deal", deal, name, row.line)
        deals.add([_item(name, row, deal)])
        yield _item(name, row, lead)


def _told(
    reading: Reading, entity: Entity, feeds: Sequence[Feed], *, tally: Tally, name: str, diagnosing: set[Path] | frozenset[Path]
) -> Iterator[Told]:
    """Every row of the files of those feeds with what each feed makes of it."""
    feeding = [(kind, table) for kind, table in _tables(reading.plan) if any(feed.file == kind for feed in feeds)]
    reading.meter.begin(name, sum(table.size for _, table in feeding))
    once = Names(reading.folder / f"{name}.repeats") if any(feed.repeats == "first" for feed in feeds) else None
    before = 0
    for kind, table in feeding:
        context = plans.context(reading.plan.mapping, kind, table, reading.finders)
        makers = [(shapes.shape(feed, entity, context), once if feed.repeats == "first" else None) for feed in feeds if feed.file == kind]
        for row in files.rows(table):
            tally.rows += 1
            if tally.rows % STEP == 0:
                reading.meter.at(before + row.position, tally.rows)
            if table.path in diagnosing:
                reading.doctor.see_row(kind, table.path.name, row)
            if row.fault is not None:
                yield table, row, Made(outcome="rejected", faults=[("", row.fault)])
                continue
            for make, names in makers:
                made = make(row.cells)
                repeated = names is not None and made.body is not None and not names.add(made.body["external_id"])
                yield table, row, REPEATED if repeated else made
        before += table.size
        reading.meter.at(before, tally.rows)
    if once is not None:
        once.close()


def _item(file: str, row: files.Row, body: shapes.Body) -> Item:
    return Item(file, row.line, json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())


def _keyed(
    plan: Plan, file: str, tables: Sequence[Table], *, key: str, columns: Sequence[str], meter: Meter
) -> Iterator[tuple[str | None, ...]]:
    missing = frozenset(("", *plan.mapping.defaults.missing, *plan.mapping.files[file].missing))
    before = count = 0
    for table in tables:
        places = [table.columns.index(name) for name in (key, *columns)]
        for row in files.rows(table):
            count += 1
            if count % STEP == 0:
                meter.at(before + row.position, count)
            if row.fault is None and row.cells[places[0]].strip() not in missing:
                yield tuple(None if (cell := row.cells[at].strip()) in missing else cell for at in places)
        before += table.size
        meter.at(before, count)


def _tables(plan: Plan) -> Iterator[tuple[str, Table]]:
    for kind in plan.mapping.files:
        yield from ((kind, table) for table in plan.tables.get(kind, ()))
