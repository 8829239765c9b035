"""The edge: what every request gets, whatever the service."""

from __future__ import annotations

import time

from baton.ops import tokens
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


async def test_a_header_that_is_sent_twice_is_malformed(api: kit.Api):
    token = ("Authorization", f"Bearer {api.token('writer')}")
    keys = [("Idempotency-Key", str(new_id())) for _ in range(2)]
    answer = await api.client.post("/v1/notes", headers=[token, *keys], json={"text": "x"})
    kit.problem(answer, 400, "MALFORMED_IDEMPOTENCY_KEY")
    note_id = (await api.post("/v1/notes", role="writer", json={"text": "x"})).json()["note_id"]
    seen = [("If-Match", '"v1"'), ("If-Match", '"v2"')]
    answer = await api.client.put(f"/v1/notes/{note_id}", headers=[token, *seen], json={"text": "y"})
    kit.problem(answer, 400, "MALFORMED_IF_MATCH")


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


async def test_an_expired_token_is_refused(api: kit.Api) -> None:
    old = tokens.issue(api.keys, issuer=kit.ISSUER, roles=["reader"], sub="somebody", aud="sales", ttl_seconds=60, now=time.time() - 3600)
    refused = await api.get("/v1/notes", headers={"Authorization": f"Bearer {old}"})
    kit.problem(refused, 401, "INVALID_TOKEN")
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")


async def test_an_unchanged_object_is_not_sent_again(api: kit.Api) -> None:
    path = f"/v1/notes/{(await api.post('/v1/notes', role='writer', json={'text': 'a'})).json()['note_id']}"
    tag = (await api.get(path, role="reader")).headers["ETag"]
    same = await api.get(path, role="reader", headers={"If-None-Match": f'"v9", {tag}'})
    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", tag)
    await api.put(path, role="writer", json={"text": "b"}, if_match=1)
    changed = await api.get(path, role="reader", headers={"If-None-Match": tag})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"v2"')


async def first_cursor(api: kit.Api, **parameters: str) -> str:
    for n in range(3):
        await api.post("/v1/notes", role="writer", json={"text": f"listed {n}"})
    page = (await api.get("/v1/notes", role="reader", params={"page_size": 1, **parameters})).json()
    assert len(page["items"]) == 1
    return page["next"]


async def test_an_altered_cursor_is_refused_wherever_it_was_altered(api: kit.Api) -> None:
    cursor = await first_cursor(api)
    for place in {0, 10, len(cursor) // 2, len(cursor) - 1}:
        for other in "AQgw0-":
            if cursor[place] != other:
                altered = cursor[:place] + other + cursor[place + 1 :]
                kit.problem(await api.get("/v1/notes", role="reader", params={"cursor": altered}), 400, "INVALID_CURSOR")
    for nonsense in ("", "x", "ä", cursor + "A", cursor[:-1]):
        kit.problem(await api.get("/v1/notes", role="reader", params={"cursor": nonsense}), 400, "INVALID_CURSOR")


async def test_a_cursor_is_for_its_caller_and_its_filters(api: kit.Api) -> None:
    cursor = await first_cursor(api, source="one")
    assert (await api.get("/v1/notes", role="reader", params={"cursor": cursor, "source": "one", "page_size": 7})).status_code == 200
    other_filter = await api.get("/v1/notes", role="reader", params={"cursor": cursor, "source": "two"})
    kit.problem(other_filter, 400, "INVALID_CURSOR")
    other_caller = await api.get("/v1/notes", role="reader", sub="another", params={"cursor": cursor, "source": "one"})
    kit.problem(other_caller, 400, "INVALID_CURSOR")


async def test_a_page_size_is_reduced_but_never_zero(api: kit.Api) -> None:
    for start in range(0, 300, 100):
        await api.post("/v1/notes/batch", role="writer", json={"items": [{"text": f"{start + n}"} for n in range(100)]})
    assert len((await api.get("/v1/notes", role="reader", params={"page_size": 1000})).json()["items"]) == 200
    for size in (0, -1, "x"):
        kit.problem(await api.get("/v1/notes", role="reader", params={"page_size": size}), 422, "INVALID_CONTENT", "page_size")


async def scan(api: kit.Api, page_size: int, *, meanwhile: bool) -> list[str]:
    met, cursor = [], None
    while True:
        query = {"page_size": page_size} | ({"cursor": cursor} if cursor else {})
        page = (await api.get("/v1/notes", role="reader", params=query)).json()
        met += [item["note_id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            return met
        if meanwhile:
            await api.post("/v1/notes/batch", role="writer", json={"items": [{"text": "meanwhile"}] * 3})


async def test_rows_that_were_there_throughout_a_scan_are_met_exactly_once(api: kit.Api) -> None:
    await api.post("/v1/notes/batch", role="writer", json={"items": [{"text": "a"}] * 100})
    before = await scan(api, 200, meanwhile=False)
    met = await scan(api, len(before) // 8, meanwhile=True)
    assert len(before) >= 100
    assert set(before) <= set(met)
    assert len(met) == len(set(met))


async def test_what_the_database_cannot_store_is_invalid_and_not_a_failure(api: kit.Api) -> None:
    kit.problem(await api.post("/v1/notes", role="writer", json={"text": "nul \x00 inside"}), 422, "INVALID_CONTENT")
    kit.problem(await api.get("/v1/bounded/99999999999999999999", role="reader"), 422, "INVALID_CONTENT")


async def test_json_that_no_parser_should_be_sent_is_refused(api: kit.Api) -> None:
    deep = b'{"text": ' + b"[" * 5_000 + b"]" * 5_000 + b"}"
    for code, content in {
        "JSON_TOO_DEEP": deep,
        "MALFORMED_JSON": b'{"text": "a"',
        "BAD_REQUEST": b'{"text": "\xff"}',
    }.items():
        answer = await api.post("/v1/notes", role="writer", content=content, headers={"content-type": "application/json"})
        kit.problem(answer, 400, code)
    plain = await api.post("/v1/notes", role="writer", content=b"text=a", headers={"content-type": "text/plain"})
    kit.problem(plain, 415, "UNSUPPORTED_MEDIA_TYPE")
    kit.problem(
        await api.post("/v1/notes", role="writer", json={"text": "a", "occurred_at": "2999-01-01T00:00:00Z"}), 422, "OCCURRED_IN_FUTURE"
    )
    kit.problem(
        await api.post("/v1/notes", role="writer", json={"text": "a", "occurred_at": "2026-01-01T00:00:00"}), 422, "INVALID_CONTENT"
    )


async def test_a_very_wrong_body_has_an_answer_of_bounded_size(api: kit.Api) -> None:
    wrong = {f"f{number}": 1 for number in range(300)}
    body = kit.problem(await api.post("/v1/notes", role="writer", json=wrong), 422, "INVALID_CONTENT")
    assert (len(body["errors"]), body["detail"]) == (100, "The content is not valid: 100 of 301 faults are named.")
    answer = await api.post("/v1/notes/batch", role="writer", json={"items": [{"text": "a"}, wrong, {"text": "b"}]})
    first, failed, last = answer.json()["items"]
    assert (first["status"], failed["problem"]["code"], last["status"]) == ("created", "TOO_MANY_FAULTS", "created")
    assert len(failed["problem"]["errors"]) == 1
