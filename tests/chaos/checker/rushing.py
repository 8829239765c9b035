"""Many at once upon the same things: one slow transaction, and quick ones that begin before it ends, overtake it or wait for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from tests.chaos.checker.calling import Caller
from tests.chaos.checker.fulfilling import Fulfilling
from tests.chaos.checker.history import Item
from tests.chaos.checker.known import Known
from tests.chaos.checker.plans import Body, Plans
from tests.chaos.checker.shapes import create, on_opportunity, write_many

STEP_SECONDS = 0.003
BESIDE = 28
MOST_ORDERS = 14
MOST_LINES = 12
MOST_TELLINGS = 30
ALL_EVERY = 6
MOST_UNDER_WAY = 8


@dataclass(slots=True, kw_only=True)
class Rushing:
    """Deeds that overlap on purpose: a reader of the log or of the outbox that trusts in order of ids or of beginnings errs here."""

    known: Known
    plans: Plans
    orders: Fulfilling

    async def rush_leads(self, caller: Caller) -> None:
        """Large leads in one transaction and many single ones at the same moment: ids are taken in one order, and committed in another."""
        lead_ids = [caller.new_id() for _ in range(caller.chance.randrange(12, 22))]
        made = lambda each: self.plans.lead(caller.chance, each, fat=True)  # noqa: E731
        async with asyncio.TaskGroup() as group:
            for place in range(BESIDE):
                group.create_task(self._capture(caller))
                if place == BESIDE // 4:
                    group.create_task(write_many(caller, "rush-many", lead_ids, service="marketing", path="/v1/leads/batch", made=made))
        self.known.learned(*lead_ids)

    async def rush_orders(self, caller: Caller) -> None:
        """Sources tell of one order each without a pause, and some of all at once: these wait for some, and are overtaken at others."""
        chosen = [order for order in self.known.orders if 0 < len(order.lines) <= MOST_LINES][-MOST_ORDERS:]
        if len(chosen) < 4:
            return
        under_way: set[asyncio.Task[None]] = set()
        for number in range(MOST_TELLINGS):
            orders = chosen if number % ALL_EVERY == ALL_EVERY - 1 else [caller.chance.choice(chosen)]
            kind = caller.chance.choice(("shipment", "delivery"))
            under_way.add(asyncio.create_task(self.orders.tell(caller, kind, orders, quantity="0.25")))
            if len(under_way) >= MOST_UNDER_WAY:
                done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                await asyncio.gather(*done)
            await asyncio.sleep(STEP_SECONDS)
        await asyncio.gather(*under_way)

    async def rush_opportunities(self, caller: Caller) -> None:
        """Many opportunities are closed in one transaction, while persons move them without a pause."""
        found = list(self.known.opportunities.items())[-MOST_ORDERS:]
        if len(found) < 4:
            return
        leads = {opportunity_id: lead_id for opportunity_id, (lead_id, _) in found}

        def made(deal_id: str) -> tuple[Body, Item]:
            body, item = self.plans.deal(caller.chance, deal_id, [leads[deal_id]], "won", fat=deal_id == min(leads))
            return body, replace(item, tells=(*item.tells, ("opportunity-stage-changed", deal_id)))

        closed = asyncio.create_task(write_many(caller, "rush-close", sorted(leads), service="sales", path="/v1/deals/batch", made=made))
        async with asyncio.TaskGroup() as group:
            for opportunity_id, (_, version) in caller.chance.sample(found, len(found)):
                if closed.done():
                    break
                group.create_task(self._stage(caller, opportunity_id, version))
                await asyncio.sleep(STEP_SECONDS)
        for opportunity_id, result in zip(sorted(leads), await closed, strict=False):
            if result == "created":
                self.known.closed(opportunity_id, "won")

    async def _stage(self, caller: Caller, opportunity_id: str, version: int) -> None:
        item = Item(tells=(("opportunity-stage-changed", opportunity_id),))
        await caller.write(on_opportunity("stage", opportunity_id, self.plans.stage(caller.chance), item=item, version=version))

    async def _capture(self, caller: Caller) -> None:
        lead_id = caller.new_id()
        body, item = self.plans.lead(caller.chance, lead_id)
        await caller.write(create("rush", "marketing", "/v1/leads", body=body, key=lead_id, item=item))
