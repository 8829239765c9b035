"""One import from plan to tally: the source, then entity after entity, each file read as a stream."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from baton import client as api
from baton.importer import entities, files, plans, shapes, values
from baton.importer.entities import Entity
from baton.importer.faults import Rejection, UnfitError
from baton.importer.files import Table
from baton.importer.items import Item
from baton.importer.journal import Journal, OutdatedError
from baton.importer.lookups import Index
from baton.importer.plans import Plan
from baton.importer.rejects import Rejects
from baton.importer.sending import Limits, Sender, Tally
from baton.importer.waiting import WaitingRoom

ROLE = "importer"
STEP = 200

Finders = Mapping[tuple[str, str, str], values.Find]
Tallies = Mapping[str, Tally]


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


async def run(plan: Plan, client: api.Client, *, limits: Limits, rejects_path: Path, journal: Journal, meter: Meter) -> tuple[Tallies, int]:
    """All that the plan tells of is in the services or in the file of rejected rows; returns the tallies and the number of rejections.

    May be stopped at any moment and run again. Raises what the client raises.
    """
    zone = plan.mapping.source.time_zone
    await client.put(
        "marketing", f"/v1/sources/{plan.mapping.source.code}", {"name": plan.mapping.source.name, "time_zone": zone}, patience=15
    )
    while True:
        with tempfile.TemporaryDirectory(prefix="baton-import-") as folder, Rejects(rejects_path) as rejects:
            try:
                tallies = await _run(plan, client, Path(folder), limits=limits, rejects=rejects, journal=journal, meter=meter)
            except OutdatedError:
                # Without its journal the import sends everything, so this happens at most once.
                journal.discard()
                continue
            finally:
                journal.close()
            journal.discard()
            return tallies, rejects.count


async def _run(
    plan: Plan, client: api.Client, folder: Path, *, limits: Limits, rejects: Rejects, journal: Journal, meter: Meter
) -> Tallies:
    finders = _indexed(plan, folder, meter)
    tallies: dict[str, Tally] = {}
    for entity in entities.ENTITIES.values():
        feeds = [feed for feed in plan.feeds if feed.entity == entity.name]
        if not feeds:
            continue
        tally = tallies[entity.name] = Tally()
        updating = any(feed.on_conflict == "update" for feed in feeds)
        sender = Sender(
            client,
            entity,
            # The later row wins only if it is sent after the earlier one is stored.
            limits=Limits(batch=limits.batch, in_flight=1 if updating else limits.in_flight, wait=limits.wait),
            tally=tally,
            rejects=rejects,
            journal=journal,
            waiting=WaitingRoom(folder / f"{entity.name}.waiting"),
        )
        await sender.send(_items(plan, entity, finders, tally=tally, rejects=rejects, meter=meter))
        await sender.drain(meter.waits)
    return tallies


def _items(plan: Plan, entity: Entity, finders: Finders, *, tally: Tally, rejects: Rejects, meter: Meter) -> Iterator[Item]:
    feeding = [
        (kind, table) for kind, table in _tables(plan) if any(feed.file == kind and feed.entity == entity.name for feed in plan.feeds)
    ]
    meter.begin(entity.name, sum(table.size for _, table in feeding))
    before = 0
    for kind, table in feeding:
        context = plans.context(plan.mapping, kind, table, finders)
        makers = [shapes.shape(feed, entity, context) for feed in plan.feeds if feed.file == kind and feed.entity == entity.name]
        for row in files.rows(table):
            tally.rows += 1
            if tally.rows % STEP == 0:
                meter.at(before + row.position, tally.rows)
            yield from _made(row, makers, file=table.path.name, entity=entity, tally=tally, rejects=rejects)
        before += table.size
        meter.at(before, tally.rows)


def _made(row: files.Row, makers: Sequence[shapes.Make], *, file: str, entity: Entity, tally: Tally, rejects: Rejects) -> Iterator[Item]:
    def reject(field: str, fault: UnfitError) -> None:
        rejects.add(Rejection(file=file, line=row.line, entity=entity.name, code=fault.code, field=field, message=fault.message))

    if row.fault is not None:
        tally.rejected += 1
        reject("", row.fault)
        return
    for make in makers:
        made = make(row.cells)
        for field, fault in made.faults:
            reject(field, fault)
        if made.body is not None:
            tally.labels_rejected += len(made.faults)
            yield Item(file, row.line, json.dumps(made.body, ensure_ascii=False, separators=(",", ":")).encode())
        elif made.outcome == "rejected":
            tally.rejected += 1
        elif made.outcome == "no_time":
            tally.no_time += 1
        else:
            tally.not_meant += 1


def _indexed(plan: Plan, folder: Path, meter: Meter) -> Finders:
    finders: dict[tuple[str, str, str], values.Find] = {}
    for file, key in sorted({(wanted.file, wanted.key) for wanted in plan.lookups}):
        columns = sorted({wanted.column for wanted in plan.lookups if (wanted.file, wanted.key) == (file, key)})
        index = Index(folder / f"{len(finders)}.index", len(columns))
        tables = [table for kind, table in _tables(plan) if kind == file]
        meter.begin(f"index of {file}", sum(table.size for table in tables))
        index.fill(_keyed(plan, file, tables, key=key, columns=columns, meter=meter))
        finders |= {(file, key, column): index.finder(at) for at, column in enumerate(columns)}
    return finders


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
