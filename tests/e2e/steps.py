"""The steps that stories are made of: HTTP calls, and waiting for what another service learns of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from baton.client import ApiError, Client
from shared.ids import new_id

HOP_SECONDS = 30.0

Answer = dict[str, Any]

QUALIFYING: Answer = {
    "origin": "form",
    "country": "DE",
    "customer_initiated": True,
    "journey_stage": "purchase",
    "interaction_mode": "two_way",
    "touch_intent": "transactional",
    "need_codes": ["replace_supplier"],
    "facts": [{"fact_code": "industry", "value": "retail"}, {"fact_code": "company_size", "value": "enterprise"}],
    "expected_value": {"amount": "30000.00", "currency": "EUR"},
}
LINES = [
    {"line_no": 1, "sku": "SKU-1", "quantity": "3", "net_unit_price": {"amount": "19.90", "currency": "EUR"}},
    {"line_no": 2, "sku": "SKU-2", "quantity": "10", "net_unit_price": {"amount": "0.35", "currency": "EUR"}},
]


async def capture(caller: Client, source: str, **content: Any) -> str:
    """A lead of a source that this registers; returns its id."""
    await caller.put("marketing", f"/v1/sources/{source}", {"name": source, "time_zone": "Europe/Berlin"})
    return (await caller.post("marketing", "/v1/leads", {"source": source, "external_id": str(new_id()), **content}))["lead_id"]


async def close(caller: Client, lead_id: str | UUID, **content: Any) -> Answer:
    """A deal without an opportunity."""
    return await caller.post("sales", "/v1/deals", {"lead_id": str(lead_id), **content})


async def seen(
    caller: Client, service: str, path: str, holds: Callable[[Answer], bool] = bool, *, seconds: float = HOP_SECONDS, **query: str
) -> Answer:
    """The first answer at that path of which `holds` is true; until then it may be missing."""
    until, last = time.monotonic() + seconds, "nothing"
    while time.monotonic() < until:
        try:
            answer = await caller.get(service, path, query)
            if holds(answer):
                return answer
            last = str(answer)
        except ApiError as refused:
            if refused.status != 404:
                raise
            last = str(refused)
        await asyncio.sleep(0.05)
    raise AssertionError(f"{service} {path} within {seconds} s: {last}")


def is_at(state: str) -> Callable[[Answer], bool]:
    """Whether a journey stands there."""
    return lambda journey: journey["state"] == state


def stages(journey: Answer) -> dict[str, str]:
    """What a journey says of each stage."""
    return {stage["stage"]: stage["status"] for stage in journey["stages"]}


async def order_of(caller: Client, deal_id: str) -> Answer:
    """The one order of a deal, once there is one."""
    (order,) = (await seen(caller, "distribution", "/v1/orders", lambda page: bool(page["items"]), deal_id=deal_id))["items"]
    return order
