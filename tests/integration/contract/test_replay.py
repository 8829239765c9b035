"""Every stored event goes through the real handlers of every service that listens to it, as it is and as a later version may be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import MetaData, select

from shared.auth.access import AccessTable
from shared.db.tables import kernel_tables
from shared.db.transaction import Database, Transaction
from shared.events import language
from shared.http import app as public
from shared.runtime.service import Service
from tests import kit
from tests.contract import examples
from tests.contract.test_events import objects, opened, stored

_KERNEL = MetaData()
kernel_tables(_KERNEL)

Stored = dict[str, Any]


class Undone(Exception):  # noqa: N818  it takes back what was tried
    """Nothing of this attempt shall stay."""


def story(service: Service) -> Iterator[tuple[type[Any], Stored]]:
    """(event class, stored JSON) of every example that a service listens to, in the order in which it happened."""
    for name in examples.EXAMPLES:
        event_class = language.class_of(name)
        if event_class is not None and event_class in service.handlers:
            for _, value in stored(event_class):
                yield event_class, value


def received(event_class: type[Any], value: Stored) -> language.Received[Any]:
    """The event as its consumer reads it."""
    return kit.received(language.read(event_class, json.dumps(value).encode()))


async def started(tx: Transaction, service: Service) -> None:
    """What a worker does first."""
    if service.on_start is not None:
        await service.on_start(tx)


async def apply(tx: Transaction, service: Service, event: language.Received[Any]) -> None:
    """What the consumer does with a batch of one."""
    for handler in service.handlers[type(event.event)]:
        await handler(tx, [event])


async def contents(tx: Transaction, service: Service) -> dict[str, list[str]]:
    """Every row of the service's own tables, as text."""
    own = [table for table in service.metadata.sorted_tables if table.name not in _KERNEL.tables]
    return {table.name: sorted(str(row) for row in await tx.all(select(table))) for table in own}


async def test_every_stored_event_is_applied_and_a_second_time_changes_nothing(tx: Transaction, service: Service) -> None:
    events = [received(event_class, value) for event_class, value in story(service)]
    assert {type(event.event) for event in events} == set(service.handlers)
    await started(tx, service)
    before = await contents(tx, service)
    for event in events:
        await apply(tx, service, event)
    once, emitted = await contents(tx, service), len(tx.emitted)
    assert once != before
    for event in events:
        await apply(tx, service, event)
    assert await contents(tx, service) == once
    assert len(tx.emitted) == emitted


async def test_an_unknown_word_in_any_enumeration_is_taken(tx: Transaction, service: Service) -> None:
    tried = 0
    await started(tx, service)
    for event_class, value in story(service):
        for path, changed in opened(event_class, value):
            try:
                async with tx.savepoint():
                    await apply(tx, service, received(event_class, changed))
                    await tx.flush()
                    raise Undone(path)
            except Undone:
                tried += 1
        await apply(tx, service, received(event_class, value))
    assert tried >= len(service.handlers)


async def test_what_a_later_version_says_can_be_read_back(database: Database, service: Service, api: kit.Api) -> None:
    async with database.transaction() as tx:
        await started(tx, service)
        for event_class, value in story(service):
            await apply(tx, service, received(event_class, _of_a_later_version(event_class, value)))
    ids = {"lead_id": [str(examples.LEAD), str(examples.OTHER_LEAD)], "journey_id": [str(examples.LEAD)], "deal_id": [str(examples.DEAL)]}
    roles = list(AccessTable.load(service.folder / "access.yaml").roles)
    paths = [path for method, path, _ in public.routes(service.routers) if method == "GET"]
    answered = 0
    for path in sorted(paths, key=lambda path: path.count("{")):
        for asked in _filled(path, ids):
            response = await api.get(asked, role=roles)
            assert response.status_code < 500, (asked, response.text)
            if response.status_code == 200:
                answered += 1
                for item in response.json().get("items") or []:
                    for name, value in item.items():
                        ids.setdefault(name, []).append(str(value))
    assert answered >= len(paths) // 2


def _of_a_later_version(event_class: type[Any], value: Stored) -> Stored:
    """Every enumeration with an unknown word, every object with an unknown field."""
    for path, _ in list(opened(event_class, value)):
        value = next(changed for again, changed in opened(event_class, value) if again == path)
    for part in list(objects(value)):
        part["from_a_later_version"] = {"of": ["any", 1]}
    return value


def _filled(path: str, ids: dict[str, list[str]]) -> list[str]:
    name = path.partition("{")[2].partition("}")[0]
    return [path.replace(f"{{{name}}}", value) for value in dict.fromkeys(ids.get(name, []))] if name else [path]
