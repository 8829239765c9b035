"""Commands that are faster than events: they are told to wait, and nothing depends on what arrives first."""

from __future__ import annotations

from typing import Any

import pytest

from baton.client import ApiError, Client
from shared.ids import new_id
from tests.e2e import steps
from tests.e2e.steps import LINES, QUALIFYING

COMMANDS: dict[str, tuple[str, dict[str, Any], int | None]] = {
    "deal": ("/v1/deals", {"outcome": "won", "lines": LINES}, None),
    "opportunity": ("/v1/opportunities", {}, None),
    "acceptance": ("/v1/leads/{lead_id}/accept", {}, 1),
}


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_command_for_a_lead_nobody_told_of_yet_succeeds_later_with_its_own_key(
    caller: Client, impatient: Client, command: str
) -> None:
    lead_id, key = str(new_id()), new_id()
    template, content, version = COMMANDS[command]
    path = template.format(lead_id=lead_id)
    body = content if command == "acceptance" else content | {"lead_id": lead_id}
    with pytest.raises(ApiError) as refused:
        await impatient.post("sales", path, body, key=key, if_match=version)
    assert (refused.value.status, refused.value.code) == (409, "NOT_KNOWN_YET")
    assert refused.value.retry_after
    with pytest.raises(ApiError) as missing:
        await impatient.get("sales", f"/v1/leads/{lead_id}")
    assert missing.value.status == 404

    await steps.capture(caller, "ahead", lead_id=lead_id, **QUALIFYING)
    if command == "acceptance":  # its version is of the offer, which comes of the lead
        version = (await steps.seen(caller, "sales", f"/v1/leads/{lead_id}/offer"))["version"]
    answer = await caller.post("sales", path, body, key=key, if_match=version)
    assert answer["lead_id"] == lead_id
    assert await caller.post("sales", path, body, key=key, if_match=version) == answer


async def test_a_bulk_command_says_which_of_its_items_came_too_early(caller: Client, impatient: Client) -> None:
    known, unknown = await steps.capture(caller, "ahead"), str(new_id())
    await steps.seen(caller, "sales", f"/v1/leads/{known}")
    items = [{"lead_id": lead_id, "outcome": "lost", "lost_reasons": ["budget"]} for lead_id in (unknown, known)]
    early, stored = (await impatient.post("sales", "/v1/deals/batch", {"items": items}))["items"]
    assert (early["status"], early["problem"]["code"]) == ("failed", "NOT_KNOWN_YET")
    assert stored["status"] == "created"


async def test_a_deal_that_races_the_decision_ends_where_the_slow_one_does(caller: Client) -> None:
    fast = await steps.capture(caller, "races", **QUALIFYING)
    await steps.close(caller, fast, outcome="won", blanket_order=True)
    slow = await steps.capture(caller, "races", **QUALIFYING)
    await steps.seen(caller, "handoff", f"/v1/journeys/{slow}", steps.is_at("routed"))
    await steps.seen(caller, "marketing", f"/v1/leads/{slow}", lambda told: told["lifecycle_stage"] == "mql")
    await steps.close(caller, slow, outcome="won", blanket_order=True)

    ends = []
    for lead_id in (fast, slow):
        journey = await steps.seen(
            caller,
            "handoff",
            f"/v1/journeys/{lead_id}",
            lambda told: told["state"] == "won" and steps.stages(told)["routed"] == "passed",
        )
        lead = await steps.seen(
            caller,
            "marketing",
            f"/v1/leads/{lead_id}",
            lambda told: (
                {step["stage"]: step["status"] for step in told["steps"]}["mql"] == "passed" and told["lifecycle_stage"] == "customer"
            ),
        )
        offer = await steps.seen(caller, "sales", f"/v1/leads/{lead_id}/offer")
        steps_taken = [(step["stage"], step["status"]) for step in lead["steps"]]
        ends.append((steps.stages(journey), journey["final"], lead["lifecycle_stage"], steps_taken, offer["status"]))
    assert ends[0] == ends[1]
