"""What Baton is for, told by its users: from the first contact to the delivered order, and the ways that leave the road."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import httpx2
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.ids import new_id
from shared.runtime.topics import PARTITIONS
from tests.e2e.conftest import People, awaited
from tests.stack import Stack

READY_TO_BUY = {
    "origin": "form",
    "country": "DE",
    "customer_initiated": True,
    "interaction_mode": "two_way",
    "touch_intent": "transactional",
    "journey_stage": "purchase",
    "need_codes": ["replace_supplier"],
    "facts": [{"fact_code": "industry", "value": "retail"}, {"fact_code": "company_size", "value": "enterprise"}],
    "expected_value": {"amount": "30000.00", "currency": "EUR"},
}
LINES = [
    {"line_no": 1, "sku": "SKU-1", "quantity": "10", "net_unit_price": {"amount": "12.50", "currency": "EUR"}},
    {"line_no": 2, "sku": "SKU-2", "quantity": "3", "net_unit_price": {"amount": "99.99", "currency": "EUR"}},
]


async def journey(people: People, lead_id: str, reached: str) -> dict[str, Any]:
    """The lead's journey once that stage is passed."""

    def has_passed(found: dict[str, Any]) -> bool:
        return {stage["stage"]: stage["status"] for stage in found["stages"]}[reached] == "passed"

    return await awaited(lambda: people.reader.get("handoff", f"/v1/journeys/{lead_id}"), has_passed)


def stages(found: dict[str, Any]) -> dict[str, str]:
    """Status by stage."""
    return {stage["stage"]: stage["status"] for stage in found["stages"]}


async def captured(people: People, **content: Any) -> str:
    """A new lead's id."""
    return (await people.form.post("marketing", "/v1/leads", READY_TO_BUY | content))["lead_id"]


async def sold(people: People, lead_id: str, **content: Any) -> dict[str, Any]:
    """A won deal of the lead without an opportunity; waits until sales knows the lead."""
    return await people.rep.post("sales", "/v1/deals", {"lead_id": lead_id, "outcome": "won", **content})


async def order_of(people: People, deal_id: str) -> dict[str, Any]:
    """The order of a deal, as soon as distribution has opened it."""
    page = await awaited(lambda: people.reader.get("distribution", "/v1/orders", {"deal_id": deal_id}), lambda page: page["items"])
    return page["items"][0]


async def test_a_lead_goes_from_the_form_to_the_delivered_order(people: People) -> None:
    lead_id = await captured(people)
    offer = await awaited(lambda: people.rep.get("sales", f"/v1/leads/{lead_id}/offer"), lambda offer: offer["status"] == "open")
    accepted = await people.rep.post("sales", f"/v1/leads/{lead_id}/accept", {}, if_match=offer["version"])
    assert accepted["status"] == "accepted"
    opportunity_id = str(new_id())
    opened = await people.rep.post(
        "sales", "/v1/opportunities", {"opportunity_id": opportunity_id, "lead_id": lead_id, "amount": READY_TO_BUY["expected_value"]}
    )
    moved = await people.rep.post(
        "sales", f"/v1/opportunities/{opportunity_id}/stage", {"stage_code": "proposal"}, if_match=opened["version"]
    )
    deal = await people.rep.post("sales", f"/v1/opportunities/{opportunity_id}/win", {"lines": LINES}, if_match=moved["version"])
    assert (deal["deal_id"], deal["net_total"]) == (opportunity_id, {"amount": "424.97", "currency": "EUR"})

    order = await order_of(people, deal["deal_id"])
    assert order["order_value"] == deal["net_total"]
    path = f"/v1/orders/{order['order_id']}"
    promised = await people.warehouse.post("distribution", f"{path}/promise", {"promise_date": "2030-01-31"}, if_match=order["version"])
    part = {"lines": [{"line_no": 1, "quantity": "4"}]}
    first = await people.warehouse.post("distribution", f"{path}/shipments", part, if_match=promised["version"])
    second = await people.warehouse.post("distribution", f"{path}/shipments", {}, if_match=first["version"])
    arrived = await people.warehouse.post("distribution", f"{path}/deliveries", part, if_match=second["version"])
    await people.warehouse.post("distribution", f"{path}/deliveries", {}, if_match=arrived["version"])

    found = await journey(people, lead_id, "delivered")
    assert set(stages(found).values()) == {"passed"}
    assert [stage["status"] for stage in found["funnel"]] == ["passed"] * 4
    times = [stage["at"] for stage in found["stages"]]
    assert times == sorted(times)
    fulfilment = await awaited(
        lambda: people.reader.get("sales", f"/v1/deals/{deal['deal_id']}/fulfilment"), lambda seen: seen["status"] == "delivered"
    )
    assert fulfilment["promise_date"] == "2030-01-31"
    lead = await awaited(lambda: people.reader.get("marketing", f"/v1/leads/{lead_id}"), lambda lead: lead["lifecycle_stage"] == "customer")
    assert {step["stage"]: step["status"] for step in lead["steps"]}["mql"] == "passed"
    why = await people.reader.get("handoff", f"/v1/leads/{lead_id}/explain")
    assert why["decision"]["outcome"] == "qualified"
    scores = {axis: sum(float(rule["points"]) for rule in why["rules"] if rule["axis"] == axis) for axis in ("fit", "engagement")}
    assert scores == {"fit": float(why["decision"]["fit_score"]), "engagement": float(why["decision"]["engagement_score"])}


