"""The same command sent again: one effect, one answer."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from shared.db.transaction import Database
from shared.ids import new_id
from tests import kit
from tests.integration.shared import sample
from tests.integration.shared.waiting import until


async def count(database: Database, table: str, column: str, value: UUID) -> int:
    async with database.engine.connect() as connection:
        return (await connection.execute(text(f"SELECT count(*) FROM {table} WHERE {column} = :value"), {"value": value})).scalar_one()


async def effects(database: Database, note_id: UUID) -> tuple[int, int, int]:
    """Rows of the note, of its sequence, and of its events."""
    return (
        await count(database, "notes", "note_id", note_id),
        await count(database, "aggregate_sequence", "subject", note_id),
        await count(database, "outbox", "CAST(key AS uuid)", note_id),
    )


async def test_a_repeated_change_is_answered_as_before_though_its_version_is_stale_by_now(api: kit.Api, database: Database) -> None:
    note_id = UUID((await api.post("/v1/notes", role="writer", json={"text": "a"})).json()["note_id"])
    path, key = f"/v1/notes/{note_id}/change", new_id()
    first = await api.post(path, role="writer", json={"text": "b"}, key=key, if_match=1)
    later = await api.post(path, role="writer", json={"text": "c"}, if_match=2)
    assert later.status_code == 200
    again = await api.post(path, role="writer", json={"text": "b"}, key=key, if_match=1)
    assert (again.status_code, again.content, again.headers["ETag"]) == (200, first.content, '"v2"')
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert (await effects(database, note_id))[2] == 3


@pytest.mark.parametrize("change", [{"json": {"text": "other"}}, {"params": {"x": "1"}}], ids=["body", "query"])
async def test_a_key_belongs_to_one_content(api: kit.Api, change: dict[str, Any]) -> None:
    key = new_id()
    request = {"role": "writer", "json": {"text": "one"}, "key": key}
    await api.post("/v1/notes", **request)
    kit.problem(await api.post("/v1/notes", **{**request, **change}), 422, "IDEMPOTENCY_KEY_REUSED")


async def test_a_key_belongs_to_one_caller_and_one_route(api: kit.Api) -> None:
    key, note = new_id(), {"text": "mine"}
    mine = await api.post("/v1/notes", role="writer", json=note, key=key, sub="one")
    another = await api.post("/v1/notes", role="writer", json=note, key=key, sub="two")
    elsewhere = await api.post("/v1/notes/batch", role="writer", json={"items": [note]}, key=key, sub="one")
    assert [mine.status_code, another.status_code, elsewhere.status_code] == [201, 201, 200]
    assert mine.json()["note_id"] != another.json()["note_id"]


async def test_of_two_requests_with_one_key_at_the_same_time_one_has_the_effect(api: kit.Api, database: Database) -> None:
    note_id, key = new_id(), new_id()
    request = {"role": "writer", "json": {"text": "twin", "note_id": str(note_id)}, "key": key}

    async def is_waiting() -> bool:
        async with database.engine.connect() as connection:
            found = await connection.execute(
                text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
            )
            return bool(found.scalar_one())

    async with database.engine.connect() as holder:  # whose uncommitted row keeps the first request waiting
        await holder.execute(sample.notes.insert(), {"note_id": note_id, "text": "x", "recorded_at": kit.NOON, "version": 1})
        first = asyncio.create_task(api.post("/v1/notes", **request))
        await until(is_waiting)
        second = await api.post("/v1/notes", **request)
        await holder.rollback()
    kit.problem(second, 409, "IN_FLIGHT")
    assert second.headers["Retry-After"]
    assert (await first).status_code == 201
    assert await effects(database, note_id) == (1, 1, 1)


async def test_a_refusal_of_the_business_is_kept_and_its_effects_are_not(api: kit.Api, database: Database) -> None:
    note_id, key = new_id(), new_id()
    request = {"role": "writer", "json": {"text": "refuse me", "note_id": str(note_id)}, "key": key}
    first = await api.post("/v1/notes", **request)
    kit.problem(first, 409, "NOTE_IS_FINAL")
    again = await api.post("/v1/notes", **request)
    assert (again.status_code, again.content, again.headers["Idempotency-Replayed"]) == (409, first.content, "true")
    assert again.headers["content-type"] == "application/problem+json"
    assert await effects(database, note_id) == (0, 0, 0)


@pytest.mark.parametrize(
    ("refusal", "text"),
    [
        ((422, "NONSENSE"), "nonsense"),
        ((422, "INVALID_CONTENT"), ""),
        ((409, "NOT_KNOWN_YET"), "too early"),
        ((500, "INTERNAL"), "break"),
    ],
)
async def test_what_may_be_otherwise_next_time_is_not_kept(api: kit.Api, database: Database, refusal: tuple[int, str], text: str) -> None:
    key, note_id = new_id(), new_id()
    note = {"note_id": str(note_id), "text": text}
    refused = await api.post("/v1/notes", role="writer", json=note, key=key)
    assert kit.problem(refused, *refusal)["trace_id"] == refused.headers["Correlation-Id"]
    assert "secret" not in refused.text
    assert await count(database, "idempotency_key", "key", key) == 0
    assert await effects(database, note_id) == (0, 0, 0)
    assert (await api.post("/v1/notes", role="writer", json=note | {"text": "a"}, key=key)).status_code == 201


@pytest.mark.parametrize(
    ("refusal", "if_match"), [((412, "STALE"), 7), ((428, "IF_MATCH_REQUIRED"), None), ((400, "MALFORMED_IF_MATCH"), "v1")]
)
async def test_a_version_that_does_not_fit_is_not_kept(api: kit.Api, refusal: tuple[int, str], if_match: int | str | None) -> None:
    key, note_id = new_id(), (await api.post("/v1/notes", role="writer", json={"text": "a"})).json()["note_id"]
    change = {"role": "writer", "json": {"text": "b"}, "key": key}
    kit.problem(await api.post(f"/v1/notes/{note_id}/change", **change, if_match=if_match), *refusal)
    assert (await api.post(f"/v1/notes/{note_id}/change", **change, if_match=1)).status_code == 200


async def test_a_thing_that_is_not_there_yet_is_not_kept_as_missing(api: kit.Api) -> None:
    key, note_id = new_id(), str(new_id())
    change = {"role": "writer", "json": {"text": "b"}, "key": key, "if_match": 1}
    kit.problem(await api.post(f"/v1/notes/{note_id}/change", **change), 404, "NOT_FOUND")
    await api.post("/v1/notes", role="writer", json={"text": "a", "note_id": note_id})
    assert (await api.post(f"/v1/notes/{note_id}/change", **change)).status_code == 200


async def test_an_answer_is_stored_in_the_transaction_of_its_events(api: kit.Api, database: Database) -> None:
    note_id, key = new_id(), new_id()
    await api.post("/v1/notes", role="writer", json={"text": "a", "note_id": str(note_id)}, key=key)
    statement = "SELECT o.xmin = k.xmin FROM outbox o, idempotency_key k WHERE o.key = :id AND k.key = :key"
    async with database.engine.connect() as connection:
        assert (await connection.execute(text(statement), {"id": str(note_id), "key": key})).scalars().all() == [True]
