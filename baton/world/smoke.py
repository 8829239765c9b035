"""`baton smoke`: one lead from POST to delivery, each hop seen with the eyes of those who would see it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from baton import CommandError
from baton.client import PASSING, SERVICES, ApiError, Client, Site, UnreachableError
from shared.ids import new_id

SOURCE = "smoke"
PROMISED = "2100-01-31"
LOOK_SECONDS = 0.05
LONGEST_ANSWER = 300
ROLES = {
    "marketing": ["importer", "reader"],
    "handoff": ["reader"],
    "sales": ["sales_rep", "reader"],
    "distribution": ["importer", "reader"],
}
LEAD = {
    "source": SOURCE,
    "origin": "form",
    "country": "DE",
    "customer_initiated": True,
    "interaction_mode": "two_way",
    "touch_intent": "transactional",
    "journey_stage": "purchase",
    "need_codes": ["replace_supplier"],
    "facts": [{"fact_code": "industry", "value": "retail"}, {"fact_code": "company_size", "value": "enterprise"}],
    "expected_value": {"amount": "100.00", "currency": "EUR"},
}
LINES = [{"line_no": 1, "sku": "SMOKE", "quantity": "2", "net_unit_price": {"amount": "50.00", "currency": "EUR"}}]

Answer = Mapping[str, Any]


class MissingHopError(CommandError):
    """The lead got no further; `str()` names the hop, who was asked, for how long, and what the last answer was."""

    def __init__(self, *, hop: str, lead_id: str, waited_ms: float, why: str) -> None:
        self.hop = hop
        self.lead_id = lead_id
        self.waited_ms = waited_ms
        self.why = why
        super().__init__(f"the hop `{hop}` of lead {lead_id} is missing after {waited_ms / 1000:.1f} s: {why}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One step that was seen. Times in milliseconds: since the hop before, and since the start."""

    lead_id: str
    name: str
    seen: str
    took_ms: float
    total_ms: float


