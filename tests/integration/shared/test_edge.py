"""The edge: what every request gets, whatever the service."""

from __future__ import annotations

from shared.ids import new_id
from tests import kit


async def test_a_write_answers_with_its_version(api: kit.Api) -> None:
    response = await api.post("/v1/notes", role="writer", json={"text": "hello"})
    assert response.status_code == 201, response.text
    assert response.headers["ETag"] == '"v1"'


async def test_the_same_key_gives_the_same_bytes_and_one_effect(api: kit.Api) -> None:
    key = new_id()
    note = {"text": "once", "note_id": str(new_id())}
    first = await api.post("/v1/notes", role="writer", json=note, key=key)
    again = await api.post("/v1/notes", role="writer", json=note, key=key)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["ETag"] == first.headers["ETag"]
    kit.problem(await api.post("/v1/notes", role="writer", json=note | {"text": "other"}, key=key), 422, "IDEMPOTENCY_KEY_REUSED")


async def test_bad_requests_have_their_codes(api: kit.Api) -> None:
    kit.problem(await api.post("/v1/notes", json={"text": "x"}), 401, "INVALID_TOKEN")
    kit.problem(await api.post("/v1/notes", role="reader", json={"text": "x"}), 403, "SCOPE_MISSING")
    kit.problem(
        await api.post("/v1/notes", role="writer", content=b"{", headers={"content-type": "application/json"}), 400, "MALFORMED_JSON"
    )
    kit.problem(await api.post("/v1/notes", role="writer", json={"text": 3}), 422, "INVALID_CONTENT", "/text")
    kit.problem(await api.post("/v1/notes", role="writer", json={"text": "x", "more": 1}), 422, "INVALID_CONTENT", "/more")
    kit.problem(await api.post("/v1/notes", role="writer", json={"text": "x" * 300_000}), 413, "BODY_TOO_LARGE")
    kit.problem(
        await api.call("POST", "/v1/notes", role="writer", json={"text": "x"}, headers={"Idempotency-Key": "1"}),
        400,
        "MALFORMED_IDEMPOTENCY_KEY",
    )
    kit.problem(await api.get(f"/v1/notes/{new_id()}", role="reader"), 404, "NOT_FOUND")
    kit.problem(await api.get("/v1/nothing", role="reader"), 404, "NO_SUCH_ROUTE")
    refused = await api.call("DELETE", "/v1/notes", role="reader")
    kit.problem(refused, 405, "METHOD_NOT_ALLOWED")
    assert refused.headers["Allow"] == "GET, POST"
    kit.problem(await api.post("/v1/notes", role="writer", json={"text": "break"}), 500, "INTERNAL")


async def test_lists_page_through_all(api: kit.Api) -> None:
    for n in range(5):
        await api.post("/v1/notes", role="writer", json={"text": f"note {n}"})
    seen, cursor = [], None
    while True:
        page = (await api.get("/v1/notes", role="reader", params={"page_size": 2} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [item["note_id"] for item in page["items"]]
        cursor = page["next"]
        if not cursor:
            break
    assert len(seen) == len(set(seen)) >= 5


async def test_a_change_needs_the_version_seen(api: kit.Api) -> None:
    note_id = (await api.post("/v1/notes", role="writer", json={"text": "a"})).json()["note_id"]
    path = f"/v1/notes/{note_id}/change"
    kit.problem(await api.post(path, role="writer", json={"text": "b"}), 428, "IF_MATCH_REQUIRED")
    assert (await api.post(path, role="writer", json={"text": "b"}, if_match=1)).status_code == 200
    stale = await api.post(path, role="writer", json={"text": "c"}, if_match=1)
    kit.problem(stale, 412, "STALE")
    assert stale.headers["ETag"] == '"v2"'


async def test_items_are_validated_one_by_one(api: kit.Api) -> None:
    response = await api.post("/v1/notes/batch", role="writer", json={"items": [{"text": "a"}, {"text": 4}, {"text": "c"}]})
    assert [item["status"] for item in response.json()["items"]] == ["created", "failed", "created"]
    assert response.json()["items"][1]["problem"]["errors"][0]["field"] == "/text"
