"""Limits of time and size: every request is answered, and the pool is whole afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from shared.db.transaction import Database
from shared.http import edge, requests
from shared.ids import new_id
from tests import kit
from tests.integration.shared.test_idempotency import effects
from tests.integration.shared.waiting import until

JSON = {"content-type": "application/json"}


def checked_out(database: Database) -> int:
    return database.engine.pool.checkedout()  # type: ignore[attr-defined]


async def is_whole(database: Database) -> bool:
    return checked_out(database) == 0


async def test_a_hanging_request_is_answered_at_the_deadline_and_leaves_the_pool_whole(api: kit.Api, database: Database) -> None:
    ids = [new_id() for _ in range(10)]  # as many as the pool has connections

    async def hang(note_id: UUID, text: str) -> float:
        started = time.monotonic()
        answer = await api.post("/v1/notes", role="writer", json={"text": text, "note_id": str(note_id)})
        kit.problem(answer, 503, "DEADLINE_EXCEEDED")
        assert answer.headers["Retry-After"]
        return time.monotonic() - started

    texts = ("hang", "sleep") * 5  # in Python, in the database
    took = await asyncio.gather(*(hang(note_id, text) for note_id, text in zip(ids, texts, strict=True)))
    assert max(took) < edge.REQUEST_SECONDS + 1 <= 6
    await until(lambda: is_whole(database))
    answers = await asyncio.gather(*(api.post("/v1/notes", role="writer", json={"text": "after"}) for _ in range(10)))
    assert [answer.status_code for answer in answers] == [201] * 10
    for note_id in ids:
        assert await effects(database, note_id) == (0, 0, 0)


async def test_a_statement_that_is_interrupted_is_503_and_may_be_repeated(
    api: kit.Api, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "REQUEST_SECONDS", 0.2)
    key, note_id = new_id(), str(new_id())
    kit.problem(await api.post("/v1/notes", role="writer", json={"text": "sleep"}, key=key), 503, "DEADLINE_EXCEEDED")
    await until(lambda: is_whole(database))
    assert (await api.post("/v1/notes", role="writer", json={"text": "a", "note_id": note_id}, key=key)).status_code == 201


async def test_figures_have_more_time_than_commands_and_connections_of_their_own(api: kit.Api, database: Database) -> None:
    asked = [asyncio.create_task(api.get("/v1/figures", role="reader")) for _ in range(2)]  # as many as there are connections for figures
    started = time.monotonic()
    held: list[int] = []
    while not all(task.done() for task in asked):
        assert (await api.post("/v1/notes", role="writer", json={"text": "meanwhile"})).status_code == 201
        held.append(checked_out(database))
    assert time.monotonic() - started > edge.REQUEST_SECONDS
    assert set(held) == {0}
    assert [(task.result().status_code, task.result().json()["status"]) for task in asked] == [(200, "unchanged")] * 2


async def test_a_body_that_stops_arriving_is_408_and_holds_no_transaction(
    api: kit.Api, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "REQUEST_SECONDS", 0.05)  # counts from the last byte of the body only
    monkeypatch.setattr(requests, "READ_SECONDS", 0.3)
    held: list[int] = []

    async def body() -> AsyncIterator[bytes]:
        yield b'{"text": '
        held.append(checked_out(database))
        await asyncio.Event().wait()

    kit.problem(await api.post("/v1/notes", role="writer", content=body(), headers=JSON), 408, "BODY_TOO_SLOW")
    assert held == [0]


@pytest.mark.parametrize(("path", "limit"), [("/v1/notes", 256 * 1024), ("/v1/notes/batch", 2 * 1024 * 1024)])
async def test_a_body_is_counted_while_it_arrives(api: kit.Api, path: str, limit: int) -> None:
    sent: list[int] = []

    async def body() -> AsyncIterator[bytes]:
        while True:
            sent.append(65_536)
            yield b" " * 65_536

    kit.problem(await api.post(path, role="writer", content=body(), headers=JSON), 413, "BODY_TOO_LARGE")
    assert limit < sum(sent) <= limit + 2 * 65_536


async def test_a_body_in_pieces_is_put_together(api: kit.Api) -> None:
    async def body() -> AsyncIterator[bytes]:
        for byte in b'{"text": "in pieces"}':
            yield bytes([byte])

    assert (await api.post("/v1/notes", role="writer", content=body(), headers=JSON)).status_code == 201


@pytest.mark.parametrize("role", ["", "reader"])
async def test_without_the_right_to_write_the_body_is_not_read(api: kit.Api, role: str) -> None:
    read: list[bool] = []

    async def body() -> AsyncIterator[bytes]:
        read.append(True)
        yield b"{}"

    answer = await api.post("/v1/notes", role=role, content=body(), headers=JSON)
    assert (answer.status_code, read) == (403 if role else 401, [])
