"""Nothing is sent before it is durable: the order of COMMIT, wake-up and the ASGI `send` calls."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import httpx2
import pytest
from fastapi import Depends, FastAPI, Request
from sqlalchemy import event
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from baton.local.servers import Servers
from shared.db import saving
from shared.db.transaction import Database, Transaction
from shared.ids import new_id
from shared.runtime.service import Service
from tests import kit
from tests.integration.shared import sample

DURABLE_FIRST = ["COMMIT", "wake-up", "http.response.start", "http.response.body"]


@dataclass(slots=True)
class Watched:
    """An application whose commits, wake-ups and sends are noted in order, with a call to make it work."""

    api: kit.Api
    probe: asyncpg.Connection
    noted: list[str] = field(default_factory=list)
    written_at_send: list[int] = field(default_factory=list)

    async def open_writers(self) -> int:
        """How many transactions of this database have written something and are not committed."""
        statement = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename = 'sales' AND backend_xid IS NOT NULL"  # whatever upkeep does beside it
        )
        return await self.probe.fetchval(statement) or 0

    def around(self, app: ASGIApp) -> ASGIApp:
        async def watching(scope: Scope, receive: Receive, send: Send) -> None:
            async def noting(message: Message) -> None:
                self.written_at_send.append(await self.open_writers())
                self.noted.append(message["type"])
                await send(message)

            await app(scope, receive, noting)

        return watching

    def take(self) -> list[str]:
        """What was noted since the last call."""
        noted, self.noted = self.noted, []
        return noted


def breaches(noted: list[str], open_writers: list[int]) -> list[str]:
    """The check: COMMIT stands before every send, and no send met a transaction that was still open."""
    found = []
    if "COMMIT" not in noted:
        found.append("nothing was committed")
    elif any(name.startswith("http") for name in noted[: noted.index("COMMIT")]):
        found.append("sent before COMMIT")
    if "wake-up" in noted and not noted.index("COMMIT") < noted.index("wake-up") < noted.index("http.response.start"):
        found.append("woken too early or too late")
    if not open_writers or any(open_writers):
        found.append("sent while a transaction was open")
    return found


async def dependency(request: Request) -> AsyncIterator[Transaction]:
    """The framework's own way to give a route its transaction, which is why it is not used."""
    async with request.app.state.database.transaction() as tx:
        yield tx


async def write_in_a_dependency(tx: Annotated[Any, Depends(dependency)]) -> UUID:
    note = sample.Note(note_id=new_id(), text="a", recorded_at=tx.now)
    return (await saving.save(tx, sample.notes, note, sample.accepted(note.note_id, tx.now), cause=kit.cause())).note_id


@pytest.fixture
async def watched(alone: Database, service: Service, servers: Servers, keys: Path) -> AsyncIterator[Watched]:
    name = alone.engine.url.database or ""
    probe = await asyncpg.connect(servers.postgres_dsn(name))
    result: list[Watched] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await result[0].around(kit.application(service, alone, keys))(scope, receive, send)

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://service") as client:
        result.append(watching := Watched(kit.Api(service, client, keys), probe))
        event.listen(alone.engine.sync_engine, "commit", lambda _: watching.noted.append("COMMIT"))
        alone.woken = lambda: watching.noted.append("wake-up")
        yield watching
    await probe.close()


async def test_every_kind_of_write_is_committed_before_it_is_answered(watched: Watched) -> None:
    note_id = str(new_id())
    created = await watched.api.post("/v1/notes", role="writer", json={"text": "a", "note_id": note_id})
    assert (created.status_code, watched.take()) == (201, DURABLE_FIRST)
    many = await watched.api.post("/v1/notes/batch", role="writer", json={"items": [{"text": "a"}, {"text": "b"}]})
    assert (many.status_code, watched.take()) == (200, DURABLE_FIRST)
    changed = await watched.api.post(f"/v1/notes/{note_id}/change", role="writer", json={"text": "b"}, if_match=1)
    assert (changed.status_code, watched.take()) == (200, DURABLE_FIRST)
    replaced = await watched.api.put(f"/v1/notes/{note_id}", role="writer", json={"text": "c"}, if_match=2)
    assert (replaced.status_code, watched.take()) == (200, DURABLE_FIRST)
    refused = await watched.api.post("/v1/notes", role="writer", json={"text": "refuse me"})
    noted = watched.take()
    assert (refused.status_code, noted) == (409, [name for name in DURABLE_FIRST if name != "wake-up"])
    assert breaches(noted, watched.written_at_send) == []


async def test_a_replayed_answer_wakes_nobody(watched: Watched) -> None:
    key = new_id()
    await watched.api.post("/v1/notes", role="writer", json={"text": "a"}, key=key)
    watched.take()
    again = await watched.api.post("/v1/notes", role="writer", json={"text": "a"}, key=key)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "wake-up" not in watched.take()


async def test_the_check_catches_a_commit_in_a_yield_dependency(watched: Watched, alone: Database) -> None:
    broken = FastAPI()
    broken.state.database = alone
    broken.add_api_route("/notes", write_in_a_dependency, methods=["POST"])
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=watched.around(broken)), base_url="http://broken") as client:
        assert (await client.post("/notes")).status_code == 200
    found = breaches(watched.take(), watched.written_at_send)
    assert {"sent before COMMIT", "sent while a transaction was open"} <= set(found)


async def test_the_check_refuses_a_run_without_a_commit(watched: Watched) -> None:
    await watched.api.get(f"/v1/notes/{new_id()}", role="reader")
    assert "nothing was committed" in breaches(watched.take(), watched.written_at_send)
