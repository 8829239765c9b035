"""What is done with utm_medium texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from services.marketing.mediums import domain, store
from shared.db.transaction import Transaction
from shared.events.marketing.leads import Medium


async def classify(tx: Transaction, texts: Iterable[str]) -> Mapping[str, Medium]:
    """The medium of each text as it was sent; `unregistered` for one that the table does not have."""
    stated = {text: domain.normalise(text) for text in texts}
    known = await store.find_mediums(tx, set(stated.values())) if stated else {}
    return {text: known.get(normal, domain.UNREGISTERED) for text, normal in stated.items()}


async def put_medium(tx: Transaction, text: str, medium: Medium) -> domain.UtmMedium:
    """Says what a text counts as from now on; leads that were captured before keep their medium."""
    stated = domain.UtmMedium(utm_medium=domain.normalise(text), medium=medium, recorded_at=tx.now)
    await store.save_medium(tx, stated)
    return stated


async def list_mediums(tx: Transaction) -> Sequence[domain.UtmMedium]:
    """The whole table by text."""
    return await store.list_mediums(tx)
