"""Every stored event goes through the real handlers of every service that listens to it, as it is and as a later version may be."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from sqlalchemy import func, select

from shared.db.tables import kernel_tables
from shared.db.transaction import Transaction
from shared.events import language
from shared.runtime.service import Service
from sqlalchemy import MetaData
from tests import kit
from tests.contract import documents
from tests.contract.examples import EXAMPLES
from tests.contract.test_events import objects, opened, stored

_KERNEL = MetaData()
kernel_tables(_KERNEL)


def examples(service: Service) -> Iterator[tuple[type[Any], Any, dict[str, Any]]]:
    """(event class, event, stored JSON) of everything that a service listens to, in the order of the story."""
    for name in EXAMPLES:
        event_class = language.class_of(name)
        if event_class in service.handlers:
            assert event_class is not None
            for event, value in stored(event_class):
                yield event_class, event, value


async def apply(tx: Transaction, service: Service, event_class: type[Any], received: Sequence[Any]) -> None:
    """What the consumer does with a batch."""
    for handler in service.handlers[event_class]:
        await handler(tx, received)


async def contents(tx: Transaction, service: Service) -> dict[str, list[str]]:
    """Every row of the service's own tables, as text."""
    return {
        table.name: sorted(str(row) for row in await tx.all(select(table)))
        for table in service.metadata.sorted_tables
        if table.name not in _KERNEL.tables
    }


async def test_every_stored_event_is_applied_and_a_second_time_changes_nothing(tx: Transaction, service: Service) -> None:
    replayed = list(examples(service))
    assert {event_class for event_class, _, _ in replayed} == set(service.handlers)
    before = await contents(tx, service)
    for event_class, event, value in replayed:
        await apply(tx, service, event_class, [kit.received(language.read(event_class, json.dumps(value).encode()))])
        assert event is not None
    once, emitted = await contents(tx, service), len(tx.emitted)
    assert once != before
    for event_class, event, _ in replayed:
        await apply(tx, service, event_class, [kit.received(event)])
    assert await contents(tx, service) == once
    assert len(tx.emitted) == emitted
