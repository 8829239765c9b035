"""Callers that write to a process without a break, and remember what it acknowledged."""

from __future__ import annotations

import asyncio
from uuid import UUID

import httpx2

from shared.ids import new_id
from tests.integration.shared.processes import Process
from tests.integration.shared.waiting import until


class Load:
    """Writes over HTTP until it is stopped or the process does not listen any more."""

    def __init__(self, process: Process, token: str, *, callers: int = 4) -> None:
        self.acknowledged: list[UUID] = []
        self.others: list[int] = []
        """The status of every answer that was no 201."""
        self._url = f"http://127.0.0.1:{process.port}/v1/notes"
        self._token = token
        self._callers = callers
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        async with httpx2.AsyncClient(timeout=10) as client:
            await asyncio.gather(*(self._write(client) for _ in range(self._callers)))

    def stop(self) -> None:
        self._stopping.set()

    async def has_written(self, more: int) -> None:
        """Until so many more writes are acknowledged."""
        wanted = len(self.acknowledged) + more

        async def enough() -> bool:
            return len(self.acknowledged) >= wanted

        await until(enough, seconds=60)

    async def _write(self, client: httpx2.AsyncClient) -> None:
        while not self._stopping.is_set():
            headers = {"Authorization": f"Bearer {self._token}", "Idempotency-Key": str(new_id())}
            try:
                answer = await client.post(self._url, json={"text": "load"}, headers=headers)
            except httpx2.TransportError:
                return
            if answer.status_code == 201:
                self.acknowledged.append(UUID(answer.json()["note_id"]))
            else:
                self.others.append(answer.status_code)
            await asyncio.sleep(0.01)
