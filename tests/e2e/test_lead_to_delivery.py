"""Leads on their way through four services, by HTTP alone; what one service learns of another is waited for."""

from __future__ import annotations

from datetime import datetime

import pytest

from baton.client import Client
from tests.e2e import steps
from tests.e2e.steps import LINES, QUALIFYING


async def test_a_lead_goes_all_the_way_from_its_capture_to_its_delivery(caller: Client) -> None:
    lead_id = await steps.capture(caller, "story", **QUALIFYING, labels={"channel": "fair"})
    lead, journey = f"/v1/leads/{lead_id}", f"/v1/journeys/{lead_id}"

    explained = await steps.seen(caller, "handoff", f"{lead}/explain", lambda told: told["decision"] is not None)
    assert explained["decision"]["outcome"] == "qualified"
    await steps.seen(caller, "handoff", journey, steps.is_at("routed"))

    offer = await steps.seen(caller, "sales", f"{lead}/offer")
    assert offer["decision_id"] == explained["decision"]["decision_id"]
    await caller.post("sales", f"{lead}/accept", {}, if_match=offer["version"])
    await steps.seen(caller, "handoff", journey, steps.is_at("accepted"))
    assert (await steps.seen(caller, "marketing", lead, lambda told: told["lifecycle_stage"] == "sal"))["lead_id"] == lead_id

    opened = await caller.post("sales", "/v1/opportunities", {"lead_id": lead_id})
    opportunity = f"/v1/opportunities/{opened['opportunity_id']}"
    moved = await caller.post("sales", f"{opportunity}/stage", {"stage_code": "proposal"}, if_match=opened["version"])
    deal = await caller.post("sales", f"{opportunity}/win", {"lines": LINES}, if_match=moved["version"])
    assert deal["net_total"] == {"amount": "63.20", "currency": "EUR"}

    order = await steps.order_of(caller, deal["deal_id"])
    assert (order["lead_id"], order["order_value"]) == (lead_id, deal["net_total"])
    path = f"/v1/orders/{order['order_id']}"
    promised = await caller.post("distribution", f"{path}/promise", {"promise_date": "2030-01-15"}, if_match=order["version"])
    part = {"lines": [{"line_no": 1, "quantity": "2"}]}
    shipped = await caller.post("distribution", f"{path}/shipments", part, if_match=promised["version"])
    arrived = await caller.post("distribution", f"{path}/deliveries", part, if_match=shipped["version"])
    assert arrived["order_status"] == "shipped"
    await steps.seen(caller, "handoff", journey, steps.is_at("shipped"))
    shipped = await caller.post("distribution", f"{path}/shipments", {}, if_match=arrived["version"])
    arrived = await caller.post("distribution", f"{path}/deliveries", {}, if_match=shipped["version"])
    assert arrived["order_status"] == "delivered"

    fulfilment = f"/v1/deals/{deal['deal_id']}/fulfilment"
    fulfilled = await steps.seen(caller, "sales", fulfilment, lambda told: told["status"] == "delivered")
    assert [line["delivered"] for line in fulfilled["orders"][0]["lines"]] == ["3", "10"]
    complete = await steps.seen(caller, "handoff", journey, steps.is_at("delivered"))
    assert complete["final"]
    assert set(steps.stages(complete).values()) == {"passed"}
    times = [datetime.fromisoformat(stage["at"]) for stage in complete["stages"]]
    assert times == sorted(times)

    counted = await steps.seen(
        caller, "marketing", "/v1/metrics/funnel", lambda told: told["total"]["delivered"] == 1, source="story", by="channel"
    )
    (fair,) = counted["groups"]
    assert fair.pop("value") == "fair"
    assert str(fair.pop("conversion")) == "1.000000"
    assert set(fair.values()) == {1}
    assert (await caller.get("marketing", lead))["lifecycle_stage"] == "customer"


async def test_a_deal_without_a_decision_skips_what_it_did_not_need(caller: Client) -> None:
    lead_id = await steps.capture(caller, "direct")
    deal = await steps.close(caller, lead_id, outcome="won", lines=LINES, close_mode="direct_response")
    order = await steps.order_of(caller, deal["deal_id"])
    path = f"/v1/orders/{order['order_id']}"
    arrived = await caller.post("distribution", f"{path}/deliveries", {}, if_match=order["version"])
    assert arrived["order_status"] == "delivered"

    journey = await steps.seen(caller, "handoff", f"/v1/journeys/{lead_id}", steps.is_at("delivered"))
    assert journey["final"]
    assert steps.stages(journey) == {
        "captured": "passed",
        "qualified": "skipped",
        "routed": "skipped",
        "accepted": "skipped",
        "opportunity": "skipped",
        "won": "passed",
        "promised": "skipped",
        "shipped": "skipped",
        "delivered": "passed",
    }
    lead = await steps.seen(caller, "marketing", f"/v1/leads/{lead_id}", lambda told: told["lifecycle_stage"] == "customer")
    assert {step["status"] for step in lead["steps"]} == {"passed", "skipped"}


async def test_a_lost_deal_ends_the_journey_and_counts_for_nothing(caller: Client) -> None:
    lead_id = await steps.capture(caller, "losses", **QUALIFYING)
    lost = await steps.close(caller, lead_id, outcome="lost", lost_reasons=["pricing"])
    journey = await steps.seen(caller, "handoff", f"/v1/journeys/{lead_id}", steps.is_at("lost"))
    assert journey["final"]
    assert steps.stages(journey)["won"] == "open"
    assert await no_order(caller, lead_id, lost["deal_id"])
    counted = await caller.get("marketing", "/v1/metrics/funnel", {"source": "losses"})
    assert (counted["total"]["leads"], counted["total"]["won_deals"]) == (1, 1)


async def test_a_blanket_deal_is_won_and_gets_no_order(caller: Client) -> None:
    lead_id = await steps.capture(caller, "blankets", **QUALIFYING)
    blanket = await steps.close(caller, lead_id, outcome="won", blanket_order=True)
    assert (blanket["blanket_order"], blanket["net_total"]) == (True, None)
    journey = await steps.seen(caller, "handoff", f"/v1/journeys/{lead_id}", steps.is_at("won"))
    assert journey["final"]
    fulfilment = await caller.get("sales", f"/v1/deals/{blanket['deal_id']}/fulfilment")
    assert (fulfilment["status"], fulfilment["orders"]) == (None, [])
    assert await no_order(caller, lead_id, blanket["deal_id"])


@pytest.mark.parametrize("missing", ["lines", "reasons"])
async def test_a_deal_that_says_too_little_is_refused(caller: Client, missing: str) -> None:
    lead_id = await steps.capture(caller, "refusals")
    with pytest.raises(steps.ApiError) as refused:
        await steps.close(caller, lead_id, outcome="won" if missing == "lines" else "lost")
    assert refused.value.status == 422


async def no_order(caller: Client, lead_id: str, deal_id: str) -> bool:
    """Whether distribution has passed over this deal: it has an order for the next deal of the same lead, which it hears of later."""
    following = await steps.close(caller, lead_id, outcome="won", lines=LINES)
    await steps.order_of(caller, following["deal_id"])
    await steps.seen(caller, "marketing", f"/v1/leads/{lead_id}", lambda told: told["lifecycle_stage"] == "customer")
    return (await caller.get("distribution", "/v1/orders", {"deal_id": deal_id}))["items"] == []