@dataclass(slots=True, kw_only=True)
class Walk:
    """One lead on its way. Every run is a lead of its own, of the source `smoke`: its figures stay apart from those of the business."""

    client: Client
    seconds: float
    lead_id: str = field(default_factory=lambda: str(new_id()))
    offer: Answer = field(default_factory=dict)
    opportunity: Answer = field(default_factory=dict)
    order: dict[str, Any] = field(default_factory=dict)
    counted_before: int = 0

    async def answering(self) -> str:
        """All four services answer."""
        for service in SERVICES:
            await self._until(service, "/openapi.json", bool)
        return ", ".join(self.client.site.addresses[service] for service in SERVICES)

    async def captured(self) -> str:
        """Marketing takes the lead."""
        await self._put("marketing", f"/v1/sources/{SOURCE}", {"name": "Smoke test", "time_zone": "UTC"})
        self.counted_before = (await self._funnel(lambda _: True))["total"]["delivered"]
        answer = await self._post("marketing", "/v1/leads", LEAD | {"lead_id": self.lead_id, "external_id": self.lead_id})
        return f"lead {answer['lead_id']} {answer['status']}"

    async def qualified(self) -> str:
        """Handoff has decided and says why."""
        path = f"/v1/leads/{self.lead_id}/explain"
        decided = (await self._until("handoff", path, lambda found: found["decision"]["outcome"] == "qualified"))["decision"]
        return f"grade {decided['grade']}, fit {decided['fit_score']}, engagement {decided['engagement_score']}"

    async def offered(self) -> str:
        """The lead was routed to sales, where somebody can take it."""
        self.offer = await self._until("sales", f"/v1/leads/{self.lead_id}/offer", lambda offer: offer["status"] == "open")
        return f"offer open, version {self.offer['version']}"

    async def accepted(self) -> str:
        """Sales takes it and begins to work on it."""
        answer = await self._post("sales", f"/v1/leads/{self.lead_id}/accept", {}, version=self.offer["version"])
        opening = {"opportunity_id": str(new_id()), "lead_id": self.lead_id, "amount": LEAD["expected_value"]}
        self.opportunity = await self._post("sales", "/v1/opportunities", opening)
        return f"offer {answer['status']}, opportunity {self.opportunity['opportunity_id']}"

    async def won(self) -> str:
        """Sales wins the deal."""
        path = f"/v1/opportunities/{self.opportunity['opportunity_id']}/win"
        deal = await self._post("sales", path, {"lines": LINES}, version=self.opportunity["version"])
        return f"deal {deal['deal_id']} over {deal['net_total']['amount']} {deal['net_total']['currency']}"

    async def ordered(self) -> str:
        """Distribution has opened the order, and promises a day."""
        deal = {"deal_id": self.opportunity["opportunity_id"]}
        self.order = (await self._until("distribution", "/v1/orders", lambda page: page["items"], deal))["items"][0]
        await self._fulfil("promise", {"promise_date": PROMISED})
        return f"order {self.order['order_id']}, promised for {PROMISED}"

    async def shipped(self) -> str:
        """Distribution ships all of it."""
        await self._fulfil("shipments", {})
        return await self._is("shipped")

    async def delivered(self) -> str:
        """The customer has it."""
        await self._fulfil("deliveries", {})
        return await self._is("delivered")

    async def known(self) -> str:
        """Handoff knows the whole journey, sales how its deal was fulfilled."""
        found = await self._until("handoff", f"/v1/journeys/{self.lead_id}", lambda found: _passed(found) == len(found["stages"]))
        path = f"/v1/deals/{self.opportunity['opportunity_id']}/fulfilment"
        await self._until("sales", path, lambda fulfilment: fulfilment["status"] == "delivered")
        return f"all {_passed(found)} stages of the journey passed"

    async def counted(self) -> str:
        """Marketing's lead is a customer, and its funnel counts one delivery more than before."""
        await self._until("marketing", f"/v1/leads/{self.lead_id}", lambda lead: lead["lifecycle_stage"] == "customer")
        total = (await self._funnel(lambda found: found["total"]["delivered"] > self.counted_before))["total"]
        return f"{total['delivered']} delivered of {total['leads']} leads of the source `{SOURCE}`"

    async def _fulfil(self, deed: str, content: Mapping[str, object]) -> None:
        path = f"/v1/orders/{self.order['order_id']}"
        self.order |= await self._post("distribution", f"{path}/{deed}", content, version=self.order["version"])

    async def _is(self, status: str) -> str:
        await self._until("distribution", f"/v1/orders/{self.order['order_id']}", lambda order: order["status"] == status)
        return f"order {status}"

    async def _funnel(self, holds: Callable[[Answer], object]) -> Answer:
        return await self._until("marketing", "/v1/metrics/funnel", holds, {"source": SOURCE})

    async def _put(self, service: str, path: str, content: Mapping[str, object]) -> Answer:
        return await self._answer(f"{service} to PUT {path}", self.client.put(service, path, content, patience=self.seconds))

    async def _post(self, service: str, path: str, content: Mapping[str, object], version: int | None = None) -> Answer:
        sent = self.client.post(service, path, content, if_match=version, patience=self.seconds)
        return await self._answer(f"{service} to POST {path}", sent)

    async def _answer(self, asked: str, sent: Awaitable[Answer]) -> Answer:
        try:
            async with asyncio.timeout(self.seconds):
                return await sent
        except TimeoutError:
            raise CommandError(f"no answer from {asked}") from None

    async def _until(
        self, service: str, path: str, holds: Callable[[Answer], object], parameters: Mapping[str, str] | None = None
    ) -> Answer:
        last = f"none from {service} to GET {path}"
        try:
            async with asyncio.timeout(self.seconds):
                while True:
                    try:
                        answer = await self.client.get(service, path, parameters, patience=0)
                        if holds(answer):
                            return answer
                        last = f"{service} answers GET {path} with {_brief(answer)}"
                    except UnreachableError as error:
                        last = str(error)
                    except ApiError as error:
                        if error.status not in PASSING | {404}:
                            raise
                        last = str(error)
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            raise CommandError(f"the last answer: {last}") from None


HOPS: tuple[tuple[str, Callable[[Walk], Awaitable[str]]], ...] = (
    ("answering", Walk.answering),
    ("captured", Walk.captured),
    ("qualified", Walk.qualified),
    ("offered", Walk.offered),
    ("accepted", Walk.accepted),
    ("won", Walk.won),
    ("ordered", Walk.ordered),
    ("shipped", Walk.shipped),
    ("delivered", Walk.delivered),
    ("known", Walk.known),
    ("counted", Walk.counted),
)


async def walk(site: Site, *, seconds: float, tell: Callable[[Hop], None]) -> str:
    """Carries a new lead through all four services, telling of each hop as it is seen; returns its id.

    Raises MissingHopError for the first that is refused, or not seen within so many seconds.
    """
    begun = last = time.monotonic()
    async with Client(site, roles=ROLES, subject="smoke", patience=seconds) as client:
        lead = Walk(client=client, seconds=seconds)
        for name, step in HOPS:
            try:
                seen = await step(lead)
            except CommandError as error:
                waited = time.monotonic() - last
                raise MissingHopError(hop=name, lead_id=lead.lead_id, waited_ms=1000 * waited, why=str(error)) from error
            now = time.monotonic()
            tell(Hop(lead_id=lead.lead_id, name=name, seen=seen, took_ms=1000 * (now - last), total_ms=1000 * (now - begun)))
            last = now
    return lead.lead_id


def _passed(journey: Answer) -> int:
    return sum(stage["status"] == "passed" for stage in journey["stages"])


def _brief(answer: Answer) -> str:
    text = json.dumps(answer, default=str)
    return text if len(text) <= LONGEST_ANSWER else f"{text[:LONGEST_ANSWER]} …"
