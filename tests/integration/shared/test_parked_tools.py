"""What an operator does with parked events over HTTP: who may, what it changes, what it leaves in the audit log."""

from __future__ import annotations

import asyncio
import base64
import itertools
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest

from shared.auth.access import AccessTable
from shared.auth.failures import Misconfigured
from shared.auth.tokens import TrustedIssuer, Verifier
from shared.db.transaction import Database
from shared.http import app as public
from shared.http import parked as routes
from shared.http.edge import Edge
from shared.ids import new_id
from shared.inbox.applying import Applier
from shared.inbox.decoding import Record
from shared.inbox.draining import Drain
from shared.runtime.service import Service
from tests import kit
from tests.integration.shared import traffic
from tests.integration.shared.test_parking import Refusing, applier, drained, log_of, rows, run

WHY = {"reason": "mended in test"}


def edge_of(database: Database, service: Service, keys: Path) -> Edge:
    issuer = TrustedIssuer(issuer=kit.ISSUER, jwks=str(keys / "public" / "jwks.json"), algorithms=frozenset({"ES256"}), max_lifetime=86400)
    access = AccessTable.load(service.folder / "access.yaml")
    return Edge(database, Verifier([issuer], service.name), access, b"a secret of at least thirty-two bytes")


@pytest.fixture
async def api(alone: Database, service: Service, keys: Path) -> AsyncIterator[kit.Api]:
    """The operators' routes on a database of their own."""
    transport = httpx2.ASGITransport(app=routes.application(edge_of(alone, service, keys)))
    async with httpx2.AsyncClient(transport=transport, base_url="http://internal") as client:
        yield kit.Api(service, client, keys)


