"""What is sent: leads one by one and in batches, orders in batches, and one lead all the way to its order."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition

from baton.client import ApiError, Client
from shared.ids import new_id
from shared.runtime.topics import PARTITIONS

SOURCE = "benchmark"
BATCH = 500
IN_FLIGHT = 4
HOP_SECONDS = 20.0
LARGE_FACTS = 34

Body = dict[str, Any]


class Refused(Exception):  # noqa: N818  a fact about the run
    """A service did not take what was sent."""


def lead(number: int) -> Body:
    """A lead of an import; three in eight are ready to buy."""
    ready = number % 8 < 3
    return {
        "source": SOURCE,
        "external_id": str(new_id()),
        "origin": "import",
        "occurred_at": "2026-03-02T12:00:00Z",
        "customer_initiated": True if ready else None,
        "interaction_mode": "two_way" if ready else "one_way",
        "touch_intent": "transactional" if ready else "informational",
        "journey_stage": "purchase" if ready else "awareness",
        "need_codes": ["replace_supplier"],
        "country": "DE",
        "facts": [{"fact_code": "industry", "value": "retail"}, {"fact_code": "company_size", "value": "enterprise"}],
        "expected_value": {"amount": "30000.00", "currency": "EUR"},
        "labels": {"channel": f"c{number % 7}"},
    }


def order(deal_id: str) -> Callable[[int], Body]:
    """Orders of one line under a blanket deal."""

    def make(number: int) -> Body:
        line = {"line_no": 1, "sku": f"SKU-{number % 50}", "quantity": "2", "net_unit_price": {"amount": "10.00", "currency": "EUR"}}
        return {"deal_id": deal_id, "source": SOURCE, "external_id": str(new_id()), "currency": "EUR", "lines": [line]}

    return make


async def prepare(client: Client) -> None:
    """The source that everything is sent under."""
    await client.put("marketing", f"/v1/sources/{SOURCE}", {"name": "Benchmark", "time_zone": "UTC"})


async def send_batches(client: Client, service: str, path: str, make: Callable[[int], Body], count: int) -> float:
    """Items in batches of 500, four in flight, as an import sends them; seconds until the last answer. Raises Refused if one failed."""
    gate = asyncio.Semaphore(IN_FLIGHT)

    async def send(begin: int) -> None:
        try:
            items = [make(number) for number in range(begin, min(count, begin + BATCH))]
            answer = await client.post(service, path, {"items": items})
            _require_created(answer["items"])
        finally:
            gate.release()

    begun = time.perf_counter()
    async with _together() as group:
        for begin in range(0, count, BATCH):
            await gate.acquire()
            group.create_task(send(begin))
    return time.perf_counter() - begun


async def send_large(client: Client, bodies: int) -> int:
    """Bodies of nearly 2 MiB, all at once: 500 leads with many words each. How many were answered in time; none is sent again."""
    facts = [{"fact_code": f"fact_{number}", "value": "x" * 60} for number in range(LARGE_FACTS)]
    answered = 0

    async def send() -> None:
        nonlocal answered
        body = json.dumps({"items": [lead(number) | {"facts": facts} for number in range(BATCH)]}).encode()
        try:
            _require_created((await client.post("marketing", "/v1/leads/batch", body, patience=0))["items"])
        except ApiError as error:
            if error.status != 503:
                raise
        else:
            answered += 1

    async with _together() as group:
        for _ in range(bodies):
            group.create_task(send())
    return answered


async def send_singles(client: Client, callers: int, seconds: float) -> tuple[float, list[float]]:
    """Leads one by one, from so many callers at once: leads per second, and each one's seconds."""
    until = time.perf_counter() + seconds
    taken: list[float] = []

    async def call() -> None:
        while (begun := time.perf_counter()) < until:
            await client.post("marketing", "/v1/leads", lead(len(taken)))
            taken.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    async with _together() as group:
        for _ in range(callers):
            group.create_task(call())
    return len(taken) / (time.perf_counter() - begun), taken


async def blanket_deal(client: Client) -> str:
    """A won blanket deal that orders can be called off under."""
    lead_id = (await client.post("marketing", "/v1/leads", lead(0)))["lead_id"]
    return await _close_deal(client, {"lead_id": lead_id, "outcome": "won", "blanket_order": True, "currency": "EUR"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """One lead's way, in seconds since its POST: routed to sales, and its order promised."""

    routed: float
    promised: float


async def follow_leads(client: Client, bootstrap: str, count: int) -> list[Passage]:
    """One lead after the other, from POST to `order-promised` in the topic; sales closes the deal as soon as the lead is routed."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, fetch_max_wait_ms=5)
    await consumer.start()
    try:
        parts = [TopicPartition(topic, part) for topic in ("lead-routed", "order-promised") for part in range(PARTITIONS)]
        consumer.assign(parts)
        await consumer.seek_to_end(*parts)
        return [await _follow(client, consumer) for _ in range(count)]
    finally:
        await consumer.stop()


async def _follow(client: Client, consumer: AIOKafkaConsumer) -> Passage:
    begun = time.perf_counter()
    lead_id = (await client.post("marketing", "/v1/leads", lead(0)))["lead_id"]
    await _seen(consumer, "lead-routed", lead_id)
    routed = time.perf_counter() - begun
    line = {"line_no": 1, "sku": "SKU-1", "quantity": "2", "net_unit_price": {"amount": "10.00", "currency": "EUR"}}
    await _close_deal(client, {"lead_id": lead_id, "outcome": "won", "lines": [line]})
    await _seen(consumer, "order-promised", lead_id)
    return Passage(routed=routed, promised=time.perf_counter() - begun)


async def _seen(consumer: AIOKafkaConsumer, topic: str, lead_id: str) -> None:
    wanted = str(UUID(lead_id)).encode()
    async with asyncio.timeout(HOP_SECONDS):
        while True:
            fetched = await consumer.getmany(timeout_ms=50)
            if any(tp.topic == topic and record.key == wanted for tp, records in fetched.items() for record in records):
                return


async def _close_deal(client: Client, content: Body) -> str:
    # Routed by handoff does not mean heard of by sales; the client's own wait for that is a second.
    async with asyncio.timeout(HOP_SECONDS):
        while True:
            try:
                return (await client.post("sales", "/v1/deals", content, patience=0))["deal_id"]
            except ApiError as error:
                if error.code != "NOT_KNOWN_YET":
                    raise
                await asyncio.sleep(0.005)


@asynccontextmanager
async def _together() -> AsyncIterator[asyncio.TaskGroup]:
    # The first error stands for all: whoever reads the table needs one reason.
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None


def _require_created(results: Sequence[Body]) -> None:
    failed = [result for result in results if result["status"] != "created"]
    if failed:
        raise Refused(f"{len(failed)} of {len(results)} items were not created, such as {failed[0]}")
