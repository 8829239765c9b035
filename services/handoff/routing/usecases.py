"""Handing qualified leads on."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.handoff.routing import domain, store
from services.handoff.routing.domain import Request, Routing
from shared.db.saving import Change
from shared.db.transaction import Transaction


async def route_leads(tx: Transaction, requests: Sequence[Request]) -> None:
    """Gives each lead its first place, in the transaction of the decision that qualified it."""
    changes: list[Change[Routing]] = []
    for request in requests:
        routing, told = domain.route(request)
        changes.append(Change(routing, [told], request.cause))
    await store.save_routings(tx, changes)


async def find_routing(tx: Transaction, decision_id: UUID) -> Routing | None:
    """The last routing that followed a decision, None if none did."""
    return await store.find_routing(tx, decision_id)
