"""Batches to a bulk route: a few in flight, every answer read item by item, what is not known yet tried again until nothing moves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from baton import CommandError
from baton import client as api
from baton.importer import items
from baton.importer.entities import Entity
from baton.importer.faults import Rejection
from baton.importer.items import Item
from baton.importer.journal import Journal, OutdatedError
from baton.importer.rejects import Rejects
from baton.importer.waiting import WaitingRoom

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
PASSING = ("NOT_KNOWN_YET", "UNAVAILABLE", "STALE")


@dataclass(slots=True, kw_only=True)
class Tally:
    """What became of the rows for one entity. `repeated`: an earlier row told of the same; `skipped`: an interrupted run confirmed it."""

    rows: int = 0
    repeated: int = 0
    not_meant: int = 0
    no_time: int = 0
    created: int = 0
    unchanged: int = 0
    updated: int = 0
    skipped: int = 0
    rejected: int = 0
    labels_rejected: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Items in a batch, batches in flight, and seconds without any progress after which what is not known yet is given up."""

    batch: int = 500
    in_flight: int = 2
    wait: float = 120.0


class Sender:
    """The way of one entity to its service, for one run."""

    def __init__(
        self,
        client: api.Client,
        entity: Entity,
        *,
        limits: Limits,
        tally: Tally,
        rejects: Rejects,
        journal: Journal,
        waiting: WaitingRoom,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._entity = entity
        self._limits = limits
        self._tally = tally
        self._rejects = rejects
        self._journal = journal
        self._waiting = waiting
        self._sleep = sleep
        self._clock = clock

    async def send(self, given: Iterable[Item]) -> None:
        """Every item is confirmed, rejected or in the waiting room afterwards. Raises what the client raises, and OutdatedError."""
        gate = asyncio.Semaphore(self._limits.in_flight)
        try:
            async with asyncio.TaskGroup() as group:
                for batch in items.batches(given, self._limits.batch):
                    await gate.acquire()
                    group.create_task(self._confirm(batch, gate))
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None

    async def drain(self, told: Callable[[int], None] = lambda _: None) -> None:
        """Those who wait are tried again and again; after `wait` seconds in which not one got through, the rest is rejected."""
        moved, pause = self._clock(), FIRST_PAUSE
        while left := self._waiting.count():
            told(left)
            if await self._one_round():
                moved, pause = self._clock(), FIRST_PAUSE
            elif self._clock() - moved >= self._limits.wait:
                self._give_up()
                break
            await self._sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 2)
        told(0)

    async def _confirm(self, batch: Sequence[Item], gate: asyncio.Semaphore) -> None:
        try:
            digest = items.digest(self._entity.name, batch)
            if self._journal.has(digest) and not self._journal.is_last(digest):
                self._tally.skipped += len(batch)
                return
            answers = await self._ask(batch)
            if self._journal.is_last(digest) and any(answer["status"] in ("created", "failed") for answer in answers):
                raise OutdatedError
            failed = [(item, answer) for item, answer in zip(batch, answers, strict=True) if not self._is_done(answer)]
            later = [item for item, answer in failed if _passes(answer)]
            self._waiting.add(later)
            for item, answer in failed:
                if not _passes(answer):
                    self._reject(item, answer)
            if not failed and not self._journal.has(digest):
                self._journal.add(digest)
        finally:
            gate.release()

    async def _ask(self, batch: Sequence[Item]) -> list[Mapping[str, Any]]:
        # A new key for every request: a stored answer would repeat the old result of an item that may succeed by now.
        # The same item twice has one effect anyway, by its source and external id.
        answer = await self._client.post(self._entity.service, self._entity.path, items.content(batch))
        by_index = {each.get("index"): each for each in answer.get("items", [])}
        if by_index.keys() != set(range(len(batch))):
            raise CommandError(f"{self._entity.service} answered {self._entity.path} with {len(by_index)} results for {len(batch)} items")
        return [by_index[index] for index in range(len(batch))]

    def _is_done(self, answer: Mapping[str, Any]) -> bool:
        status = answer["status"]
        if status not in ("created", "unchanged", "updated"):
            return False
        setattr(self._tally, status, getattr(self._tally, status) + 1)
        return True

    async def _one_round(self) -> bool:
        """Whether anything left the waiting room by being accepted."""
        place, moved = 0, False
        while waiting := self._waiting.after(place, self._limits.batch):
            batch = next(items.batches((item for _, item in waiting), self._limits.batch))
            asked = waiting[: len(batch)]
            place = asked[-1][0]
            leaving: list[int] = []
            for (at, item), answer in zip(asked, await self._ask(batch), strict=True):
                if self._is_done(answer):
                    moved = True
                elif _passes(answer):
                    continue
                else:
                    self._reject(item, answer)
                leaving.append(at)
            self._waiting.leave(leaving)
        return moved

    def _give_up(self) -> None:
        place = 0
        while waiting := self._waiting.after(place, self._limits.batch):
            place = waiting[-1][0]
            for _, item in waiting:
                message = f"what it refers to was not known to {self._entity.service} after {self._limits.wait:g} s: was it imported?"
                self._reject(item, {"problem": {"code": "NOT_KNOWN_YET", "detail": message}})
            self._waiting.leave([at for at, _ in waiting])

    def _reject(self, item: Item, answer: Mapping[str, Any]) -> None:
        self._tally.rejected += 1
        for fault in api.faults(answer.get("problem") or {}):
            self._rejects.add(
                Rejection(
                    file=item.file, line=item.line, entity=self._entity.name, code=fault.code, field=fault.field, message=fault.message
                )
            )


def _passes(answer: Mapping[str, Any]) -> bool:
    return api.code_of(answer.get("problem") or {}).endswith(PASSING)
