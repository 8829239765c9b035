"""One process of a service: what its role runs, and what must hold for it to be ready."""

from __future__ import annotations

import asyncio
import functools
import os
from datetime import UTC, datetime

import asyncpg
import structlog
from sqlalchemy import text
from starlette.types import ASGIApp

from shared.auth.access import AccessTable
from shared.auth.tokens import Verifier
from shared.db import kernel, migrating
from shared.db.failures import is_away
from shared.db.transaction import Database
from shared.http import app as public
from shared.http import parked as operators
from shared.http.edge import Edge
from shared.inbox.applying import Applier
from shared.inbox.consumer import Consumer
from shared.inbox.draining import Drain
from shared.outbox import retention
from shared.outbox.relay import Relay
from shared.outbox.wakeup import Notifier
from shared.runtime import memory, serving, starting, topics
from shared.runtime.service import Service
from shared.runtime.settings import Settings
from shared.runtime.supervisor import Supervisor
from shared.telemetry import health, metrics

log = structlog.get_logger()

READY_TO_CLOSED_SECONDS = 3.0
UPKEEP_SECONDS = 3600.0
UPKEEP_LOCK = 0x_BA70_0002


class Process:
    """Built from a service and its settings; `run` lasts as long as the process."""

    def __init__(self, service: Service, settings: Settings) -> None:
        self._service = service
        self._settings = settings
        url = settings.dsn
        self._dsn = url.replace("postgresql+asyncpg://", "postgresql://", 1)
        self._database = Database(url, service=service.name)
        self._supervisor = Supervisor()
        self._health = health.Health(required={"database": self._database_trouble})
        self._version = migrating.newest(service.folder)
        self._operators: ASGIApp | None = None

    async def run(self, role: str) -> None:
        """Runs the role until the process is asked to end. Raises Misconfigured, PortInUse or DifferentTopic at start."""
        if role in {"api", "all"}:
            await self._serve_public()
        if role in {"worker", "all"}:
            self._work(required=role == "worker")
        else:
            notifier = Notifier(self._dsn)
            self._database.woken = notifier.wake
            self._supervisor.tasks["notifier"] = notifier.run
            self._supervisor.on_stop.append(lambda: self._cancel("notifier"))
        self._supervisor.tasks["memory"] = memory.tidy
        self._supervisor.on_stop.append(lambda: self._cancel("memory"))
        self._serve("internal", health.application(self._health, self._operators), self._settings.internal_port)
        log.info("started", role=role, pid=os.getpid(), port=self._settings.port, internal_port=self._settings.internal_port)
        try:
            await self._supervisor.run()
        finally:
            await self._database.close()
        log.info("stopped")

    async def _serve_public(self) -> None:
        settings, service = self._settings, self._service
        verifier = Verifier(settings.issuers, service.name, settings.revoked_file)
        await verifier.open()
        access = AccessTable.load(service.folder / "access.yaml")
        for method, path, route in public.routes(service.routers):
            if access.scope_of(method, path) != route.requirement.scope:
                raise TypeError(f"{method} {path} asks for {route.requirement.scope}, access.yaml says {access.scope_of(method, path)}")
        secret = settings.cursor_secret.get_secret_value().encode()
        edge = Edge(self._database, verifier, access, secret)
        app = public.build(service.name, service.routers, edge)
        self._operators = operators.application(edge)
        self._supervisor.on_stop.append(self._become_unready)
        self._serve("http", app, settings.port)

    def _serve(self, name: str, app: object, port: int) -> None:
        listening = serving.listen(self._settings.host, port)
        server = serving.server(app)

        async def close() -> None:
            server.should_exit = True

        self._supervisor.tasks[name] = lambda: server.serve(sockets=[listening])
        self._supervisor.on_stop.append(close)

    def _work(self, *, required: bool) -> None:
        settings, service = self._settings, self._service
        relay = Relay(dsn=self._dsn, bootstrap=settings.kafka, client_id=f"{service.name}-relay", topic_prefix=settings.topic_prefix)
        self._database.woken = relay.wake
        applier = Applier(self._database, service.handlers, settings.topic_prefix, max_held_keys=settings.max_held_keys)
        group = settings.topic_prefix + service.name
        consumer = Consumer(self._database, applier, bootstrap=settings.kafka, group=group)
        drain = Drain(self._database, applier)
        metrics.CONSUMER_LAG_SECONDS.set_function(consumer.lag_seconds)

        async def consume() -> None:
            preparing = asyncio.create_task(self._prepare(consumer), name="preparation")
            await asyncio.wait({preparing})
            if not preparing.cancelled():
                preparing.result()
                await consumer.run()

        async def stop() -> None:
            consumer.stop()
            drain.stop()
            relay.stop()
            await self._cancel("preparation")  # it may wait for a broker that does not come back

        async def relay_trouble() -> str | None:
            return relay.trouble

        async def consumer_trouble() -> str | None:
            return consumer.trouble()

        checks = {"relay": relay_trouble, "consumer": consumer_trouble}
        self._health = health.Health(
            required={**self._health.required, **(checks if required else {})}, reported={} if required else checks
        )
        self._supervisor.tasks |= {"relay": relay.run, "consumer": consume, "drain": drain.run, "upkeep": self._upkeep}
        self._supervisor.on_stop += [stop, lambda: self._cancel("upkeep")]

    async def _prepare(self, consumer: Consumer) -> None:
        # A broker or database that is away is waited for; a topic that breaks its contract ends the process.
        if self._service.on_start is not None:
            await starting.until_reached(self._begin, self._settings)
        contracts = functools.partial(topics.check, self._settings.kafka, consumer.topics, replication=self._settings.replication)
        await starting.until_reached(contracts, self._settings)

    async def _begin(self) -> None:
        async with self._database.transaction() as tx:
            assert self._service.on_start is not None  # noqa: S101  asked before
            await self._service.on_start(tx)

    async def _upkeep(self) -> None:
        while True:
            try:
                await self._keep_up()
                await asyncio.sleep(UPKEEP_SECONDS)
            except Exception as error:
                if not is_away(error):
                    raise
                log.warning("upkeep_interrupted", error=type(error).__name__)
                await asyncio.sleep(5)

    async def _keep_up(self) -> None:
        today, settings = datetime.now(UTC).date(), self._settings
        async with self._database.connection() as connection:
            if (await connection.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": UPKEEP_LOCK})).scalar_one():
                created = await kernel.create_partitions(connection, today, inbox_days=settings.inbox_days)
                if created:
                    log.info("partitions_created", count=created)
            last = await kernel.last_days(connection, today)
        for table, day in last.items():  # counted from the day on which it is asked for: it must fall when this does not come by any more
            metrics.PARTITIONS_AHEAD.labels(table).set_function(lambda day=day: (day - datetime.now(UTC).date()).days)
        alone = await asyncpg.connect(self._dsn, timeout=3, command_timeout=60, server_settings=retention.SESSION)
        try:
            await retention.drop_old(alone, today, outbox_days=settings.outbox_days, inbox_days=settings.inbox_days)
        finally:
            alone.terminate()

    async def _database_trouble(self) -> str | None:
        try:
            async with self._database.connection() as connection:
                version = await migrating.current(connection)
        except Exception as error:
            if (reason := starting.reason(error, self._settings)) is None:
                raise
            return reason
        return None if version == self._version else f"schema {version}, this code knows {self._version}"

    async def _become_unready(self) -> None:
        # Whoever routes requests sees it before the listener closes.
        self._health.draining = True
        await asyncio.sleep(READY_TO_CLOSED_SECONDS)

    async def _cancel(self, name: str) -> None:
        for task in asyncio.all_tasks():
            if task.get_name() == name:
                task.cancel()
