"""Figures of sales over HTTP."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query

from services.sales.measures import store
from shared.http import edge
from shared.http.bodies import STORABLE, Answer, AsOf
from shared.http.edge import Call, requires
from shared.http.pages import PageRequest, page_request

router = edge.router(tags=["metrics"])

MOST_ROWS = 1000
Source = Annotated[str | None, Query(max_length=64, pattern=STORABLE)]


class WonDealOut(Answer):
    """A standing won deal. `estimated`: the time of closing stands in for an unknown one and belongs in no duration."""

    deal_id: UUID
    lead_id: UUID
    closed_at: datetime
    estimated: bool
    labels: dict[str, str]


class WonDeals(Answer):
    """Won deals one by one, to be joined by id with the leads of another service's answer."""

    as_of: datetime
    metrics: dict[str, str]
    items: list[WonDealOut]
    next: str | None


@router.get("/metrics/won-deals")
async def list_won_deals(
    *,
    call: Annotated[Call, requires("deals:read")],
    page: Annotated[PageRequest, page_request(max_size=MOST_ROWS)],
    lead_source: Source = None,
    source: Source = None,
    first: Annotated[date | None, Query(alias="from")] = None,
    last: Annotated[date | None, Query(alias="to")] = None,
    as_of: AsOf | None = None,
) -> WonDeals:
    """Won deals that stood by `as_of`: by source of lead or deal, and by UTC day of closing (both days included)."""
    moment = as_of or call.tx.now
    rows = await store.list_won_deals(
        call.tx,
        seen_by=call.cause.actor,
        lead_source=lead_source,
        source=source,
        first=first,
        last=last,
        as_of=moment,
        after=page.after,
        limit=page.limit + 1,
    )
    found = page.answer(rows, key=lambda row: (row.recorded_at, row.deal_id), out=WonDealOut.model_validate)
    return WonDeals(as_of=moment, metrics={"won_deals": "sales.won_deals.1"}, items=found.items, next=found.next)
