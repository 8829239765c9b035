"""Taking and refusing leads over HTTP."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import select

from services.sales.offers import usecases
from services.sales.offers.tables import answers
from shared.db.transaction import Database, Transaction
from shared.events.sales.offers import LeadAccepted, LeadRejected
from shared.ids import new_id
from tests import kit
from tests.integration.sales import steps
from tests.unit.sales import examples


async def test_accepting_emits_one_event_and_keeps_the_answer(tx: Transaction):
    lead_id = new_id()
    await steps.apply(tx, [kit.received(examples.routed(lead_id))])
    cause = kit.cause(roles=["sales_rep"])
    offer = await usecases.accept_lead(tx, lead_id, expected=1, cause=cause)
    (emitted,) = tx.emitted
    assert isinstance(emitted.event, LeadAccepted)
    assert (emitted.event.accepted_by_id, emitted.cause.at) == (cause.actor.user_id, cause.at)
    assert (offer.status, offer.version) == ("accepted", 2)
    (answer,) = await tx.all(select(answers).where(answers.c.lead_id == lead_id))
    assert (answer.answer, answer.routing_id, answer.occurred_at) == ("accepted", offer.routing_id, cause.at)


async def test_a_lead_in_a_queue_is_taken_by_whoever_comes(api: kit.Api, database: Database):
    lead_id = await steps.offered_lead(database)
    offer = await api.get(f"/v1/leads/{lead_id}/offer", role="sales_rep", sub="anna")
    assert (offer.json()["status"], offer.headers["ETag"]) == ("open", '"v1"')
    taken = await api.post(f"/v1/leads/{lead_id}/accept", role="sales_rep", sub="anna", if_match=1, json={})
    assert taken.status_code == 200
    assert (taken.json()["assignee_id"], taken.headers["ETag"]) == (str(steps.user("anna")), '"v2"')
    (event,) = await steps.published(database, "lead-accepted", lead_id)
    assert str(steps.user("anna")) in event


async def test_an_offer_to_another_person_is_not_found(api: kit.Api, database: Database):
    lead_id = await steps.offered_lead(database, assignee_id=steps.user("anna"))
    kit.problem(await api.get(f"/v1/leads/{lead_id}/offer", role="sales_rep", sub="ben"), 404, "NOT_FOUND")
    kit.problem(await api.post(f"/v1/leads/{lead_id}/accept", role="sales_rep", sub="ben", if_match=1, json={}), 404, "NOT_FOUND")
    rejection = {"reason_code": "no_need"}
    kit.problem(await api.post(f"/v1/leads/{lead_id}/reject", role="sales_rep", sub="ben", if_match=1, json=rejection), 404, "NOT_FOUND")
    assert (await api.post(f"/v1/leads/{lead_id}/accept", role="sales_manager", sub="chief", if_match=1, json={})).status_code == 200


async def test_an_unknown_lead_or_a_lead_without_offer_is_not_known_yet(api: kit.Api, database: Database):
    for lead_id in (steps.unknown(), await steps.known_lead(database)):
        for verb, body in (("accept", {}), ("reject", {"reason_code": "no_need"})):
            answer = await api.post(f"/v1/leads/{lead_id}/{verb}", role="sales_rep", if_match=1, json=body)
            kit.problem(answer, 409, "NOT_KNOWN_YET")
            assert answer.headers["Retry-After"]
        kit.problem(await api.get(f"/v1/leads/{lead_id}/offer", role="sales_rep"), 404, "NOT_FOUND")


@pytest.mark.parametrize(("verb", "body"), [("accept", {}), ("reject", {"reason_code": "no_need"})])
async def test_an_answered_offer_cannot_be_answered_again(api: kit.Api, database: Database, verb: str, body: steps.Json):
    lead_id = await steps.offered_lead(database)
    await api.post(f"/v1/leads/{lead_id}/accept", role="sales_rep", if_match=1, json={})
    answer = await api.post(f"/v1/leads/{lead_id}/{verb}", role="sales_rep", if_match=2, json=body)
    kit.problem(answer, 409, "OFFER_ALREADY_ANSWERED")
    assert len(await steps.published(database, "lead-accepted", lead_id)) == 1


@pytest.mark.parametrize(("verb", "body"), [("accept", {}), ("reject", {"reason_code": "no_need"})])
async def test_an_answer_needs_the_version_that_was_seen(api: kit.Api, database: Database, verb: str, body: steps.Json):
    lead_id = await steps.offered_lead(database)
    path = f"/v1/leads/{lead_id}/{verb}"
    kit.problem(await api.post(path, role="sales_rep", json=body), 428, "IF_MATCH_REQUIRED")
    stale = await api.post(path, role="sales_rep", if_match=7, json=body)
    kit.problem(stale, 412, "STALE")
    assert stale.headers["ETag"] == '"v1"'


async def test_the_same_key_gives_the_same_answer_and_another_body_is_refused(api: kit.Api, database: Database):
    lead_id = await steps.offered_lead(database)
    key, path = new_id(), f"/v1/leads/{lead_id}/accept"
    first = await api.post(path, role="sales_rep", if_match=1, key=key, json={})
    again = await api.post(path, role="sales_rep", if_match=1, key=key, json={})
    assert (again.status_code, again.content, again.headers["Idempotency-Replayed"]) == (200, first.content, "true")
    other = await api.post(path, role="sales_rep", if_match=1, key=key, json={"occurred_at": "2026-01-01T00:00:00Z"})
    kit.problem(other, 422, "IDEMPOTENCY_KEY_REUSED")
    assert len(await steps.published(database, "lead-accepted", lead_id)) == 1


@pytest.mark.parametrize(
    ("verb", "body", "field"),
    [
        ("accept", {"by": "me"}, "/by"),
        ("accept", {"occurred_at": "yesterday"}, "/occurred_at"),
        ("accept", {"occurred_at": "2026-01-01T00:00:00"}, "/occurred_at"),
        ("reject", {}, "/reason_code"),
        ("reject", {"reason_code": "ugly"}, "/reason_code"),
        ("reject", {"reason_code": 3}, "/reason_code"),
        ("reject", {"reason_code": "no_need", "why": "so"}, "/why"),
        ("reject", {"reason_code": "other", "note": ""}, "/note"),
        ("reject", {"reason_code": "no_need", "suggested_disposition": "forget"}, "/suggested_disposition"),
    ],
)
async def test_a_wrong_answer_names_the_field(api: kit.Api, database: Database, verb: str, body: steps.Json, field: str):
    lead_id = await steps.offered_lead(database)
    kit.problem(await api.post(f"/v1/leads/{lead_id}/{verb}", role="sales_rep", if_match=1, json=body), 422, "INVALID_CONTENT", field)


async def test_the_future_and_an_other_without_note_are_refused(api: kit.Api, database: Database):
    lead_id = await steps.offered_lead(database)
    path = f"/v1/leads/{lead_id}/reject"
    future = {"reason_code": "no_need", "occurred_at": "2999-01-01T00:00:00Z"}
    kit.problem(await api.post(path, role="sales_rep", if_match=1, json=future), 422, "OCCURRED_IN_FUTURE", "/occurred_at")
    kit.problem(await api.post(path, role="sales_rep", if_match=1, json={"reason_code": "other"}), 422, "NOTE_REQUIRED", "/note")


async def test_a_rejection_keeps_its_note_in_sales(api: kit.Api, database: Database):
    lead_id = await steps.offered_lead(database)
    body = {"reason_code": "other", "note": "Knows our boss.", "occurred_at": "2026-01-05T10:00:00+01:00"}
    answer = await api.post(f"/v1/leads/{lead_id}/reject", role="sales_rep", if_match=1, json=body)
    assert answer.json()["status"] == "rejected"
    assert "boss" not in answer.text
    (event,) = await steps.published(database, "lead-rejected", lead_id)
    assert "boss" not in event
    async with database.transaction() as tx:
        (kept,) = await tx.all(select(answers).where(answers.c.lead_id == lead_id))
    assert kept.note == "Knows our boss."
    assert str(kept.note_id) in event
    assert '"rejected_at":"2026-01-05T09:00:00Z"' in event


async def test_a_refused_lead_that_is_routed_again_is_open_again(tx: Transaction):
    lead_id = new_id()
    await steps.apply(tx, [kit.received(examples.routed(lead_id))])
    cause = kit.cause(roles=["sales_rep"])
    reason = usecases.domain.Reason(reason_code="bad_timing")
    await usecases.reject_lead(tx, lead_id, reason, expected=1, cause=cause)
    await steps.apply(tx, [kit.received(examples.routed(lead_id, attempt=2))])
    offer = await usecases.accept_lead(tx, lead_id, expected=3, cause=cause)
    assert (offer.status, offer.attempt) == ("accepted", 2)
    assert [type(emitted.event) for emitted in tx.emitted] == [LeadRejected, LeadAccepted]


async def test_the_list_of_offers_shows_ones_own_and_the_queue(api: kit.Api, database: Database):
    mine = await steps.offered_lead(database, assignee_id=steps.user("carla"))
    queued = await steps.offered_lead(database)
    others = await steps.offered_lead(database, assignee_id=steps.user("dora"))

    async def seen(**who: str) -> set[UUID]:
        found: set[UUID] = set()
        cursor: str | None = ""
        while cursor is not None:
            page = (
                await api.get("/v1/offers", params={"status": "open", "page_size": 2} | ({"cursor": cursor} if cursor else {}), **who)
            ).json()
            ids = {UUID(item["lead_id"]) for item in page["items"]}
            assert not ids & found
            found |= ids
            cursor = page.get("next")
        return found

    assert {mine, queued, others} & await seen(role="sales_rep", sub="carla") == {mine, queued}
    assert {mine, queued, others} <= await seen(role="sales_manager", sub="chief")
    kit.problem(await api.get("/v1/offers", role="sales_rep", params={"status": "gone"}), 422, "INVALID_CONTENT", "status")
    kit.problem(await api.get("/v1/offers", role="sales_rep", params={"cursor": "x"}), 400, "INVALID_CURSOR")


@pytest.mark.parametrize("role", ["reader", "key_account_manager", "lead_source"])
async def test_answering_needs_the_scope(api: kit.Api, database: Database, role: str):
    lead_id = await steps.offered_lead(database)
    kit.problem(await api.post(f"/v1/leads/{lead_id}/accept", role=role, if_match=1, json={}), 403, "SCOPE_MISSING")
