"""What Baton is for, told by its users: from the first contact to the delivered order, and the ways that leave the road."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import httpx2
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from baton.client import ApiError
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
    await people.form.put("marketing", "/v1/sources/fair", {"name": "Fair", "time_zone": "Europe/Berlin"})
    lead_id = await captured(people, source="fair", external_id="1", labels={"hall": "north"})
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
    await assert_counted_once(people, "fair", by="hall")
    why = await people.reader.get("handoff", f"/v1/leads/{lead_id}/explain")
    assert why["decision"]["outcome"] == "qualified"
    scores = {axis: sum(float(rule["points"]) for rule in why["rules"] if rule["axis"] == axis) for axis in ("fit", "engagement")}
    assert scores == {"fit": float(why["decision"]["fit_score"]), "engagement": float(why["decision"]["engagement_score"])}


async def assert_counted_once(people: People, source: str, by: str) -> None:
    """The only lead of the source is counted at every step of marketing's funnel."""
    counted = await awaited(
        lambda: people.reader.get("marketing", "/v1/metrics/funnel", {"source": source, "by": by}),
        lambda found: found["total"]["delivered"],
    )
    (group,) = counted["groups"]
    assert {name: str(figure) for name, figure in group.items()} == {
        "value": "north",
        "conversion": "1.000000",
        **dict.fromkeys(("leads", "qualified", "accepted", "opportunities", "customers", "won_deals", "delivered"), "1"),
    }


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


async def test_a_lost_deal_ends_the_journey(people: People) -> None:
    lead_id = await captured(people)
    await people.rep.post("sales", "/v1/deals", {"lead_id": lead_id, "outcome": "lost", "lost_reasons": ["pricing"]})
    found = await awaited(lambda: people.reader.get("handoff", f"/v1/journeys/{lead_id}"), lambda found: found["state"] == "lost")
    assert found["final"]
    assert stages(found)["won"] == "open"


async def test_a_blanket_deal_is_won_and_has_nothing_to_deliver(people: People) -> None:
    lead_id = await captured(people)
    deal = await sold(people, lead_id, blanket_order=True)
    assert (await journey(people, lead_id, "won"))["final"]
    fulfilment = await people.reader.get("sales", f"/v1/deals/{deal['deal_id']}/fulfilment")
    assert (deal["net_total"], fulfilment["status"], fulfilment["orders"]) == (None, None, [])


async def test_a_deal_that_races_the_decision_ends_where_the_slow_one_does(people: People) -> None:
    fast = await captured(people)
    await sold(people, fast, blanket_order=True)
    slow = await captured(people)
    await journey(people, slow, "routed")
    await sold(people, slow, blanket_order=True)
    ends: list[Any] = []
    for lead_id in (fast, slow):
        await journey(people, lead_id, "routed")
        found = await journey(people, lead_id, "won")
        lead = await awaited(lambda: people.reader.get("marketing", f"/v1/leads/{lead_id}"), is_customer_after_mql)  # noqa: B023  awaited here
        offer = await awaited(lambda: people.rep.get("sales", f"/v1/leads/{lead_id}/offer"), bool)  # noqa: B023
        steps = [(step["stage"], step["status"]) for step in lead["steps"]]
        ends.append((stages(found), found["state"], found["final"], steps, offer["status"]))
    assert ends[0] == ends[1]


def is_customer_after_mql(lead: dict[str, Any]) -> bool:
    """Whether marketing has heard of both the decision and the deal."""
    return {("mql", "passed"), ("customer", "passed")} <= {(step["stage"], step["status"]) for step in lead["steps"]}


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


@pytest.mark.parametrize("command", ["opportunities", "acceptance", "deals in bulk"])
async def test_every_command_about_a_lead_may_be_ahead_of_it(stack: Stack, people: People, command: str) -> None:
    lead_id = str(new_id())
    path, content, version = {
        "opportunities": ("/v1/opportunities", {"lead_id": lead_id}, None),
        "acceptance": (f"/v1/leads/{lead_id}/accept", {}, 1),
        "deals in bulk": ("/v1/deals/batch", {"items": [{"lead_id": lead_id, "outcome": "lost", "lost_reasons": ["budget"]}]}, None),
    }[command]
    async with stack.client("rep", {"sales": ["sales_rep"]}, patience=0) as hasty:
        if command == "deals in bulk":
            (early,) = (await hasty.post("sales", path, content))["items"]
            assert (early["status"], early["problem"]["code"]) == ("failed", "NOT_KNOWN_YET")
        else:
            with pytest.raises(ApiError) as refused:
                await hasty.post("sales", path, content, if_match=version)
            assert (refused.value.status, refused.value.code) == (409, "NOT_KNOWN_YET")
    await captured(people, lead_id=lead_id)
    offer = await awaited(lambda: people.rep.get("sales", f"/v1/leads/{lead_id}/offer"), bool)
    answer = await people.rep.post("sales", path, content, if_match=offer["version"] if version else None)
    assert answer["items"][0]["status"] == "created" if command == "deals in bulk" else answer["lead_id"] == lead_id


async def test_one_correlation_id_leads_from_the_request_to_the_last_event(stack: Stack, people: People) -> None:
    lead_id, of_lead, of_deal = str(new_id()), str(new_id()), str(new_id())
    answer, again = await posted_twice(
        stack, "marketing", "/v1/leads", READY_TO_BUY | {"lead_id": lead_id}, role="importer", correlation_id=of_lead
    )
    assert (answer.status_code, answer.headers["Correlation-Id"]) == (201, of_lead)
    assert (again.status_code, again.content, again.headers["Idempotency-Replayed"]) == (201, answer.content, "true")
    generated, qualified = await read_event(stack, "lead-generated", lead_id), await read_event(stack, "lead-qualified", lead_id)
    assert generated["ce_correlationid"] == qualified["ce_correlationid"] == of_lead
    assert qualified["ce_causationid"] == generated["ce_id"]
    assert UUID(generated["ce_id"]).version == 7

    await awaited(lambda: people.reader.get("sales", f"/v1/leads/{lead_id}"), bool)
    asked = {"lead_id": lead_id, "outcome": "won", "lines": LINES}
    answer, again = await posted_twice(stack, "sales", "/v1/deals", asked, role="sales_rep", correlation_id=of_deal)
    assert (answer.status_code, again.content) == (201, answer.content)
    closed, ordered = await read_event(stack, "deal-closed", lead_id), await read_event(stack, "order-promised", lead_id)
    assert closed["ce_correlationid"] == ordered["ce_correlationid"] == of_deal
    assert ordered["ce_causationid"] == closed["ce_id"]


async def posted_twice(
    stack: Stack, service: str, path: str, content: dict[str, Any], *, role: str, correlation_id: str
) -> tuple[httpx2.Response, httpx2.Response]:
    """The answers to one request that is sent a second time, as the first calls of a newcomer are: address and token by command."""
    token = stack.run("token", "issue", "--role", role, "--sub", "me", "--aud", service).strip()
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": str(new_id()), "Correlation-Id": correlation_id}
    async with httpx2.AsyncClient(base_url=stack.run("url", service).strip(), headers=headers) as http:
        return await http.post(path, json=content), await http.post(path, json=content)


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
