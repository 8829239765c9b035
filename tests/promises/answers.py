"""T14: a 2xx is sent only after the COMMIT of what it says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
import httpx2
from sqlalchemy import event
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.db import failpoints
from shared.ids import new_id
from tests import kit
from tests.integration.shared.processes import Process
from tests.promises import catalogue, shelf
from tests.promises.crew import Crew, crew
from tests.promises.ground import Ground
from tests.promises.verdicts import Findings

COMMIT, WAKE, SEND = "COMMIT", "wake-up", "http.response.start"
ROUNDS = 20
WRITERS = ("POST /notes", "POST /notes/batch", "POST /notes/{note_id}/change", "PUT /notes/{note_id}")
"""The write routes of the sample: each is tried, and a stored refusal and a replay besides."""


@dataclass(slots=True)
class Watched:
    """An application whose commits, wake-ups and sends are noted in order, and whose open transactions are counted at each send."""

    api: kit.Api
    probe: asyncpg.Connection
    noted: list[str] = field(default_factory=list)
    open_at_send: list[int] = field(default_factory=list)

    def around(self, app: ASGIApp) -> ASGIApp:
        """The application, watched."""

        async def watching(scope: Scope, receive: Receive, send: Send) -> None:
            async def noting(message: Message) -> None:
                self.open_at_send.append(await self._open_writers())
                self.noted.append(message["type"])
                await send(message)

            await app(scope, receive, noting)

        return watching

    def check(self, findings: Findings, what: str, *, wakes: bool) -> None:
        """What was noted since the last check, against the order that it must have."""
        noted, open_at_send = self.noted, self.open_at_send
        self.noted, self.open_at_send = [], []
        findings.checked += 1
        findings.claim(noted.count(COMMIT) == 1, f"{what}: {noted.count(COMMIT)} commits")
        if COMMIT in noted:
            findings.claim(SEND in noted and noted.index(COMMIT) < noted.index(SEND), f"{what}: sent before COMMIT")
        findings.claim(noted.count(WAKE) == int(wakes), f"{what}: woken {noted.count(WAKE)} times")
        if wakes and {COMMIT, WAKE, SEND} <= set(noted):
            findings.claim(noted.index(COMMIT) < noted.index(WAKE) < noted.index(SEND), f"{what}: woken before COMMIT or after the answer")
        findings.claim(open_at_send and not any(open_at_send), f"{what}: sent while a transaction was open")

    async def _open_writers(self) -> int:
        statement = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename = 'sales' AND backend_xid IS NOT NULL"  # whatever upkeep does beside it
        )
        return await self.probe.fetchval(statement) or 0


async def try_answers(ground: Ground, findings: Findings) -> None:
    """T14."""
    if ground.tries("order"):
        async with _watched(ground) as watched:
            for _ in range(ROUNDS):
                await _every_write(watched, findings)
    if ground.tries("kill"):
        edits = catalogue.find("T14").variant(ground.variant).edits if ground.variant else ()
        async with crew(ground, edits) as members:
            for point in sorted(name for name in failpoints.POINTS if name.startswith("edge.")):
                await _killed_at(members, point, findings)


async def _every_write(watched: Watched, findings: Findings) -> None:
    api, note_id, key = watched.api, str(new_id()), new_id()
    url = f"/v1/notes/{note_id}"
    await api.post("/v1/notes", role="writer", json={"text": "a", "note_id": note_id}, key=key)
    watched.check(findings, WRITERS[0], wakes=True)
    again = await api.post("/v1/notes", role="writer", json={"text": "a", "note_id": note_id}, key=key)
    if again.headers.get("Idempotency-Replayed") != "true":
        raise RuntimeError(f"no replay: {again.status_code} {again.text}")
    watched.check(findings, "a replay", wakes=False)
    await api.post("/v1/notes/batch", role="writer", json={"items": [{"text": "a"}, {"text": "b"}]})
    watched.check(findings, WRITERS[1], wakes=True)
    await api.post(f"{url}/change", role="writer", json={"text": "b"}, if_match=1)
    watched.check(findings, WRITERS[2], wakes=True)
    await api.put(url, role="writer", json={"text": "c"}, if_match=2)
    watched.check(findings, WRITERS[3], wakes=True)
    refused = await api.post("/v1/notes", role="writer", json={"text": "refuse me"})
    if refused.status_code != 409:
        raise RuntimeError(f"no refusal: {refused.status_code} {refused.text}")
    watched.check(findings, "a stored refusal", wakes=False)


async def _killed_at(members: Crew, point: str, findings: Findings) -> None:
    api = await members.start("api", fail_point=f"{point}:2")
    await members.ready("api")
    first, second = new_id(), new_id()
    if await _write(api, members.token, first) != 201:
        raise RuntimeError("the first write was not answered")
    answered = await _write(api, members.token, second)
    if not await members.ended_at_point("api"):
        raise RuntimeError(f"{point} was never reached")
    committed = {row.note_id for row in await shelf.rows(members.database, "SELECT note_id FROM notes")}
    told = {UUID(row.key) for row in await shelf.rows(members.database, "SELECT key FROM outbox")}
    durable = point in {"edge.after_commit", "edge.before_send"}
    findings.claim(first in committed and first in told, f"{point}: an answered write is lost")
    findings.claim(answered is None, f"{point}: answered {answered} by a process that was killed")
    findings.claim((second in committed) == durable, f"{point}: the state is {'not ' if durable else ''}committed")
    findings.claim((second in committed) == (second in told), f"{point}: state without its event")
    findings.checked += 1


async def _write(api: Process, token: str, note_id: UUID) -> int | None:
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": str(new_id())}
    try:
        async with httpx2.AsyncClient(timeout=30) as client:
            body = {"text": "a", "note_id": str(note_id)}
            return (await client.post(f"http://127.0.0.1:{api.port}/v1/notes", json=body, headers=headers)).status_code
    except httpx2.TransportError:
        return None


@asynccontextmanager
async def _watched(ground: Ground) -> AsyncIterator[Watched]:
    database, keys, service = await ground.database(), ground.keys(), ground.service
    _require_all_tried([f"{method} {path}" for method, path in _writes(service.routers)])
    probe = await asyncpg.connect(ground.servers.postgres_dsn(database.engine.url.database or ""))
    result: list[Watched] = []
    whole = kit.application(service, database, keys)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await result[0].around(whole)(scope, receive, send)

    try:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://service") as client:
            result.append(watching := Watched(kit.Api(service, client, keys), probe))
            event.listen(database.engine.sync_engine, "commit", lambda _: watching.noted.append(COMMIT))
            database.woken = lambda: watching.noted.append(WAKE)
            yield watching
    finally:
        await probe.close()


def _writes(routers: Sequence[object]) -> list[tuple[str, str]]:
    from shared.http import app as public

    return [(method, path.removeprefix("/v1")) for method, path, _ in public.routes(routers) if method != "GET"]  # type: ignore[arg-type]


def _require_all_tried(writes: Sequence[str]) -> None:
    if set(writes) != set(WRITERS):
        raise RuntimeError(f"the write routes are {', '.join(writes)}: each is to be tried")
