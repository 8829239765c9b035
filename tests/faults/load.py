"""Steady writes over HTTP: each one's answer is kept, and one whose outcome is unknown is sent again with its own key."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx2

from baton.ops import tokens
from shared.ids import new_id
from tests.stack import Stack

PAUSE_SECONDS = 0.02
REPEAT_SECONDS = 120.0

Body = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Write:
    """One command and what became of it. `statuses` has one entry per attempt; 0 is no answer at all."""

    id: UUID
    service: str
    path: str
    body: Body
    key: UUID = field(default_factory=new_id)
    statuses: list[int] = field(default_factory=list)
    retry_after: float | None = None
    seconds: float = 0.0

    @property
    def acknowledged(self) -> bool:
        """Whether the caller was told that it is done."""
        return any(200 <= status < 300 for status in self.statuses)

    @property
    def refused(self) -> bool:
        """Whether the caller was told that it will never be done."""
        return any(400 <= status < 500 for status in self.statuses)


@dataclass(slots=True, kw_only=True)
class Load:
    """Writers that go on until they are stopped, and all that they have written."""

    stack: Stack
    writes: list[Write] = field(default_factory=list)
    stopping: bool = False
    tokens: dict[str, str] = field(default_factory=dict)

    async def write(self, make: Callable[[int], Write]) -> None:
        """One writer: one command after the other, the next whatever became of the last."""
        number = 0
        async with httpx2.AsyncClient(timeout=30.0, trust_env=False) as http:
            while not self.stopping:
                write = make(number)
                self.writes.append(write)
                await self._send(http, write)
                number += 1
                await asyncio.sleep(PAUSE_SECONDS)

    async def _send(self, http: httpx2.AsyncClient, write: Write) -> None:
        headers = {"Authorization": f"Bearer {self._token(write.service)}", "Idempotency-Key": str(write.key)}
        address = self.stack.profile["services"][write.service]["url"] + write.path
        begun = time.monotonic()
        try:
            answer = await http.post(address, json=write.body, headers=headers)
        except httpx2.TransportError:
            write.statuses.append(0)
            return
        finally:
            write.seconds = max(write.seconds, time.monotonic() - begun)
        write.statuses.append(answer.status_code)
        write.retry_after = float(answer.headers["Retry-After"]) if "Retry-After" in answer.headers else None

    async def resend_unknown(self) -> list[Write]:
        """Sends again, with its key, what got no answer or a 5xx, until each has one; returns what was sent again."""
        unknown = [write for write in self.writes if not write.acknowledged and not write.refused]
        until = time.monotonic() + REPEAT_SECONDS
        async with httpx2.AsyncClient(timeout=30.0, trust_env=False) as http:
            for write in unknown:
                while not write.acknowledged and not write.refused and time.monotonic() < until:
                    await self._send(http, write)
                    if not write.acknowledged:
                        await asyncio.sleep(min(write.retry_after or PAUSE_SECONDS, 0.5))
        return unknown

    def _token(self, service: str) -> str:
        if service not in self.tokens:
            roles = ["importer"]
            keys = self.stack.state / "keys"
            self.tokens[service] = tokens.issue(
                keys, issuer=self.stack.profile["issuer"], roles=roles, sub="faults", aud=service, ttl_seconds=3600
            )
        return self.tokens[service]


@asynccontextmanager
async def running(stack: Stack, writers: Sequence[Callable[[int], Write]]) -> AsyncIterator[Load]:
    """Writers at work while inside; they have stopped afterwards, also when the inside fails."""
    load = Load(stack=stack)
    async with asyncio.TaskGroup() as group:
        for make in writers:
            group.create_task(load.write(make))
        try:
            yield load
        finally:
            load.stopping = True


def lead(source: str) -> Callable[[int], Write]:
    """Leads that qualify, each with an id of its own."""

    def make(number: int) -> Write:
        lead_id = new_id()
        body = {
            "lead_id": str(lead_id),
            "source": source,
            "external_id": str(lead_id),
            "customer_initiated": True,
            "journey_stage": "purchase",
            "need_codes": ["replace_supplier", "extend_range"],
            "country": "ES",
            "expected_value": {"amount": "30000.00", "currency": "EUR"},
            "facts": [{"fact_code": "company_size", "value": "enterprise"}],
            "labels": {"origin": "load"},
        }
        return Write(id=lead_id, service="marketing", path="/v1/leads", body=body)

    return make


def deal(lead_ids: Sequence[UUID]) -> Callable[[int], Write]:
    """Won deals with one line, one per lead and as many as there are leads."""

    def make(number: int) -> Write:
        deal_id = new_id()
        body = {
            "deal_id": str(deal_id),
            "lead_id": str(lead_ids[number]),
            "outcome": "won",
            "lines": [{"line_no": 1, "sku": "SKU-1", "quantity": "2", "net_unit_price": {"amount": "10.00", "currency": "EUR"}}],
        }
        return Write(id=deal_id, service="sales", path="/v1/deals", body=body)

    return make


async def register(stack: Stack, source: str) -> None:
    """The source that a load writes under."""
    async with stack.client("faults", {"marketing": ["importer"]}) as client:
        await client.put("marketing", f"/v1/sources/{source}", {"name": source, "time_zone": "UTC"})


def slowest(writes: Sequence[Write], share: float) -> float:
    """The time within which that share of the writes was answered, in seconds."""
    ordered = sorted(write.seconds for write in writes)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def statuses(writes: Sequence[Write]) -> Mapping[int, int]:
    """How often each status was answered."""
    found: dict[int, int] = {}
    for write in writes:
        for status in write.statuses:
            found[status] = found.get(status, 0) + 1
    return found