class Site:
    """A service's inbox with bad events in it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.refusing = Refusing()
        self.applier: Applier = applier(database, self.refusing)
        self.drain = Drain(database, self.applier)

    async def park(self, subjects: Sequence[UUID], bad: set[UUID]) -> list[Record]:
        """An event of each subject named, in order; those of the bad ones are refused."""
        self.refusing.subjects = bad
        records, start = await log_of(self.database, subjects)
        await self.applier.apply(records, start)
        return records

    async def seen(self, subject: UUID) -> list[int]:
        return [one.sequence for one in await traffic.seen(self.database) if one.subject == subject]

    async def audit(self) -> list[Any]:
        return await rows(self.database, "audit_log")


@pytest.fixture
def site(alone: Database) -> Site:
    return Site(alone)


async def listed(api: kit.Api, **parameters: Any) -> list[dict[str, Any]]:
    answer = await api.get("/ops/parked", role="ops", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def test_a_retry_has_the_key_tried_in_order_and_says_who_and_why(api: kit.Api, site: Site) -> None:
    bad, good = new_id(), new_id()
    await site.park([bad, good, bad], {bad})
    first, behind = await listed(api)
    assert (first["error_code"], behind["error_code"], first["attempts"]) == ("ValueError", None, 0)
    assert (first["key"], first["state"], first["edited"]) == (str(bad), "open", False)
    assert await drained(site.drain) == 0
    site.refusing.subjects = set()
    key = new_id()
    answer = await api.post(f"/ops/parked/{first['id']}/retry", role="ops", sub="ann", json=WHY, key=key)
    assert answer.status_code == 200, answer.text
    assert await drained(site.drain) == 2
    assert await site.seen(bad) == [1, 2]
    assert {one["state"] for one in await listed(api)} == {"applied"}
    (said,) = await site.audit()
    assert (said.action, said.object_type, said.object_id) == ("parked.retry", "parked_event", str(first["id"]))
    assert (said.principal, said.reason, said.idempotency_key) == (f"{kit.ISSUER}#ann", "mended in test", key)
    assert said.token_jti
    assert said.trace_id == answer.headers["correlation-id"]
    assert said.fields == ["next_attempt_at"]


async def test_the_same_command_sent_again_changes_nothing_more(api: kit.Api, site: Site) -> None:
    bad = new_id()
    await site.park([bad], {bad})
    (one,) = await listed(api)
    key = new_id()
    answers = [await api.post(f"/ops/parked/{one['id']}/discard", role="ops", json=WHY, key=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content
    assert len(await site.audit()) == 1


async def test_an_edited_value_is_applied_and_the_bytes_that_came_stay(api: kit.Api, site: Site) -> None:
    subject = new_id()
    records, start = await log_of(site.database, [subject, subject])
    raw = b'{"lead_id": "\xff'
    await site.applier.apply([replace(records[0], value=raw), records[1]], start)
    broken, behind = await listed(api)
    assert (broken["error_class"], broken["next_attempt_at"], behind["error_code"]) == ("decode", None, None)
    value = (records[0].value or b"").decode()
    path = f"/ops/parked/{broken['id']}"
    edited = await api.post(f"{path}/edit", role="ops", json={"value": value, **WHY})
    assert edited.status_code == 200, edited.text
    assert edited.json()["edited"] is True
    assert await drained(site.drain) == 0  # a retry asks for it
    assert (await api.post(f"{path}/retry", role="ops", json=WHY)).status_code == 200
    assert await drained(site.drain) == 2
    assert await site.seen(subject) == [1, 2]
    whole = (await api.get(path, role="ops")).json()
    assert base64.b64decode(whole["raw_value"]) == raw
    assert base64.b64decode(whole["edited_value"]).decode() == value
    assert base64.b64decode(whole["raw_key"]).decode() == str(subject)
    assert dict(whole["raw_headers"])["ce_type"] == "lead-accepted"
    assert [said.action for said in await site.audit()] == ["parked.edit", "parked.retry"]


@pytest.mark.parametrize(("value", "code"), [("{", "NOT_JSON"), ("", "NOT_JSON"), ("[1]", "NOT_AN_OBJECT"), ('{"x": NaN}', "NOT_JSON")])
async def test_a_value_that_could_never_be_applied_is_refused(api: kit.Api, site: Site, value: str, code: str) -> None:
    bad = new_id()
    await site.park([bad], {bad})
    (one,) = await listed(api)
    kit.problem(await api.post(f"/ops/parked/{one['id']}/edit", role="ops", json={"value": value, **WHY}), 422, code, "/value")
    assert (await rows(site.database, "parked_event"))[0].edited_value is None
    assert await site.audit() == []


async def test_discarding_the_first_lets_the_walk_go_on_and_discarding_the_last_frees_the_key(api: kit.Api, site: Site) -> None:
    bad = new_id()
    await site.park([bad, bad, bad], {bad})
    first, second, third = await listed(api)
    await run(site.database, "UPDATE parked_key SET attempts = 4, next_attempt_at = NULL")
    assert (await api.post(f"/ops/parked/{third['id']}/discard", role="ops", json=WHY)).json()["state"] == "discarded"
    (key,) = await rows(site.database, "parked_key")
    assert (key.attempts, key.next_attempt_at) == (4, None)  # it was not what the key waits for
    await api.post(f"/ops/parked/{first['id']}/discard", role="ops", json=WHY)
    (key,) = await rows(site.database, "parked_key")
    assert key.attempts == 0
    assert await drained(site.drain) == 1  # the second is tried at once, and refused
    await api.post(f"/ops/parked/{second['id']}/discard", role="ops", json=WHY)
    assert await rows(site.database, "parked_key") == []
    site.refusing.subjects = set()
    records, _ = await log_of(site.database, [bad])
    positions = {("lead-accepted", 0): 2, ("lead-rejected", 0): 1}
    await site.applier.apply([one for one in records if positions[one.topic, 0] <= one.offset], positions)
    assert await site.seen(bad) == [4]


async def test_what_is_resolved_unknown_or_without_a_key_is_refused_with_a_code(api: kit.Api, site: Site) -> None:
    subject = new_id()
    records, start = await log_of(site.database, [subject, new_id()])
    keyless = replace(records[0], key=b"\xff", value=b"{}")
    await site.applier.apply([keyless, records[1]], start)
    (one,) = await listed(api)
    assert one["key"] is None
    body = {"value": "{}", **WHY}
    for verb in ("retry", "edit"):
        sent = body if verb == "edit" else WHY
        kit.problem(await api.post(f"/ops/parked/{one['id']}/{verb}", role="ops", json=sent), 409, "NOT_RETRYABLE")
        kit.problem(await api.post(f"/ops/parked/999999/{verb}", role="ops", json=sent), 404, "NOT_FOUND")
    kit.problem(await api.get("/ops/parked/999999", role="ops"), 404, "NOT_FOUND")
    kit.problem(await api.get("/ops/parked/0", role="ops"), 422, "INVALID_CONTENT")
    kit.problem(await api.get("/ops/nothing", role="ops"), 404, "NO_SUCH_ROUTE")
    assert (await api.post(f"/ops/parked/{one['id']}/discard", role="ops", json=WHY)).status_code == 200
    for verb in ("retry", "edit", "discard"):
        sent = body if verb == "edit" else WHY
        kit.problem(await api.post(f"/ops/parked/{one['id']}/{verb}", role="ops", json=sent), 409, "ALREADY_RESOLVED")
    assert [said.action for said in await site.audit()] == ["parked.discard"]


@pytest.mark.parametrize("reason", [None, "", "   ", "a\x00b", "x" * 501])
async def test_nothing_is_changed_without_a_reason(api: kit.Api, site: Site, reason: str | None) -> None:
    bad = new_id()
    await site.park([bad], {bad})
    (one,) = await listed(api)
    body = {} if reason is None else {"reason": reason}
    for path in (f"/ops/parked/{one['id']}/discard", "/ops/parked/retry"):
        answer = await api.post(path, role="ops", json=body)
        assert answer.status_code == 422, answer.text
    assert await site.audit() == []
    assert (await listed(api))[0]["state"] == "open"


async def test_lists_are_filtered_and_read_page_by_page(api: kit.Api, site: Site) -> None:
    bad = [new_id() for _ in range(5)]
    await site.park(bad * 2, set(bad))
    everything = await listed(api)
    assert len(everything) == 10
    assert [one["id"] for one in everything] == sorted(one["id"] for one in everything)
    filters: list[tuple[dict[str, Any], int]] = [
        ({"key": str(bad[0])}, 2),
        ({"topic": "lead-accepted"}, sum(one["topic"] == "lead-accepted" for one in everything)),
        ({"error_code": "ValueError"}, 5),
        ({"error_code": "BEHIND"}, 5),
        ({"state": "applied"}, 0),
        ({"older_than": 0}, 10),
        ({"older_than": 60}, 0),
    ]
    for parameters, count in filters:
        assert len(await listed(api, **parameters)) == count, parameters
    pages: list[list[int]] = []
    following: dict[str, Any] | None = {}
    while following is not None:
        page = (await api.get("/ops/parked", role="ops", params={"page_size": 3} | following)).json()
        pages.append([one["id"] for one in page["items"]])
        following = {"cursor": page["next"]} if page["next"] else None
    assert list(itertools.chain.from_iterable(pages)) == [one["id"] for one in everything]
    assert [len(page) for page in pages] == [3, 3, 3, 1]
    kit.problem(await api.get("/ops/parked", role="ops", params={"state": "lost"}), 422, "INVALID_CONTENT")
    kit.problem(await api.get("/ops/parked", role="ops", params={"cursor": "AAAA"}), 400, "INVALID_CURSOR")


async def test_many_are_retried_at_a_rate_and_a_dry_run_only_counts(api: kit.Api, site: Site) -> None:
    bad = [new_id() for _ in range(6)]
    records, start = await log_of(site.database, [*bad, *bad[:3]])
    site.refusing.subjects = set(bad[1:])
    await site.applier.apply([replace(records[0], value=b"{}"), *records[1:]], start)
    assert len(await listed(api)) == 9
    body = {"error_code": "ValueError", "rate": 2}
    counted = (await api.post("/ops/parked/retry", role="ops", json={**body, "dry_run": True})).json()
    assert counted == {"events": 5, "keys": 5, "last_at": None}
    assert await site.audit() == []
    site.refusing.subjects = set()
    assert await drained(site.drain) == 0
    answer = (await api.post("/ops/parked/retry", role="ops", json={**body, **WHY})).json()
    assert (answer["events"], answer["keys"]) == (5, 5)
    due = [row.next_attempt_at for row in await rows(site.database, "parked_key") if row.key != str(bad[0])]
    first = min(due)
    assert sorted((one - first).total_seconds() for one in due) == [0, 0.5, 1, 1.5, 2]
    await run(site.database, "UPDATE parked_key SET next_attempt_at = now() WHERE next_attempt_at IS NOT NULL")
    assert await drained(site.drain) == 7  # with the followers of two of them; the one of no schema waits on
    assert {one["key"] for one in await listed(api, state="open")} == {str(bad[0])}
    (said,) = await site.audit()
    assert (said.action, said.object_id) == ("parked.retry_many", "error_code=ValueError")
    nothing = await api.post("/ops/parked/retry", role="ops", json={"topic": "no-such", **WHY})
    assert nothing.json() == {"events": 0, "keys": 0, "last_at": None}


async def test_an_operator_waits_for_the_drain_and_then_finds_the_event_resolved(api: kit.Api, site: Site) -> None:
    bad = new_id()
    await site.park([bad], {bad})
    (one,) = await listed(api)
    async with site.database.engine.connect() as connection, connection.begin():
        await connection.exec_driver_sql("SELECT 1")
        await connection.exec_driver_sql(f"SELECT FROM parked_key WHERE key = '{bad}' FOR UPDATE")
        asking = asyncio.create_task(api.post(f"/ops/parked/{one['id']}/discard", role="ops", json=WHY))
        await asyncio.wait({asking}, timeout=0.3)
        assert not asking.done()
        await connection.exec_driver_sql(f"UPDATE parked_event SET state = 'applied', resolved_at = now() WHERE id = {one['id']}")
        await connection.exec_driver_sql("DELETE FROM parked_key")
    kit.problem(await asking, 409, "ALREADY_RESOLVED")


async def test_the_positions_are_told(api: kit.Api, site: Site) -> None:
    await site.park([new_id(), new_id()], set())
    answer = await api.get("/ops/offsets", role="ops")
    assert answer.json() == {
        "items": [{"topic": "lead-accepted", "part": 0, "next_offset": 1}, {"topic": "lead-rejected", "part": 0, "next_offset": 1}]
    }


async def test_every_route_answers_every_role_as_the_table_says(api: kit.Api, service: Service) -> None:
    table = AccessTable.load(service.folder / "access.yaml")
    served = {f"{method} {path}": route.requirement.scope for method, path, route in public.routes([routes.router], routes.PREFIX)}
    assert served == dict(table.internal)
    for route, scope in served.items():
        method, _, template = route.partition(" ")
        path = re.sub(r"{\w+}", "1", template)
        kit.problem(await api.call(method, path), 401, "INVALID_TOKEN")
        for role in (*table.roles, "nobody"):
            answer = await api.call(method, path, role=role, json=None if method == "GET" else {})
            assert (answer.status_code != 403) == (scope in table.scopes_of([role])), (route, role)
            assert answer.status_code < 500


def test_a_table_that_says_otherwise_does_not_start(alone: Database, service: Service, keys: Path) -> None:
    edge = edge_of(alone, service, keys)
    for internal in ({}, {**edge.access.internal, "GET /ops/secrets": "parked:read"}, {**edge.access.internal, "GET /ops/offsets": "x:y"}):
        with pytest.raises(Misconfigured, match="internal"):
            routes.application(replace(edge, access=replace(edge.access, internal=internal)))


async def test_the_routes_document_themselves(api: kit.Api) -> None:
    document = (await api.get("/openapi.json")).json()
    served = AccessTable.load(api.service.folder / "access.yaml").internal
    assert set(document["paths"]) == {path.partition(" ")[2] for path in served}
