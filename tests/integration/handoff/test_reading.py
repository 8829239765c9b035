"""Decisions, explanations and journeys over HTTP."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from shared.db.transaction import Database
from shared.events.language import Received
from shared.ids import new_id
from tests.integration.handoff.conftest import hand_over
from tests.kit import Api, problem
from tests.unit.handoff.factories import NOON, make_accepted, make_closed, make_generated, make_promising, receive


async def committed(database: Database, *received: Received[Any]) -> None:
    async with database.transaction() as tx:
        await hand_over(tx, received)


@pytest.fixture
async def qualified(in_force: Database) -> UUID:
    """A qualified lead."""
    lead_id = new_id()
    await committed(in_force, receive(make_promising(lead_id)))
    return lead_id


async def test_a_decision_is_read_by_lead_and_by_id(api: Api, qualified: UUID):
    page = (await api.get(f"/v1/decisions?lead_id={qualified}", role="reader")).json()
    (listed,) = page["items"]
    assert (listed["outcome"], listed["lead_id"], page["next"]) == ("qualified", str(qualified), None)
    shown = await api.get(f"/v1/decisions/{listed['decision_id']}", role="reader")
    assert (shown.status_code, shown.json(), shown.headers["etag"]) == (200, listed, '"v1"')
    for axis, score in (("fit", "fit_score"), ("engagement", "engagement_score")):
        assert sum(Decimal(part["points"]) for part in listed["contributions"] if part["axis"] == axis) == Decimal(listed[score])


async def test_decisions_are_listed_by_outcome(api: Api, in_force: Database, qualified: UUID):
    cold = new_id()
    await committed(in_force, receive(make_generated(cold)))
    page = (await api.get("/v1/decisions?outcome=nurture&page_size=200", role="reader")).json()
    assert str(cold) in {one["lead_id"] for one in page["items"]}
    assert {one["outcome"] for one in page["items"]} == {"nurture"}


async def test_an_explanation_shows_every_rule_input_and_the_routing(api: Api, in_force: Database, qualified: UUID):
    explained = (await api.get(f"/v1/leads/{qualified}/explain", role="account_manager")).json()
    rule_set = (await api.get(f"/v1/rule-sets/{explained['decision']['rule_set_id']}", role="reader")).json()
    assert [(rule["rule_code"], rule["when"]) for rule in explained["rules"]] == [
        (rule["code"], rule["when"]) for rule in rule_set["rules"]
    ]
    assert {rule["matched"] for rule in explained["rules"]} <= {True, False}
    assert {one["name"] for one in explained["inputs"]} >= {"lead.country", "lead.expected_value", "text"}
    assert all(one["source_event_id"] for one in explained["inputs"])
    assert explained["routing"]["reason_codes"] == ["no_roster", "default_queue"]
    assert explained["terms"] == rule_set["terms"]
    assert (explained["nothing_decided_because"], explained["not_routed_because"]) == (None, None)


async def test_a_journey_shows_stages_and_events(api: Api, in_force: Database, qualified: UUID):
    await committed(in_force, receive(make_closed(qualified, new_id()), sequence=2, at=NOON + timedelta(days=4)))
    journey = (await api.get(f"/v1/journeys/{qualified}", role="reader")).json()
    assert (journey["journey_id"], journey["state"], journey["final"]) == (str(qualified), "won", False)
    assert {stage["stage"]: stage["status"] for stage in journey["stages"]} == {
        "captured": "passed",
        "qualified": "passed",
        "routed": "passed",
        "accepted": "skipped",
        "opportunity": "skipped",
        "won": "passed",
        "promised": "open",
        "shipped": "open",
        "delivered": "open",
    }
    assert [stage["status"] for stage in journey["funnel"]] == ["passed"] * 4
    times = [event["occurred_at"] for event in journey["events"]]
    assert times == sorted(times)
    assert {event["event"] for event in journey["events"]} == {"lead-generated", "lead-qualified", "lead-routed", "deal-closed"}


async def test_a_journey_may_begin_before_its_lead_is_announced(api: Api, in_force: Database):
    lead_id = new_id()
    await committed(in_force, receive(make_accepted(lead_id)))
    journey = (await api.get(f"/v1/journeys/{lead_id}", role="reader")).json()
    assert (journey["state"], journey["stages"][0]["status"]) == ("accepted", "skipped")


async def test_journeys_are_listed_by_stage_page_by_page(api: Api, in_force: Database):
    mine = [new_id() for _ in range(5)]
    await committed(in_force, *(receive(make_promising(lead_id)) for lead_id in mine))
    await committed(in_force, *(receive(make_closed(lead_id, new_id())) for lead_id in mine[:3]))
    won: list[str] = []
    cursor = ""
    while True:
        page = (await api.get(f"/v1/journeys?stage=won&page_size=2{cursor}", role="reader")).json()
        won += [one["journey_id"] for one in page["items"]]
        assert all(one["state"] == "won" for one in page["items"])
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert len(won) == len(set(won))
    assert {str(lead_id) for lead_id in mine} & set(won) == {str(lead_id) for lead_id in mine[:3]}


@pytest.mark.parametrize("path", ["/v1/decisions/{id}", "/v1/leads/{id}/explain", "/v1/journeys/{id}"])
async def test_what_is_not_known_is_not_found(api: Api, path: str):
    problem(await api.get(path.format(id=new_id()), role="reader"), 404, "NOT_FOUND")
    assert (await api.get(path.format(id="seven"), role="reader")).status_code == 422
    problem(await api.get(path.format(id=new_id()), role="rules_editor"), 403, "SCOPE_MISSING")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/decisions?lead_id=seven", "lead_id"),
        ("/v1/decisions?outcome=hopeless", "outcome"),
        ("/v1/decisions?page_size=0", "page_size"),
        ("/v1/journeys?stage=lost_in_space", "stage"),
    ],
)
async def test_a_filter_that_makes_no_sense_is_refused(api: Api, path: str, field: str):
    problem(await api.get(path, role="reader"), 422, "INVALID_CONTENT", field)


@pytest.mark.parametrize("path", ["/v1/decisions", "/v1/journeys"])
async def test_a_forged_cursor_is_refused(api: Api, path: str):
    problem(await api.get(f"{path}?cursor=forged", role="reader"), 400, "INVALID_CURSOR")
