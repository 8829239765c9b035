"""The first calls of a newcomer: a token from the command line, a lead, a deal, and the id that ties them together in Kafka."""

from __future__ import annotations

import time
from typing import Any

import httpx2
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.ids import new_id
from shared.runtime.topics import PARTITIONS
from tests.e2e.steps import HOP_SECONDS, LINES, QUALIFYING
from tests.stack import Stack


def headers_for(stack: Stack, service: str, role: str, **more: object) -> dict[str, str]:
    """What a caller sends along, its token fresh from the command line."""
    token = stack.run("token", "issue", "--role", role, "--sub", "newcomer", "--aud", service).strip()
    named = {name.replace("_", "-"): str(value) for name, value in more.items()}
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **named}


async def record_about(stack: Stack, topic: str, key: str) -> dict[str, str]:
    """The headers of the first record with this key, once it is there."""
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.profile["kafka"], enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, part) for part in range(PARTITIONS)])
        until = time.monotonic() + HOP_SECONDS
        while time.monotonic() < until:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    if record.key == key.encode():
                        return {name: value.decode() for name, value in record.headers}
    finally:
        await consumer.stop()
    raise AssertionError(f"no record about {key} in {topic} within {HOP_SECONDS} s")


async def test_an_address_and_a_token_are_all_it_takes(stack: Stack) -> None:
    key, correlation = new_id(), new_id()
    headers = headers_for(stack, "marketing", "importer", Idempotency_Key=key, Correlation_Id=correlation)
    address = stack.run("url", "marketing").strip()
    async with httpx2.AsyncClient(base_url=address, trust_env=False) as http:
        answer = await http.post("/v1/leads", json=QUALIFYING, headers=headers)
        assert answer.status_code == 201, answer.text
        assert answer.headers["Correlation-Id"] == str(correlation)
        again = await http.post("/v1/leads", json=QUALIFYING, headers=headers)
        assert (again.status_code, again.content) == (201, answer.content)
        assert again.headers["Idempotency-Replayed"] == "true"
        nameless = await http.post("/v1/leads", json=QUALIFYING)
        assert (nameless.status_code, nameless.json()["code"]) == (401, "INVALID_TOKEN")
        wrong = await http.post("/v1/leads", json={"source": "nowhere"}, headers=headers | {"Idempotency-Key": str(new_id())})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "UNKNOWN_SOURCE")
    lead_id = answer.json()["lead_id"]
    for topic in ("lead-generated", "lead-qualified", "lead-routed"):
        told = await record_about(stack, topic, lead_id)
        assert (told["ce_type"], told["ce_correlationid"], told["ce_journeyid"]) == (topic, str(correlation), lead_id)
    generated, qualified = await record_about(stack, "lead-generated", lead_id), await record_about(stack, "lead-qualified", lead_id)
    assert generated["ce_causationid"] == str(key)
    assert qualified["ce_causationid"] == generated["ce_id"]


async def test_the_correlation_id_of_a_deal_reaches_its_order(stack: Stack) -> None:
    correlation = new_id()
    marketing = headers_for(stack, "marketing", "lead_source", Idempotency_Key=new_id())
    sales = headers_for(stack, "sales", "sales_rep", Idempotency_Key=new_id(), Correlation_Id=correlation)
    addresses: dict[str, dict[str, Any]] = stack.profile["services"]
    async with httpx2.AsyncClient(trust_env=False) as http:
        captured = await http.post(f"{addresses['marketing']['url']}/v1/leads", json={}, headers=marketing)
        lead_id = captured.json()["lead_id"]
        await record_about(stack, "lead-generated", lead_id)
        until, closed = time.monotonic() + HOP_SECONDS, None
        while closed is None or (closed.status_code == 409 and time.monotonic() < until):
            body = {"lead_id": lead_id, "outcome": "won", "lines": LINES}
            closed = await http.post(f"{addresses['sales']['url']}/v1/deals", json=body, headers=sales)
        assert closed.status_code == 201, closed.text
    for topic in ("deal-closed", "order-promised"):
        told = await record_about(stack, topic, lead_id)
        assert (told["ce_type"], told["ce_correlationid"]) == (topic, str(correlation))
