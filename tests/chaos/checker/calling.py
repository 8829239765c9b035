"""One logical client: it sends, notes what it was told, and repeats what it does not know, or never does."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import random
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx2

from tests.chaos.checker.evidence import SERVICES
from tests.chaos.checker.history import Entry, History, Item, outcome_of
from tests.chaos.checker.targets import Signer, Targets

TIMEOUT_SECONDS = 10.0
MOST_ATTEMPTS = 10
LONGEST_WAIT = 2.0

AT_ONCE = 7
"""So many requests are under way at one service, so that none has to wait for a connection of its pool: overload is no fault."""

ONE_BYTES, BATCH_BYTES = 256 * 1024, 2 * 1024 * 1024
"""A larger body, of one thing or of many, is refused before its key is looked at."""

REPLAYED, REUSED, READ = 0.04, 0.01, 0.10
"""How often an acknowledged write is sent again, its key used for something else, and its object read."""

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """A write as it is to be sent. `key`: the object whose version it names or makes, as the history calls it.

    `wants`: the status that a first execution has. `versioned`: whether its answer's ETag is of `key`. `read`: where that can be read.
    """

    f: str
    service: str
    route: str
    path: str
    body: Mapping[str, Any]
    key: str
    items: Sequence[Item] = ()
    etag: int | None = None
    wants: int = 0
    versioned: bool = False
    read: str | None = None
    roles: Sequence[str] = ()
    method: str = "POST"


@dataclass(slots=True, kw_only=True)
class Shared:
    """What all callers have in common. `leaked`: error answers, to be searched for secrets."""

    targets: Targets
    signer: Signer
    history: History
    numbers: itertools.count[int] = field(default_factory=itertools.count)
    stopping: bool = False
    resting: bool = False
    errors: list[tuple[str, bytes]] = field(default_factory=list)
    gates: dict[str, asyncio.Semaphore] = field(default_factory=lambda: {service: asyncio.Semaphore(AT_ONCE) for service in SERVICES})


@dataclass(slots=True, kw_only=True)
class Caller:
    """A client with a number and a chance of its own. Even numbers repeat unknown outcomes with the same key, odd ones never."""

    shared: Shared
    number: int
    chance: random.Random
    http: httpx2.AsyncClient
    sent: int = 0

    @property
    def subject(self) -> str:
        """Who it is to the services."""
        return f"checker-{self.number}"

    def new_id(self) -> str:
        """An id that follows from the seed."""
        return str(UUID(int=self.chance.getrandbits(128), version=4))

    async def write(self, write: Write) -> Answer | None:
        """Sends it until the outcome is known, or once. Gives the answer if it was acknowledged."""
        op = next(self.shared.numbers)
        idem = self.new_id() if write.method == "POST" else None
        content = json.dumps(write.body, ensure_ascii=False).encode()
        for attempt in range(MOST_ATTEMPTS):
            entry, answer, wait = await self._attempt(write, write.f, op, idem, content)
            if entry.type == "ok":
                await self._probe(write, op, idem, content)
                return answer
            unknown = entry.type == "info" or entry.code == "IN_FLIGHT"
            if not unknown or self.number % 2 or self.shared.stopping or (write.method != "POST"):
                return None
            await asyncio.sleep(min(wait or 0.1 * 2**attempt, LONGEST_WAIT) * self.chance.uniform(0.5, 1.0))
        return None

    async def read(self, service: str, path: str, key: str) -> Answer | None:
        """Reads an object whose version counts, and notes it."""
        op = next(self.shared.numbers)
        read = Write(f="read", service=service, route=path, path=path, body={}, key=key, versioned=True, method="GET")
        entry, answer, _ = await self._attempt(read, "read", op, None, b"")
        return answer if entry.type == "ok" else None

    async def look(self, service: str, path: str, *, crowding: bool = False) -> Answer | None:
        """Reads what no invariant speaks of; None without an answer, or if it is not there yet. `crowding`: however many others do."""
        try:
            async with nullcontext() if crowding else self.shared.gates[service]:
                answer = await self.http.get(self._url(service) + path, headers=self._headers(service, ()))
        except httpx2.HTTPError:
            return None
        return answer.json() if answer.status_code == 200 else None

    async def _probe(self, write: Write, op: int, idem: str | None, content: bytes) -> None:
        if write.method == "POST" and self.chance.random() < REPLAYED:
            await self._attempt(write, write.f, op, idem, content)
        other = json.dumps({**write.body, "occurred_at": "2026-01-01T00:00:00Z"}).encode()
        most = BATCH_BYTES if write.path.endswith("/batch") else ONE_BYTES
        if write.method == "POST" and len(other) <= most and self.chance.random() < REUSED:
            await self._attempt(write, "reuse", next(self.shared.numbers), idem, other)
        if write.read and self.chance.random() < READ:
            await self.read(write.service, write.read, write.key)

    async def _attempt(self, write: Write, f: str, op: int, idem: str | None, content: bytes) -> tuple[Entry, Answer, float | None]:
        async with self.shared.gates[write.service]:
            return await self._send(write, f, op, idem, content)

    async def _send(self, write: Write, f: str, op: int, idem: str | None, content: bytes) -> tuple[Entry, Answer, float | None]:
        told = {"op": op, "proc": self.number, "f": f, "service": write.service, "route": write.route, "key": write.key, "idem": idem}
        told |= {"etag_in": write.etag, "wants": write.wants}
        note = self.shared.history.note
        note(type="invoke", val=tuple(write.items) if f != "reuse" else (), **told)
        headers = self._headers(write.service, write.roles)
        if idem is not None:
            headers["Idempotency-Key"] = idem
        if write.etag is not None:
            headers["If-Match"] = f'"v{write.etag}"'
        try:
            response = await self.http.request(
                write.method, self._url(write.service) + write.path, content=content or None, headers=headers
            )
        except httpx2.HTTPError:
            return note(type="info", status=0, **told), {}, None
        except asyncio.CancelledError:
            note(type="info", status=0, **told)
            raise
        answer = _json(response.content)
        if response.status_code >= 400:
            self.shared.errors.append((f"the answer {response.status_code} to {write.route}", response.content))
        items = answer.get("items") if write.path.endswith("/batch") else None
        ended = note(
            type=outcome_of(response.status_code),
            status=response.status_code,
            code=answer.get("code") if response.status_code >= 400 else None,
            sha=hashlib.sha256(response.content).hexdigest()[:16],
            etag_out=_version(response.headers.get("ETag")) if write.versioned else None,
            replayed=response.headers.get("Idempotency-Replayed") == "true",
            results=tuple(item["status"] for item in items or ()),
            **told,
        )
        wait = response.headers.get("Retry-After", "")
        return ended, answer, float(wait) if wait.isdecimal() else None

    def _url(self, service: str) -> str:
        urls = self.shared.targets.services[service].urls
        self.sent += 1
        return urls[self.sent % len(urls)]

    def _headers(self, service: str, roles: Sequence[str]) -> dict[str, str]:
        token = self.shared.signer.token(self.subject, service, roles)
        return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


def _json(content: bytes) -> Answer:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _version(etag: str | None) -> int | None:
    digits = (etag or "").strip('"').removeprefix("v")
    return int(digits) if digits.isdecimal() else None