async def test_a_deal_without_qualification_is_delivered_and_what_it_left_out_is_skipped(people: People) -> None:
    lead_id = (await people.form.post("marketing", "/v1/leads", {"origin": "inbound_call"}))["lead_id"]
    deal = await sold(people, lead_id, lines=LINES[:1])
    order = await order_of(people, deal["deal_id"])
    path = f"/v1/orders/{order['order_id']}"
    shipped = await people.warehouse.post("distribution", f"{path}/shipments", {}, if_match=order["version"])
    await people.warehouse.post("distribution", f"{path}/deliveries", {}, if_match=shipped["version"])
    found = stages(await journey(people, lead_id, "delivered"))
    assert found == {
        "captured": "passed",
        "qualified": "skipped",
        "routed": "skipped",
        "accepted": "skipped",
        "opportunity": "skipped",
        "won": "passed",
        "promised": "skipped",  # no day was ever named
        "shipped": "passed",
        "delivered": "passed",
    }


async def test_a_lost_deal_and_a_blanket_deal_get_no_order(people: People) -> None:
    lead_id = await captured(people)
    lost = await people.rep.post("sales", "/v1/deals", {"lead_id": lead_id, "outcome": "lost", "lost_reasons": ["pricing"]})
    blanket = await sold(people, lead_id, blanket_order=True)
    ordinary = await sold(people, lead_id, lines=LINES)
    # Events of one lead keep their order, so when the last deal has its order, the others have been heard of.
    await order_of(people, ordinary["deal_id"])
    for deal in (lost, blanket):
        assert (await people.reader.get("distribution", "/v1/orders", {"deal_id": deal["deal_id"]}))["items"] == []


async def test_a_command_that_is_ahead_of_the_events_succeeds_when_it_is_repeated(stack: Stack, people: People) -> None:
    lead_id = str(new_id())
    headers = {"Authorization": f"Bearer {stack.run('token', 'issue', '--role', 'sales_rep', '--sub', 'rep', '--aud', 'sales').strip()}"}
    asked = {"lead_id": lead_id, "outcome": "won", "blanket_order": True}
    async with httpx2.AsyncClient(base_url=stack.profile["services"]["sales"]["url"], headers=headers) as http:
        key = {"Idempotency-Key": str(new_id())}
        early = await http.post("/v1/deals", json=asked, headers=key)
        assert (early.status_code, early.json()["code"]) == (409, "NOT_KNOWN_YET")
        assert int(early.headers["Retry-After"]) >= 1
        await people.form.post("marketing", "/v1/leads", {"lead_id": lead_id})
        await awaited(lambda: people.reader.get("sales", f"/v1/leads/{lead_id}"), lambda lead: lead["lead_id"] == lead_id)
        repeated = await http.post("/v1/deals", json=asked, headers=key)
        assert repeated.status_code == 201


async def test_one_correlation_id_leads_from_the_request_to_the_last_event(stack: Stack) -> None:
    correlation_id, lead_id = str(new_id()), str(new_id())
    token = stack.run("token", "issue", "--role", "importer", "--sub", "me", "--aud", "marketing").strip()
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": str(new_id()), "Correlation-Id": correlation_id}
    async with httpx2.AsyncClient() as http:
        address = f"{stack.profile['services']['marketing']['url']}/v1/leads"
        answer = await http.post(address, json=READY_TO_BUY | {"lead_id": lead_id}, headers=headers)
    assert answer.status_code == 201
    assert answer.headers["Correlation-Id"] == correlation_id
    generated, qualified = await read_event(stack, "lead-generated", lead_id), await read_event(stack, "lead-qualified", lead_id)
    assert generated["ce_correlationid"] == qualified["ce_correlationid"] == correlation_id
    assert qualified["ce_causationid"] == generated["ce_id"]
    assert UUID(generated["ce_id"]).version == 7


async def read_event(stack: Stack, topic: str, key: str) -> dict[str, str]:
    """The headers of the first event with that key, as any client of Kafka sees them; waits for it."""
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.profile["kafka"], auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, part) for part in range(PARTITIONS)])
        await consumer.seek_to_beginning()
        async for record in consumer:
            if record.key == key.encode():
                assert json.loads(record.value or b"{}")["lead_id"] == key
                return {name: value.decode() for name, value in record.headers}
    finally:
        await consumer.stop()
    raise AssertionError("unreachable: the consumer ends only with the test")
