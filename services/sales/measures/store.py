"""Figures over the tables of sales, as far as they were recorded at a moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, or_, select, tuple_

from services.sales.deals.domain import SEES_EVERY_DEAL
from services.sales.deals.tables import deals
from services.sales.leads.tables import leads
from shared.cause import Actor
from shared.db.transaction import Transaction


async def list_won_deals(
    tx: Transaction,
    *,
    seen_by: Actor,
    lead_source: str | None,
    source: str | None,
    first: date | None,
    last: date | None,
    as_of: datetime,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Standing won deals that the person may see, recorded by `as_of`, in the order of recording.

    `lead_source`: the source of the primary lead; `source`: that of the deal; `first` and `last`: UTC days of closing, both included.
    """
    query = (
        select(deals.c.deal_id, deals.c.lead_id, deals.c.closed_at, deals.c.estimated, deals.c.labels, deals.c.recorded_at)
        .where(deals.c.outcome == "won", deals.c.recorded_at <= as_of)
        .order_by(deals.c.recorded_at, deals.c.deal_id)
        .limit(limit)
    )
    if not seen_by.roles & SEES_EVERY_DEAL:
        query = query.where(or_(deals.c.owner_id.is_(None), deals.c.owner_id == seen_by.user_id))
    if lead_source is not None:
        query = query.join(leads, leads.c.lead_id == deals.c.lead_id).where(leads.c.source_code == lead_source)
    if source is not None:
        query = query.where(deals.c.source == source)
    if first is not None:
        query = query.where(deals.c.closed_at >= _midnight(first))
    if last is not None and last < date.max:
        query = query.where(deals.c.closed_at < _midnight(last + timedelta(days=1)))
    if after is not None:
        query = query.where(tuple_(deals.c.recorded_at, deals.c.deal_id) > tuple_(*after))
    return await tx.all(query)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
