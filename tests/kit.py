"""What tests of all services use: callers with tokens, received events, causes, saved things."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx2
from fastapi import FastAPI

from baton.local.servers import Servers
from baton.ops import tokens
from shared.auth.access import AccessTable
from shared.auth.tokens import TrustedIssuer, Verifier
from shared.cause import Actor, Cause
from shared.db.transaction import Database, Transaction
from shared.events import language
from shared.http import app as public
from shared.http.edge import Edge
from shared.ids import new_id
from shared.runtime.service import Service

ISSUER = "https://baton.test"
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def cause(*, user_id: UUID | None = None, roles: Sequence[str] = (), at: datetime = NOON) -> Cause:
    """A cause as a request or an event gives it."""
    actor = Actor(principal="test", user_id=user_id or new_id(), roles=frozenset(roles))
    return Cause(actor=actor, at=at, correlation_id=new_id(), causation_id=new_id())


def received(event: Any, *, sequence: int = 1, at: datetime = NOON, recorded_at: datetime | None = None) -> language.Received[Any]:
    """An event as a handler gets it."""
    return language.Received(event=event, id=new_id(), sequence=sequence, occurred_at=at, recorded_at=recorded_at or at, cause=cause(at=at))


async def create_database(servers: Servers, name: str, owner: str, template: str = "template1") -> None:
    """A database of that name, made anew as a copy of another that nobody is connected to."""
    connection = await asyncpg.connect(servers.postgres_dsn())
    await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await connection.execute(f"CREATE DATABASE {name} OWNER {owner} TEMPLATE {template}")
    await connection.close()


@asynccontextmanager
async def rolled_back(database: Database) -> AsyncIterator[Transaction]:
    """A transaction that leaves nothing behind."""
    async with database.engine.connect() as connection:
        transaction = await connection.begin()
        try:
            yield await database.enter(connection)
        finally:
            await transaction.rollback()


def application(service: Service, database: Database, keys: Path) -> FastAPI:
    """The service's public application as a process builds it."""
    issuer = TrustedIssuer(issuer=ISSUER, jwks=str(keys / "public" / "jwks.json"), algorithms=frozenset({"ES256"}), max_lifetime=86400)
    access = AccessTable.load(service.folder / "access.yaml")
    edge = Edge(database, Verifier([issuer], service.name), access, b"a secret of at least thirty-two bytes")
    return public.build(service.name, service.routers, edge)


@dataclass(frozen=True, slots=True)
class Api:
    """Calls one service in-process, with a fresh Idempotency-Key unless one is given."""

    service: Service
    client: httpx2.AsyncClient
    keys: Path

    def token(self, role: str | Sequence[str], sub: str = "somebody", **claims: Any) -> str:
        """A token of one role or several."""
        roles = [role] if isinstance(role, str) else list(role)
        return tokens.issue(self.keys, issuer=ISSUER, roles=roles, sub=sub, aud=self.service.name, **claims)

    async def call(
        self,
        method: str,
        path: str,
        *,
        role: str | Sequence[str] = (),
        sub: str = "somebody",
        key: UUID | None = None,
        if_match: int | str | None = None,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> httpx2.Response:
        """One request. `if_match`: a version, or the header's text."""
        sent = {"Authorization": f"Bearer {self.token(role, sub)}"} if role else {}
        if method == "POST":
            sent["Idempotency-Key"] = str(key or new_id())
        if if_match is not None:
            sent["If-Match"] = f'"v{if_match}"' if isinstance(if_match, int) else if_match
        return await self.client.request(method, path, headers=sent | (headers or {}), **options)

    async def get(self, path: str, **options: Any) -> httpx2.Response:
        """GET."""
        return await self.call("GET", path, **options)

    async def post(self, path: str, **options: Any) -> httpx2.Response:
        """POST."""
        return await self.call("POST", path, **options)

    async def put(self, path: str, **options: Any) -> httpx2.Response:
        """PUT."""
        return await self.call("PUT", path, **options)


def problem(response: httpx2.Response, status: int, code: str, field: str | None = None) -> dict[str, Any]:
    """Asserts that the answer is this problem, naming the field if one is given; returns its body."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["code"] == code, body
    if field is not None:
        assert field in [error["field"] for error in body["errors"]], body
    return body
