"""What is done with sources."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from services.marketing.sources import domain, store
from shared.cause import Cause
from shared.db.transaction import Transaction


async def put_source(tx: Transaction, code: str, *, name: str, time_zone: str, cause: Cause) -> domain.Source:
    """Registers a source or restates it; said twice, it changes nothing. `time_zone`: IANA name. SourceInUse if its days would move."""
    known = await store.lock_source(tx, code)
    if known is None:
        source = domain.Source(code=code, name=name, time_zone=time_zone, recorded_at=tx.now)
    else:
        source = domain.amend(known, name=name, time_zone=time_zone)
    return source if source == known else await store.save_source(tx, source, cause=cause)


async def get_source(tx: Transaction, code: str) -> domain.Source:
    """One source. NotFound if it is not registered."""
    return await store.get_source(tx, code)


async def list_sources(tx: Transaction) -> Sequence[domain.Source]:
    """All sources by code."""
    return await store.list_sources(tx)


async def known_sources(tx: Transaction, codes: Iterable[str]) -> frozenset[str]:
    """Which of the codes are registered."""
    return await store.list_known_codes(tx, codes)


async def use_sources(tx: Transaction, codes: Iterable[str]) -> None:
    """Notes that these sources have sent a lead, which fixes their zones."""
    await store.save_use(tx, codes)
