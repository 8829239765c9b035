"""Plays a market through the public APIs, as web forms, sales people and a warehouse would. Playing it again has no second effect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from baton import CommandError
from baton.client import Client, Site
from baton.world import market
from baton.world.market import Planned
from shared.ids import derived_id

BATCH = 500
AT_ONCE = 6
OWNER = "dispatch"


class Player:
    """The people of the market: one client per person, each with the role of that person."""

    def __init__(self, site: Site, seed: int, today: date) -> None:
        self._seed = seed
        self._today = today
        self._people: dict[str, Client] = {}
        self._site = site

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[Player]:
        """Everybody has signed in, and leaves at the end."""
        roles = {
            "capture": {"marketing": ["importer"]},
            "manager": {"sales": ["sales_manager"]},
            OWNER: {"distribution": ["importer"]},
            **{rep: {"sales": ["sales_rep"]} for rep in market.REPS},
        }
        for person, held in roles.items():
            self._people[person] = Client(self._site, roles=held, subject=f"demo-{person}", patience=60)
        try:
            yield self
        finally:
            await asyncio.gather(*(client.__aexit__(None, None, None) for client in self._people.values()))

    async def capture(self, plan: Sequence[Planned]) -> int:
        """Registers source and channels and sends all leads to marketing in batches; returns how many were new."""
        capture = self._people["capture"]
        await capture.put("marketing", f"/v1/sources/{market.SOURCE}", {"name": "Demo market", "time_zone": market.TIME_ZONE})
        for channel in market.CHANNELS:
            content = {"code": channel.code, "name": channel.code.replace("-", " ").title(), "kind": channel.kind, "medium": channel.medium}
            await capture.post("marketing", "/v1/channels", content, key=self._key("channel", channel.code))
        created = 0
        for start in range(0, len(plan), BATCH):
            items = [planned.content for planned in plan[start : start + BATCH]]
            answer = await capture.post("marketing", "/v1/leads/batch", {"items": items}, key=self._key("leads", str(start)))
            failed = [item for item in answer["items"] if item["status"] == "failed"]
            if failed:
                raise CommandError(f"marketing refused {len(failed)} leads of the demo, the first with {failed[0]['problem']}")
            created += sum(item["status"] == "created" for item in answer["items"])
        return created

    async def answer_offers(self, plan: Sequence[Planned]) -> int:
        """Sales people take or refuse what is offered; returns how many offers there were."""
        offers: dict[str, dict[str, Any]] = {}
        async for page in self._people["manager"].pages("sales", "/v1/offers", {"page_size": 200}):
            offers |= {offer["lead_id"]: offer for offer in page["items"]}
        offered = [planned for planned in plan if str(planned.lead_id) in offers]
        await self._each(offered, lambda planned: self._answer(planned, offers[str(planned.lead_id)]))
        return len(offered)

    async def _answer(self, planned: Planned, offer: dict[str, Any]) -> None:
        course = planned.course
        if offer["status"] != "open" or course.answer == "wait":
            return
        content = {"reason_code": course.reason} if course.answer == "reject" else {}
        await self._people[course.rep].post(
            "sales",
            f"/v1/leads/{planned.lead_id}/{course.answer}",
            content,
            key=self._key(course.answer, str(planned.lead_id)),
            if_match=offer["version"],
        )

    async def sell(self, plan: Sequence[Planned]) -> int:
        """Accepted leads become opportunities, move through their stages, and are won or lost; returns how many were worked."""
        accepted: set[str] = set()
        async for page in self._people["manager"].pages("sales", "/v1/offers", {"status": "accepted", "page_size": 200}):
            accepted |= {offer["lead_id"] for offer in page["items"]}
        worked = [planned for planned in plan if str(planned.lead_id) in accepted]
        await self._each(worked, self._work)
        return len(worked)

    async def _work(self, planned: Planned) -> None:
        course, rep = planned.course, self._people[planned.course.rep]
        opportunity_id = derived_id(market.SOURCE, "opportunity", str(planned.lead_id))
        path = f"/v1/opportunities/{opportunity_id}"
        opened = {
            "opportunity_id": str(opportunity_id),
            "lead_id": str(planned.lead_id),
            "amount": planned.content["expected_value"],
            "expected_close_date": str(self._today + timedelta(days=30)),
            "labels": planned.content["labels"],
        }
        known = await rep.post("sales", "/v1/opportunities", opened, key=self._key("open", str(opportunity_id)))
        known = await rep.get("sales", path)
        if known["stage"]["stage_type"] != "open":
            return
        reached = known["stage"]["stage_code"]
        for stage in course.stages[course.stages.index(reached) + 1 if reached in course.stages else 0 :]:
            known = await rep.post("sales", f"{path}/stage", {"stage_code": stage}, if_match=known["version"])
        if course.close == "won":
            await rep.post("sales", f"{path}/win", {"lines": list(course.lines)}, if_match=known["version"])
        elif course.close == "lost":
            await rep.post("sales", f"{path}/lose", {"lost_reasons": [course.lost_reason]}, if_match=known["version"])

    async def fulfil(self, plan: Sequence[Planned]) -> int:
        """Orders get a day, leave the warehouse and arrive, some in parts and some late; returns how many orders there were."""
        orders: dict[str, dict[str, Any]] = {}
        async for page in self._people[OWNER].pages("distribution", "/v1/orders", {"page_size": 200}):
            orders |= {order["lead_id"]: order for order in page["items"]}
        ordered = [planned for planned in plan if str(planned.lead_id) in orders]
        await self._each(ordered, lambda planned: self._deliver(planned, orders[str(planned.lead_id)]))
        return len(ordered)

    async def _deliver(self, planned: Planned, order: dict[str, Any]) -> None:
        course, dispatch = planned.course, self._people[OWNER]
        path = f"/v1/orders/{order['order_id']}"
        if order["status"] != "received":
            return
        promised = self._today + timedelta(days=-1 if course.late else 3)
        known = await dispatch.post("distribution", f"{path}/promise", {"promise_date": str(promised)}, if_match=order["version"])
        if course.fulfilment == "promised":
            return
        first = {"lines": [{"line_no": order["lines"][0]["line_no"], "quantity": "1"}]} if course.fulfilment == "part" else {}
        known = await dispatch.post("distribution", f"{path}/shipments", {"carrier_code": "road", **first}, if_match=known["version"])
        if course.fulfilment in {"delivered", "part"}:
            await dispatch.post("distribution", f"{path}/deliveries", first, if_match=known["version"])

    async def _each(self, plan: Sequence[Planned], work: Callable[[Planned], Awaitable[None]]) -> None:
        waiting = iter(plan)

        async def worker() -> None:
            for planned in waiting:
                await work(planned)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(worker())
        except* CommandError as refused:
            raise refused.exceptions[0] from None

    def _key(self, step: str, name: str) -> UUID:
        return derived_id(market.SOURCE, f"key-{step}", f"{self._seed}-{self._today}-{name}")
