"""Which leads of a source each service knows."""

from __future__ import annotations

from uuid import UUID

from tests.faults import figures
from tests.stack import Stack

_DECIDED = "SELECT lead_id FROM decisions WHERE lead_id IN (SELECT lead_id FROM leads WHERE source_code = $1)"
_OFFERED = "SELECT lead_id FROM offers WHERE lead_id IN (SELECT lead_id FROM leads WHERE source_code = $1)"


async def captured(stack: Stack, source: str) -> set[UUID]:
    """The leads that marketing has."""
    return await _ids(stack, "marketing", "SELECT lead_id FROM leads WHERE source = $1", source)


async def learned(stack: Stack, source: str) -> set[UUID]:
    """The leads that handoff has decided on and sales knows and was offered: the same ones."""
    decided = await _ids(stack, "handoff", _DECIDED, source)
    offered = await _ids(stack, "sales", _OFFERED, source)
    assert decided == offered == await _ids(stack, "sales", "SELECT lead_id FROM leads WHERE source_code = $1", source)
    return decided


async def _ids(stack: Stack, service: str, query: str, source: str) -> set[UUID]:
    """The ids that a query finds, none of them twice."""
    async with figures.connected(stack, service) as connection:
        found = [row[0] for row in await connection.fetch(query, source)]
    assert len(found) == len(set(found))
    return set(found)
