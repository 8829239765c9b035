"""Facts about orders in the database."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import bindparam, select

from services.sales.fulfilments import domain
from services.sales.fulfilments.tables import order_facts
from shared.db import saving
from shared.db.transaction import Transaction

_OF_DEAL = select(order_facts).where(order_facts.c.deal_id == bindparam("deal_id"))


async def save_facts(tx: Transaction, facts: Iterable[domain.OrderFact]) -> None:
    """Keeps what is new of them."""
    await saving.insert_many(tx, order_facts, facts, skip_existing=True)


async def list_facts(tx: Transaction, deal_id: UUID) -> list[domain.OrderFact]:
    """All that was told about the orders of a deal."""
    return saving.many(await tx.all(_OF_DEAL, {"deal_id": deal_id}), domain.OrderFact)
