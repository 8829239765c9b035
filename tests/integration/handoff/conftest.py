"""Handoff on a database of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from services.handoff.app import SERVICE
from services.handoff.rulesets import usecases as rulesets
from shared.db.transaction import Database, Transaction
from shared.events.language import Received
from shared.runtime.service import Service


@pytest.fixture(scope="session")
def service() -> Service:
    return SERVICE


@pytest.fixture
async def ready(tx: Transaction) -> Transaction:
    """The transaction of the test, with the default criteria in force."""
    await rulesets.publish_default(tx)
    return tx


@pytest.fixture
async def in_force(database: Database) -> Database:
    """The database with criteria in force for whoever comes over HTTP."""
    async with database.transaction() as tx:
        await rulesets.publish_default(tx)
    return database


async def hand_over(tx: Transaction, received: Sequence[Received[Any]]) -> None:
    """Gives a batch to the service's handlers as a consumer does: by event class, in the order of the handler map."""
    for event_class, handlers in SERVICE.handlers.items():
        batch = [one for one in received if isinstance(one.event, event_class)]
        for handler in handlers if batch else ():
            await handler(tx, batch)
