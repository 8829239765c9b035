"""`python -m services.<name> api|worker|all|migrate|provision`."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Coroutine
from typing import Any

import pydantic
import structlog
from aiokafka.errors import KafkaError
from pydantic_settings import SettingsError

from shared.auth.failures import Misconfigured
from shared.db import migrating
from shared.db.failures import is_away
from shared.runtime import memory, topics
from shared.runtime.process import Process
from shared.runtime.service import Service
from shared.runtime.serving import PortInUse
from shared.runtime.settings import Settings
from shared.runtime.supervisor import EndedByItself
from shared.telemetry import logs

ROLES = ("api", "worker", "all")
JOBS = ("migrate", "provision")
EX_CONFIG = 78
"""Exit code for what only a person can mend: settings, keys, ports, topics that break their contract."""

BROKER_SECONDS = 60.0

_FOR_A_PERSON = (Misconfigured, PortInUse, topics.DifferentTopic)

log = structlog.get_logger()


def main(service: Service) -> None:
    """Runs a role or a job of the service and ends the process: 0 well, 1 failed, 78 misconfigured."""
    if len(sys.argv) != 2 or sys.argv[1] not in ROLES + JOBS:
        sys.exit(f"usage: python -m services.{service.name} {'|'.join(ROLES + JOBS)}")
    sys.exit(run(service, sys.argv[1]))


def run(service: Service, what: str) -> int:
    """The exit code of a role or job."""
    try:
        settings = Settings()  # type: ignore[call-arg]  the environment gives the fields
    except pydantic.ValidationError as error:
        for found in error.errors(include_input=False, include_url=False, include_context=False):
            print(f"BATON_{'_'.join(str(part) for part in found['loc'][:1]).upper()}: {found['msg']}", file=sys.stderr)  # noqa: T201
        return EX_CONFIG
    except SettingsError as error:  # the message names the field, never the value
        named = re.search(r'"(\w+)"', str(error))
        print(f"BATON_{named[1].upper() if named else ''}: not valid JSON", file=sys.stderr)  # noqa: T201
        return EX_CONFIG
    logs.configure(service.name, settings.log_level)
    memory.settle()
    try:
        _run(_role(service, settings, what) if what in ROLES else _job(service, settings, what), uvloop=what == "api")
    except _FOR_A_PERSON as error:
        log.critical("misconfigured", reason=str(error))
        return EX_CONFIG
    except EndedByItself as error:
        log.critical("ended", task=str(error))
        return EX_CONFIG if isinstance(error.__cause__, _FOR_A_PERSON) else 1
    except Exception as error:
        log.critical("failed", reason=f"{type(error).__name__}: {error}", exc_info=None if is_away(error) else error)
        return 1
    return 0


async def _role(service: Service, settings: Settings, role: str) -> None:
    if settings.prepare:
        url = settings.database_url.get_secret_value()
        if await migrating.version_at(url) != migrating.newest(service.folder):
            await _job(service, settings, "migrate")
        await _provision_when_reached(service, settings)
    await Process(service, settings).run(role)


async def _job(service: Service, settings: Settings, what: str) -> None:
    if what == "migrate":
        await migrating.migrate(service.folder, settings.database_url.get_secret_value())
        log.info("migrated", version=migrating.newest(service.folder))
    else:
        created = await topics.provision(settings.kafka, service.name, topic_prefix=settings.topic_prefix, replication=settings.replication)
        log.info("provisioned", created=created)


async def _provision_when_reached(service: Service, settings: Settings) -> None:
    # The broker may be starting at the same time; one that never comes is said to be away, as by the job alone.
    until = time.monotonic() + BROKER_SECONDS
    while True:
        try:
            return await _job(service, settings, "provision")
        except (KafkaError, OSError):
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.25)


def _run(work: Coroutine[Any, Any, None], *, uvloop: bool) -> None:
    if uvloop:  # processes with a Kafka client stay on the plain loop
        import uvloop as fast

        with asyncio.Runner(loop_factory=fast.new_event_loop) as runner:
            runner.run(work)
    else:
        asyncio.run(work)
