"""Parked events are tried again, key by key and in their order; a key whose last one is done is free."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import structlog
from sqlalchemy import text

from shared.db import failpoints
from shared.db.transaction import Database, Transaction
from shared.inbox import parking
from shared.inbox.applying import Applier, is_passing
from shared.inbox.decoding import Record, decode
from shared.inbox.parking import RETRY_AFTER, Fault
from shared.telemetry import metrics

log = structlog.get_logger()

POLL_SECONDS: Final = 1.0
SHOW_EVERY: Final = 5
MAX_BACKOFF_SECONDS: Final = 5.0

_DUE = text("SELECT key FROM parked_key WHERE next_attempt_at <= now() ORDER BY next_attempt_at, key LIMIT 1 FOR UPDATE SKIP LOCKED")
_LOCK = text("SELECT attempts FROM parked_key WHERE key = :key FOR UPDATE")
_FIRST = text("SELECT * FROM parked_event WHERE key = :key AND state = 'open' ORDER BY id LIMIT 1")
_APPLIED = text("UPDATE parked_event SET state = 'applied', resolved_at = now() WHERE id = :id")
_GO_ON = text("UPDATE parked_key SET attempts = 0, next_attempt_at = now() WHERE key = :key")
_RELEASE = text("DELETE FROM parked_key WHERE key = :key AND NOT EXISTS (SELECT FROM parked_event WHERE key = :key AND state = 'open')")
_FAILED = text("UPDATE parked_event SET error_class = :kind, error_code = :code, error_text = :text WHERE id = :id AND state = 'open'")
_LATER = text("UPDATE parked_key SET attempts = attempts + 1, next_attempt_at = now() + :wait WHERE key = :key")
_PARKED = text("SELECT state, coalesce(error_code, 'BEHIND') AS error_code, count(*) AS events FROM parked_event GROUP BY 1, 2")
_OLDEST = text("SELECT coalesce(extract(epoch FROM now() - min(parked_at)), 0)::float8 FROM parked_event WHERE state = 'open'")


class Drain:
    """Runs in each worker until it is stopped; several share the keys by their locks."""

    def __init__(self, database: Database, applier: Applier) -> None:
        self._database = database
        self._applier = applier
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Asks it to finish its event and end."""
        self._stopping.set()

    async def run(self) -> None:
        """Tries what is due, until stopped; errors that pass by themselves are waited out."""
        failures, round_ = 0, 0
        while not self._stopping.is_set():
            try:
                while not self._stopping.is_set() and await self.step():
                    pass
                if round_ % SHOW_EVERY == 0:
                    await self._show()
                failures, round_ = 0, round_ + 1
            except Exception as error:
                if not is_passing(error):
                    raise
                failures += 1
                log.warning("drain_interrupted", error=type(error).__name__)
            await self._pause(min(POLL_SECONDS * 2**failures, MAX_BACKOFF_SECONDS) if failures else POLL_SECONDS)

    async def step(self) -> bool:
        """Tries the first event of one key that is due. False if none is."""
        tried: Any = None
        try:
            async with self._database.transaction() as tx:
                key = (await tx.execute(_DUE)).scalar_one_or_none()
                if key is None:
                    return False
                tried = await tx.first(_FIRST, {"key": key})
                if tried is not None:
                    await self._apply(tx, tried)
                    failpoints.reached("drain.after_effects")
                    await tx.execute(_APPLIED, {"id": tried.id})
                released = (await tx.execute(_RELEASE, {"key": key})).rowcount
                if not released:
                    await tx.execute(_GO_ON, {"key": key})
                await tx.flush()
                failpoints.reached("drain.before_commit")
        except Exception as error:
            if tried is None or is_passing(error):
                raise
            await self._note(tried, parking.fault_of(error))
            return True
        failpoints.reached("drain.after_commit")
        if tried is not None:
            log.info("parked_event_applied", id=tried.id, topic=tried.topic, released=bool(released))
        return True

    async def _apply(self, tx: Transaction, row: Any) -> None:
        record = record_of(row)
        received = decode(record, self._applier.listens_to)
        if not row.in_inbox:
            fresh, outside = await self._applier.take(tx, {received.id})
            if received.id not in fresh | outside:
                return  # it has had its effect meanwhile, by a copy that was in order
        await self._applier.effects(tx, {self._applier.listens_to[record.topic]: [received]})

    async def _note(self, row: Any, fault: Fault) -> None:
        async with self._database.transaction() as tx:
            held = await tx.first(_LOCK, {"key": row.key})
            if held is None:
                return
            await tx.execute(_FAILED, {"id": row.id, "kind": fault.kind, "code": fault.code, "text": fault.text})
            attempt = held.attempts + 1
            wait = RETRY_AFTER[attempt] if fault.kind != "decode" and attempt < len(RETRY_AFTER) else None
            await tx.execute(_LATER, {"key": row.key, "wait": wait})
        log.warning("parked_event_refused", id=row.id, topic=row.topic, code=fault.code, attempt=attempt)

    async def _show(self) -> None:
        async with self._database.transaction() as tx:
            held = await parking.count_held(tx)
            parked = await tx.all(_PARKED)
            oldest = (await tx.execute(_OLDEST)).scalar_one()
        metrics.HELD_KEYS.set(held)
        metrics.PARKED_OLDEST.set(oldest)
        metrics.PARKED_EVENTS.clear()
        for row in parked:
            metrics.PARKED_EVENTS.labels(row.state, row.error_code).set(row.events)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass


def record_of(row: Any) -> Record:
    """The record of a parked event, with the value as somebody edited it, if somebody did."""
    headers = [((parking.from_header(name) or b"").decode(errors="replace"), parking.from_header(value)) for name, value in row.raw_headers]
    value = row.raw_value if row.edited_value is None else row.edited_value
    return Record(row.topic, row.part, row.offset, row.raw_key, headers, value, int(row.kafka_ts.timestamp() * 1000))  # type: ignore[arg-type]  a hostile header may be null
