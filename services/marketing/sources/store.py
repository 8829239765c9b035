"""How sources are read and saved."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ARRAY, Text, any_, bindparam, select, update

from services.marketing.sources.domain import Source
from services.marketing.sources.tables import sources
from shared.cause import Cause
from shared.db import saving
from shared.db.transaction import Transaction

_SOURCE = select(sources).where(sources.c.code == bindparam("code"))
_LOCK_SOURCE = _SOURCE.with_for_update()
_SOURCES = select(sources).order_by(sources.c.code)
_CODES = any_(bindparam("codes", type_=ARRAY(Text)))
_KNOWN_CODES = select(sources.c.code).where(sources.c.code == _CODES)
_USE_SOURCES = (
    update(sources).where(sources.c.code == _CODES, sources.c.in_use.is_(False)).values(in_use=True, version=sources.c.version + 1)
)


async def get_source(tx: Transaction, code: str) -> Source:
    """The source of that code. NotFound if there is none."""
    return saving.one(await tx.first(_SOURCE, {"code": code}), Source, source=code)


async def lock_source(tx: Transaction, code: str) -> Source | None:
    """The source of that code, locked; None if there is none."""
    row = await tx.first(_LOCK_SOURCE, {"code": code})
    return None if row is None else saving.one(row, Source)


async def list_sources(tx: Transaction) -> list[Source]:
    """All sources by code; they are few."""
    return saving.many(await tx.all(_SOURCES), Source)


async def list_known_codes(tx: Transaction, codes: Iterable[str]) -> frozenset[str]:
    """Which of the codes are registered."""
    return frozenset(row.code for row in await tx.all(_KNOWN_CODES, {"codes": list(codes)}))


async def save_use(tx: Transaction, codes: Iterable[str]) -> None:
    """Marks the sources that have not sent a lead before."""
    await tx.execute(_USE_SOURCES, {"codes": sorted(codes)})


async def save_source(tx: Transaction, source: Source, *, cause: Cause) -> Source:
    """Stores a source."""
    return await saving.save(tx, sources, source, cause=cause)
