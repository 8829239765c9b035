"""T2, its second part: whatever order the events of two topics meet in, the service that reads both ends in the same state."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import MetaData, Table, select

from shared.db import migrating
from shared.db.tables import kernel_tables
from shared.db.transaction import Database, Transaction
from shared.events import language
from shared.inbox.handlers import Handlers
from shared.runtime.service import Service
from tests import kit
from tests.contract.examples import EXAMPLES
from tests.promises.ground import Ground
from tests.promises.verdicts import Findings

SERVICES = ("handoff", "marketing", "sales")
"""Those that read more than one topic."""

STORY = datetime(2026, 3, 2, 8, tzinfo=UTC)
VOLATILE = ("recorded_at", "version")
"""Columns that say when and how often something was stored, and not what."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event of the story with its place in it."""

    place: int
    received: language.Received[Any]


async def try_interleavings(ground: Ground, findings: Findings) -> None:
    """Every pair of topics that a service reads, each way of mixing two events of either: one final state."""
    story = _story()
    pairs = 0
    for name in SERVICES if ground.phase is None else (ground.phase,):
        service: Service = importlib.import_module(f"services.{name}.app").SERVICE
        database = await _database(ground, service)
        for one, other in itertools.combinations(service.handlers, 2):
            states: dict[str, list[str]] = {}
            for mixed in _interleavings(story[one], story[other]):
                state = await _final_state(database, service, mixed)
                states.setdefault(state, []).append(" ".join(str(told.place) for told in mixed))
                findings.checked += 1
            names = f"{language.type_of(one).name} and {language.type_of(other).name}"
            findings.claim(len(states) == 1, f"{name}: {len(states)} final states of {names}, by the order in which they meet")
            pairs += 1
    findings.count(pairs=pairs, interleavings=findings.checked)


def _story() -> dict[type[Any], list[Told]]:
    """Two events of each topic, of which the second is told of the same things two days later; numbered as the story goes."""
    language.load()
    told: dict[type[Any], list[Told]] = {}
    place = itertools.count(1)
    for round_ in range(2):
        for examples in EXAMPLES.values():
            example = list(examples.values())[-1 if round_ else 0]
            number = next(place)
            at = STORY + timedelta(days=2 * round_, hours=number)
            event = _later(example, timedelta(days=2 * round_))
            received = replace(kit.received(event, sequence=number, at=at), id=_id_of(number))
            told.setdefault(type(example), []).append(Told(number, received))
    return told


def _later(value: Any, by: timedelta) -> Any:
    """The same with every time moved, so that the second telling differs from the first."""
    if isinstance(value, datetime):
        return value + by
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: _later(getattr(value, field.name), by) for field in fields(value)})
    return tuple(_later(each, by) for each in value) if isinstance(value, tuple) else value


def _id_of(number: int) -> UUID:
    return UUID(int=(int(STORY.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62) | number)


def _interleavings(one: Sequence[Told], other: Sequence[Told]) -> Iterator[list[Told]]:
    """All ways to mix two topics, each in its own order."""
    for places in itertools.combinations(range(len(one) + len(other)), len(one)):
        first, second = iter(one), iter(other)
        yield [next(first) if place in places else next(second) for place in range(len(one) + len(other))]


async def _database(ground: Ground, service: Service) -> Database:
    name = f"p_{ground.name}_{service.name}"
    await kit.create_database(ground.servers, name, service.name)
    url = ground.servers.database_url(name, service.name)
    await migrating.migrate(service.folder, url)
    return ground.opened(url, service=service.name)


async def _final_state(database: Database, service: Service, mixed: Sequence[Told]) -> str:
    """What the service's own tables hold after these events, one after the other, with what depends on the moment left out."""
    async with kit.rolled_back(database) as tx:
        for told in mixed:
            await _apply(tx, service.handlers, told)
        known = {str(each) for told in mixed for each in _ids_in(told.received)}
        found = []
        for table in _own_tables(service.metadata):
            rows = [_row(dict(row._mapping), known) for row in await tx.all(select(table))]
            found.append(f"{table.name}: {sorted(rows)}")
        return "\n".join(found)


async def _apply(tx: Transaction, handlers: Handlers, told: Told) -> None:
    tx._buffer.clear()  # each event has a transaction of its own, as far as its handlers see
    for handler in handlers[type(told.received.event)]:
        await handler(tx, [told.received])


def _own_tables(metadata: MetaData) -> list[Table]:
    kernel = MetaData()
    kernel_tables(kernel)
    return [table for table in metadata.sorted_tables if table.name not in kernel.tables]


def _row(row: Mapping[str, Any], known: set[str]) -> str:
    shown = {name: _stable(value, known) for name, value in row.items() if not name.endswith(VOLATILE)}
    return repr(sorted(shown.items()))


def _stable(value: Any, known: set[str]) -> Any:
    if isinstance(value, UUID):
        return str(value) if str(value) in known else "minted"
    return value


def _ids_in(value: Any) -> Iterator[UUID]:
    if isinstance(value, UUID):
        yield value
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _ids_in(getattr(value, field.name))
    elif isinstance(value, tuple):
        for each in value:
            yield from _ids_in(each)
