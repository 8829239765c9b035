"""Captures leads over HTTP, and looks at what was told of them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from shared.db.transaction import Database
from tests import kit

CONSENT = {"purpose": "news", "state": "granted", "lawful_basis": "consent", "source_text": "Yes, write to me"}


async def announced(database: Database, *lead_ids: str) -> list[str]:
    """The payloads of the events that tell of these leads, in order."""
    async with database.engine.connect() as connection:
        rows = await connection.execute(
            text("SELECT convert_from(payload, 'UTF8') FROM outbox WHERE key = ANY(:keys) ORDER BY id"), {"keys": list(lead_ids)}
        )
        return list(rows.scalars())


async def captured(api: kit.Api, **body: Any) -> dict[str, Any]:
    response = await api.post("/v1/leads", role="importer", json=body)
    assert response.status_code == 201, response.text
    return response.json()


async def batch(api: kit.Api, *items: Any, **options: Any) -> list[dict[str, Any]]:
    response = await api.post("/v1/leads/batch", role="importer", json={"items": list(items)}, **options)
    assert response.status_code == 200, response.text
    return response.json()["items"]
