"""`python -m services.<name> api|worker|all|migrate|provision`."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Coroutine
from typing import Any

import structlog

from shared.db import failpoints, migrating
from shared.db.failures import is_away
from shared.runtime import memory, operating, settings, starting, topics
from shared.runtime.process import Process
from shared.runtime.service import Service
from shared.runtime.supervisor import EndedByItself
from shared.telemetry import logs

ROLES = ("api", "worker", "all")
JOBS = ("migrate", "provision")
EX_CONFIG = 78
"""Exit code for what only a person can mend: settings, secrets, keys, ports, rights, a schema or topic of another version."""

WAIT_SECONDS = 60.0
"""How long a job waits for its server: it may be starting at the same time, or starting anew."""

PAUSE_SECONDS = 0.25

log = structlog.get_logger()


def main(service: Service) -> None:
    """Runs a role or a job of the service and ends the process: 0 well, 1 failed, 78 misconfigured."""
    asked = sys.argv[1:]
    if asked and asked[0] in operating.JOBS:
        sys.exit(run(service, asked[0], operating.parse(service.name, asked)))
    if len(asked) != 1 or asked[0] not in ROLES + JOBS:
        sys.exit(f"usage: python -m services.{service.name} {'|'.join(ROLES + JOBS + operating.JOBS)}")
    sys.exit(run(service, asked[0]))


def run(service: Service, what: str, asked: argparse.Namespace | None = None) -> int:
    """The exit code of a role or job; `asked`: what an operator wants of theirs."""
    logs.configure(service.name, "info")
    try:
        failpoints.arm(os.environ.get(failpoints.VARIABLE, ""))
        given = settings.read()
    except settings.Refused as error:
        for reason in error.reasons:
            log.critical("misconfigured", reason=reason)
        return EX_CONFIG
    except failpoints.UnknownPoint as error:
        log.critical("misconfigured", reason=str(error))
        return EX_CONFIG
    logs.configure(service.name, given.log_level)
    memory.settle()
    try:
        if asked is not None:
            return asyncio.run(operating.run(service, given, asked))
        _run(_role(service, given, what) if what in ROLES else _job(service, given, what), uvloop=what == "api")
    except Exception as error:
        return _told(error, given)
    return 0


def _told(error: Exception, given: settings.Settings) -> int:
    """The exit code for the error that ended the process; the last line of its log is why."""
    ended = isinstance(error, EndedByItself)
    if ended:
        log.critical("ended", task=str(error))
    reason = starting.reason(error, given)
    if reason is not None:
        log.critical("misconfigured", reason=reason)
        return EX_CONFIG
    if not ended:
        log.critical("failed", reason=f"{type(error).__name__}: {error}", exc_info=None if is_away(error) else error)
    return 1


async def _role(service: Service, given: settings.Settings, role: str) -> None:
    if given.prepare:
        version = await starting.until_reached(lambda: migrating.version_at(given.dsn), given, pause=PAUSE_SECONDS, seconds=WAIT_SECONDS)
        if version != migrating.newest(service.folder):
            await _job(service, given, "migrate")
        await _job(service, given, "provision")
    else:
        await _look(service, given)
    await Process(service, given).run(role)


async def _look(service: Service, given: settings.Settings) -> None:
    # Once: a database that is away is waited for by a process that says so, and an older schema may be migrated in a moment.
    try:
        migrating.require_known(service.folder, await migrating.version_at(given.dsn))
    except Exception as error:
        if not starting.may_pass(error, given):
            raise
        log.warning("database_is_away", reason=f"{type(error).__name__}: {error}")


async def _job(service: Service, given: settings.Settings, what: str) -> None:
    job = _migrate if what == "migrate" else _provision
    await starting.until_reached(lambda: job(service, given), given, pause=PAUSE_SECONDS, seconds=WAIT_SECONDS)


async def _migrate(service: Service, given: settings.Settings) -> None:
    await migrating.migrate(service.folder, given.dsn)
    log.info("migrated", version=migrating.newest(service.folder))


async def _provision(service: Service, given: settings.Settings) -> None:
    created = await topics.provision(given.kafka, service.name, topic_prefix=given.topic_prefix, replication=given.replication)
    log.info("provisioned", created=created)


def _run(work: Coroutine[Any, Any, None], *, uvloop: bool) -> None:
    if uvloop:  # processes with a Kafka client stay on the plain loop
        import uvloop as fast

        with asyncio.Runner(loop_factory=fast.new_event_loop) as runner:
            runner.run(work)
    else:
        asyncio.run(work)
