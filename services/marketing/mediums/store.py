"""How utm_medium texts are read and saved."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ARRAY, Text, any_, bindparam, select
from sqlalchemy.dialects.postgresql import insert

from services.marketing.mediums.domain import UtmMedium
from services.marketing.mediums.tables import utm_mediums
from shared.db import saving
from shared.db.transaction import Transaction
from shared.events.marketing.leads import Medium

_FIND = select(utm_mediums.c.utm_medium, utm_mediums.c.medium).where(
    utm_mediums.c.utm_medium == any_(bindparam("texts", type_=ARRAY(Text)))
)
_ALL = select(utm_mediums).order_by(utm_mediums.c.utm_medium)
_STATED = insert(utm_mediums)
_PUT = _STATED.on_conflict_do_update(index_elements=["utm_medium"], set_={"medium": _STATED.excluded.medium})


async def find_mediums(tx: Transaction, texts: Iterable[str]) -> dict[str, Medium]:
    """The medium of each text that is in the table."""
    return {row.utm_medium: row.medium for row in await tx.all(_FIND, {"texts": list(texts)})}


async def list_mediums(tx: Transaction) -> list[UtmMedium]:
    """The whole table by text; it is short."""
    return saving.many(await tx.all(_ALL), UtmMedium)


async def save_medium(tx: Transaction, stated: UtmMedium) -> None:
    """Stores a text or gives it another medium."""
    await tx.execute(
        _PUT,
        {"utm_medium": stated.utm_medium, "medium": stated.medium, "recorded_at": stated.recorded_at},
    )
