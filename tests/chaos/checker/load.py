"""The load: logical clients that do business with Baton at random, from one seed, on things that they share."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

import asyncpg
import httpx2

from tests.chaos.checker.calling import TIMEOUT_SECONDS, Caller, Shared, Write
from tests.chaos.checker.fulfilling import Fulfilling
from tests.chaos.checker.history import Item
from tests.chaos.checker.known import Known
from tests.chaos.checker.plans import Body, Plans
from tests.chaos.checker.rulings import Drafts
from tests.chaos.checker.rushing import Rushing
from tests.chaos.checker.shapes import create, on_opportunity, write_many

CROWDED = (
    ("marketing", "/v1/leads", "leads"),
    ("handoff", "/v1/rule-sets", "rule_sets"),
    ("sales", "/v1/offers", "offers"),
    ("distribution", "/v1/orders", "orders"),
)
"""A page of each service, and the table that it shows."""

POOLED = 10
"""So many connections an API process has at most for its requests."""

CROWD_LOOKS = 40
"""For some two seconds; a request waits for a connection somewhat longer than that."""

FAT = 0.012
"""How often a write is as large as the API allows."""


class Load:
    """Clients at work. `rate`: writes begun per second, by all of them together."""

    def __init__(self, shared: Shared, *, seed: int, clients: int, rate: float, source: str, marker: str) -> None:
        self.shared = shared
        self.seed = seed
        self.clients = clients
        self.pause = clients / rate
        self.known = Known()
        self.plans = Plans(source=source, marker=marker)
        self.orders = Fulfilling(known=self.known, plans=self.plans)
        self.rushing = Rushing(known=self.known, plans=self.plans, orders=self.orders)
        self.drafts = Drafts(plans=self.plans)
        self._stack = AsyncExitStack()
        self._callers: list[Caller] = []

    async def prepare(self) -> None:
        """Clients, the source they write under, and the rules that decide on their leads."""
        for number in range(self.clients):
            http = await self._stack.enter_async_context(httpx2.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False))
            chance = random.Random(f"{self.seed}/{number}")
            self._callers.append(Caller(shared=self.shared, number=number, chance=chance, http=http))
        first, second = self._callers[0], self._callers[1]
        source = self.plans.source
        body = {"name": "Checker", "time_zone": "UTC"}
        put = Write(
            f="register", service="marketing", route="PUT /v1/sources", path=f"/v1/sources/{source}", body=body, key=source, method="PUT"
        )
        if await first.write(put) is None:
            raise RuntimeError("the source cannot be registered")
        await self.drafts.prepare(first, second)

    async def fill(self) -> None:
        """All callers ask every service at once for what nobody may read yet, so that pools are as full as they will ever be."""
        for service, path, table in CROWDED:
            connection = await asyncpg.connect(self.shared.targets.databases[service], timeout=10)
            try:
                async with connection.transaction():
                    await connection.execute(f"LOCK TABLE {table}")
                    looks = [caller.look(service, f"{path}?page_size=50", crowding=True) for caller in self._callers for _ in range(2)]
                    crowd = asyncio.gather(*looks)
                    await _waiting_for(connection, table)
            finally:
                await connection.close()
            await crowd

    async def run(self) -> None:
        """Goes on until `shared.stopping` is set, and until every answer has come or is given up."""
        try:
            async with asyncio.TaskGroup() as group:
                for caller in self._callers:
                    group.create_task(self._work(caller))
        finally:
            await self._stack.aclose()

    async def _work(self, caller: Caller) -> None:
        await asyncio.sleep(caller.chance.random() * self.pause)
        while not self.shared.stopping:
            if self.shared.resting:
                await asyncio.sleep(0.1)
                continue
            begun = time.monotonic()
            deeds, weights = zip(*self._deeds(), strict=True)
            await caller.chance.choices(deeds, weights)[0](caller)
            await asyncio.sleep(max(0.0, begun + self.pause * caller.chance.uniform(0.5, 1.5) - time.monotonic()))

    def _deeds(self) -> Sequence[tuple[Callable[[Caller], Awaitable[None]], int]]:
        return (
            (self.capture, 22),
            (self.capture_many, 3),
            (self.answer, 16),
            (self.open_opportunity, 8),
            (self.open_many, 1),
            (self.change_stage, 9),
            (self.close_opportunity, 6),
            (self.close_deal, 5),
            (self.close_many, 2),
            (self.orders.find_order, 9),
            (self.orders.command_order, 14),
            (self.orders.tell_many, 5),
            (self.orders.call_off, 4),
            (self.orders.call_off_many, 1),
            (self.orders.add_lines, 3),
            (self.drafts.revise, 5),
            (self.rushing.rush_leads, 3),
            (self.rushing.rush_orders, 2),
            (self.rushing.rush_opportunities, 1),
        )

    async def capture(self, caller: Caller) -> None:
        """One lead."""
        lead_id = caller.new_id()
        body, item = self.plans.lead(caller.chance, lead_id, fat=caller.chance.random() < FAT)
        read = f"/v1/leads/{lead_id}"
        write = create("capture", "marketing", "/v1/leads", body=body, key=lead_id, item=item, read=read)
        if await caller.write(write) is not None:
            self.known.learned(lead_id)

    async def capture_many(self, caller: Caller) -> None:
        """Many leads in one slow transaction."""
        fat = caller.chance.random() < 0.15
        most = 12 if fat else caller.chance.choices((60, 300), (85, 15))[0]
        lead_ids = [caller.new_id() for _ in range(caller.chance.randrange(most // 3, most))]
        await write_many(
            caller,
            "capture-many",
            lead_ids,
            service="marketing",
            path="/v1/leads/batch",
            made=lambda each: self.plans.lead(caller.chance, each, fat=fat),
        )
        self.known.learned(*lead_ids)

    async def answer(self, caller: Caller) -> None:
        """An offer is taken or refused; two callers may try the same."""
        if not self.known.offers:
            page = await caller.look("sales", "/v1/offers?status=open&page_size=60")
            found = [(offer["lead_id"], offer["version"]) for offer in page["items"]] if page else []
            self.known.offers.extend(caller.chance.sample(found, len(found)))
        if not self.known.offers:
            return
        lead_id, version = self.known.offers.popleft()
        if caller.chance.random() < 0.1:
            self.known.offers.append((lead_id, version))
        verb = caller.chance.choices(("accept", "reject"), (80, 20))[0]
        topic = "lead-accepted" if verb == "accept" else "lead-rejected"
        item = Item(claims=(("sales.answers", "lead_id", lead_id),), tells=((topic, lead_id),), has={"answer": f"{verb}ed"})
        await caller.write(
            Write(
                f=verb,
                service="sales",
                route=f"POST /v1/leads/.../{verb}",
                path=f"/v1/leads/{lead_id}/{verb}",
                body={} if verb == "accept" else self.plans.rejection(caller.chance),
                key=f"offer/{lead_id}",
                items=[item],
                etag=version,
                versioned=True,
                read=f"/v1/leads/{lead_id}/offer",
            )
        )

    async def open_opportunity(self, caller: Caller) -> None:
        """One chance to sell."""
        lead_id = self.known.lead(caller.chance)
        if lead_id is None:
            return
        opportunity_id = caller.new_id()
        body, item = self.plans.opportunity(caller.chance, opportunity_id, lead_id)
        read = f"/v1/opportunities/{opportunity_id}"
        answer = await caller.write(create("open", "sales", "/v1/opportunities", body=body, key=opportunity_id, item=item, read=read))
        if answer is not None:
            self.known.opportunities[opportunity_id] = (lead_id, answer["version"])

    async def open_many(self, caller: Caller) -> None:
        """Many chances in one transaction."""
        chosen = {caller.new_id(): lead_id for _ in range(caller.chance.randrange(3, 25)) if (lead_id := self.known.lead(caller.chance))}
        if chosen:
            made = lambda each: self.plans.opportunity(caller.chance, each, chosen[each])  # noqa: E731
            results = await write_many(caller, "open-many", list(chosen), service="sales", path="/v1/opportunities/batch", made=made)
            for (opportunity_id, lead_id), result in zip(chosen.items(), results, strict=False):
                if result == "created":
                    self.known.opportunities[opportunity_id] = (lead_id, 1)

    async def change_stage(self, caller: Caller) -> None:
        """A step of an opportunity on which others may be at work."""
        found = self._opportunity(caller)
        if found is None:
            return
        opportunity_id, (lead_id, version) = found
        item = Item(tells=(("opportunity-stage-changed", opportunity_id),))
        write = on_opportunity("stage", opportunity_id, self.plans.stage(caller.chance), item=item, version=version)
        answer = await caller.write(write)
        if answer is not None and opportunity_id in self.known.opportunities:
            self.known.opportunities[opportunity_id] = (lead_id, answer["version"])
        else:
            await self._look_again(caller, opportunity_id)

    async def close_opportunity(self, caller: Caller) -> None:
        """An opportunity is won or lost."""
        found = self._opportunity(caller)
        if found is None:
            return
        opportunity_id, (_, version) = found
        kind = caller.chance.choices(("won", "blanket", "lost"), (60, 10, 30))[0]
        verb = "lose" if kind == "lost" else "win"
        claims = (("sales.deals", "deal_id", opportunity_id),)
        tells = (("opportunity-stage-changed", opportunity_id), ("deal-closed", opportunity_id))
        item = Item(claims=claims, tells=tells, has={"outcome": "lost" if kind == "lost" else "won"})
        write = on_opportunity(verb, opportunity_id, self.plans.outcome(caller.chance, kind), item=item, version=version)
        if await caller.write(write) is None:
            await self._look_again(caller, opportunity_id)
        else:
            self.known.closed(opportunity_id, kind)

    async def close_deal(self, caller: Caller) -> None:
        """A sale without an opportunity."""
        leads = [lead_id for _ in range(caller.chance.choice((1, 1, 2))) if (lead_id := self.known.lead(caller.chance))]
        if not leads:
            return
        deal_id = caller.new_id()
        kind = caller.chance.choices(("won", "blanket", "lost"), (65, 20, 15))[0]
        fat = caller.chance.random() < 4 * FAT
        body, item = self.plans.deal(caller.chance, deal_id, list(dict.fromkeys(leads)), kind, fat=fat)
        if await caller.write(create("close", "sales", "/v1/deals", body=body, key=deal_id, item=item)) is not None:
            self.known.closed(deal_id, kind)

    async def close_many(self, caller: Caller) -> None:
        """Many sales in one transaction; some end opportunities on which others are at work."""
        chosen: dict[str, str] = {
            caller.new_id(): lead for _ in range(caller.chance.randrange(2, 20)) if (lead := self.known.lead(caller.chance))
        }
        if not chosen:
            return
        ended = caller.chance.sample(sorted(self.known.opportunities), min(4, len(self.known.opportunities)))
        chosen |= {opportunity_id: self.known.opportunities[opportunity_id][0] for opportunity_id in ended}
        kinds = {deal_id: caller.chance.choices(("won", "lost"), (80, 20))[0] for deal_id in chosen}

        def made(deal_id: str) -> tuple[Body, Item]:
            body, item = self.plans.deal(caller.chance, deal_id, [chosen[deal_id]], kinds[deal_id])
            tells = (("opportunity-stage-changed", deal_id),) if deal_id in ended else ()
            return body, Item(claims=item.claims, tells=(*item.tells, *tells), has=item.has)

        results = await write_many(caller, "close-many", sorted(chosen), service="sales", path="/v1/deals/batch", made=made)
        for deal_id, result in zip(sorted(chosen), results, strict=False):
            if result == "created":
                self.known.closed(deal_id, kinds[deal_id])

    def _opportunity(self, caller: Caller) -> tuple[str, tuple[str, int]] | None:
        hot = list(self.known.opportunities.items())[-15:]
        return caller.chance.choice(hot) if hot else None

    async def _look_again(self, caller: Caller, opportunity_id: str) -> None:
        seen = await caller.look("sales", f"/v1/opportunities/{opportunity_id}")
        if seen and seen["stage"]["stage_type"] == "open" and opportunity_id in self.known.opportunities:
            self.known.opportunities[opportunity_id] = (seen["lead_id"], seen["version"])
        elif seen:
            self.known.opportunities.pop(opportunity_id, None)


async def _waiting_for(connection: asyncpg.Connection, table: str) -> None:
    waiting = "SELECT count(DISTINCT pid) >= $2 FROM pg_locks WHERE relation = $1::regclass AND NOT granted"
    for _ in range(CROWD_LOOKS):
        if await connection.fetchval(waiting, table, POOLED):
            return
        await asyncio.sleep(0.05)
