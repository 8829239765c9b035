"""What four databases and all topics come to, and when nothing is under way any more: asked of them, not of the services."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import yaml

from baton.local import state as states
from shared.runtime.topics import PARTITIONS
from tests.faults import topics
from tests.stack import PROJECT, Stack

BOOKKEEPING = frozenset({"alembic_version", "consumer_offset", "idempotency_key", "outbox_cursor", "outbox_position"})
"""Tables whose rows depend on how the work was cut, not on what was done."""

_TABLES = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1"""

_SUMS = {
    "marketing": {
        "lifecycles by stage": "SELECT stage, count(*) FROM lifecycles GROUP BY 1",
        "outcomes": "SELECT outcome, count(*) FROM deal_outcomes GROUP BY 1",
    },
    "handoff": {
        "decisions by outcome": "SELECT outcome || ' ' || grade, count(*) FROM decisions GROUP BY 1",
        "points": "SELECT 'all', sum(fit_score + engagement_score) FROM decisions",
        "journey facts": "SELECT event, count(*) FROM journey_facts GROUP BY 1",
    },
    "sales": {
        "offers by status": "SELECT status, count(*) FROM offers GROUP BY 1",
        "deals by outcome": "SELECT outcome, count(*) FROM deals GROUP BY 1",
        "order facts": "SELECT kind, count(*) FROM order_facts GROUP BY 1",
    },
    "distribution": {
        "deals by outcome": "SELECT outcome, count(*) FROM deals GROUP BY 1",
        "orders by status": "SELECT status, count(*) FROM orders GROUP BY 1",
        "order value": "SELECT currency, sum(order_value) FROM orders GROUP BY 1",
        "quantities": "SELECT sku, sum(quantity) FROM order_lines GROUP BY 1",
    },
}

# What the relay has not seen acknowledged: its cursor moves only behind an acknowledgement.
_UNPUBLISHED = "SELECT count(*) FROM outbox o WHERE NOT EXISTS (SELECT FROM outbox_cursor c WHERE pg_visible_in_snapshot(o.xid, c.base))"
_POSITIONS = "SELECT topic, part, next_offset FROM consumer_offset"


@asynccontextmanager
async def connected(stack: Stack, service: str) -> AsyncIterator[asyncpg.Connection]:
    """The database of a service, as its superuser."""
    connection = await asyncpg.connect(stack.running.postgres_dsn(service), timeout=10)
    try:
        yield connection
    finally:
        await connection.close()


async def number(stack: Stack, service: str, query: str, *arguments: object) -> int:
    """The one number that a query gives."""
    async with connected(stack, service) as connection:
        found: Any = await connection.fetchval(query, *arguments)
        return int(found)


async def unpublished(stack: Stack, service: str) -> int:
    """How many events of a service Kafka has not acknowledged."""
    return await number(stack, service, _UNPUBLISHED)


async def read(stack: Stack) -> dict[str, Any]:
    """Rows of every table, sums over what they say, distinct events of every topic, and how many records only repeat one.

    To be asked when all is settled. AssertionError if the log as a whole breaks the order or the numbering of any subject.
    """
    figures: dict[str, Any] = {"rows": {}, "sums": {}}
    for service in states.SERVICES:
        async with connected(stack, service) as connection:
            figures["rows"][service] = await rows(connection)
            for name, query in _SUMS[service].items():
                figures["sums"][f"{service}: {name}"] = {found[0]: found[1] for found in await connection.fetch(query)}
    told = await topics.read(stack.running.kafka)
    assert list(topics.breaches(told)) == []
    figures["events"] = dict(Counter(topic for topic, _ in {(each.topic, each.id) for each in told}))
    figures["repeated"] = len(told) - sum(figures["events"].values())
    return figures


async def rows(connection: asyncpg.Connection) -> dict[str, Any]:
    """How many rows each table of a service has."""
    names = [row["relname"] for row in await connection.fetch(_TABLES) if row["relname"] not in BOOKKEEPING]
    assert len(names) > 5
    return {name: await connection.fetchval(f'SELECT count(*) FROM "{name}"') for name in names}


def since(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What has come in between, figure by figure; what did not move is left out."""
    moved: dict[str, Any] = {}
    for name, figure in after.items():
        earlier = before.get(name)
        if isinstance(figure, Mapping):
            inner = since(earlier or {}, figure)
            moved |= {name: inner} if inner else {}
        elif figure != (earlier or 0):
            moved[name] = figure - (earlier or 0)
    return moved


async def settle(stack: Stack, *, seconds: float) -> float:
    """Waits until every event is published and applied, and says how long it took. AssertionError, naming what waits, after `seconds`.

    Two looks in a row must find the same end of the log: what was applied by the first would have shown its consequences by the second.
    """
    begun = time.monotonic()
    seen: topics.Ends = {}
    while True:
        waiting, ends = await look(stack)
        if not waiting and ends == seen:
            return time.monotonic() - begun
        assert time.monotonic() - begun < seconds, f"after {seconds} s still waiting: {waiting or 'more events keep coming'}"
        seen = ends
        await asyncio.sleep(0.2)


async def look(stack: Stack) -> tuple[list[str], topics.Ends]:
    """What waits to be published or applied at this moment, and where the log ends."""
    waiting = [f"{count} events of {name} unpublished" for name in states.SERVICES if (count := await unpublished(stack, name))]
    ends = await topics.ends(stack.running.kafka)
    for service in states.SERVICES:
        async with connected(stack, service) as connection:
            positions = {(row["topic"], row["part"]): row["next_offset"] for row in await connection.fetch(_POSITIONS)}
        behind = {
            topic: lag
            for topic in _consumed(service)
            if (lag := sum(ends[topic, part] - positions.get((topic, part), 0) for part in range(PARTITIONS)))
        }
        waiting += [f"{service} is {lag} behind in {topic}" for topic, lag in behind.items()]
    return waiting, ends


def _consumed(service: str) -> list[str]:
    access = yaml.safe_load((PROJECT / "services" / service / "access.yaml").read_text())
    return access["topics"]["consumes"]
