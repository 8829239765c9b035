"""One part of the sample service as a process that tests kill: `python -m tests.promises.member relay|consumer|drain`.

A service's own worker runs them together; apart, each can die while the others go on.
"""

from __future__ import annotations

import asyncio
import os
import sys

from shared.db import failpoints
from shared.db.transaction import Database
from shared.inbox.applying import Applier
from shared.inbox.consumer import Consumer
from shared.inbox.draining import Drain
from shared.runtime import settings
from shared.telemetry import logs
from tests.integration.shared import sample
from tests.integration.shared.traffic import relay_of

GROUP = "BATON_TEST_GROUP"


async def _run(part: str) -> None:
    given = settings.read()
    service = sample.service()
    database = Database(given.dsn, service=service.name)
    applier = Applier(database, service.handlers, given.topic_prefix)
    if part == "relay":
        await relay_of(database, given.kafka, given.topic_prefix).run()
    elif part == "consumer":
        await Consumer(database, applier, bootstrap=given.kafka, group=given.topic_prefix + os.environ.get(GROUP, "sales")).run()
    else:
        await Drain(database, applier).run()


if __name__ == "__main__":
    logs.configure("sales", "info")
    failpoints.arm(os.environ.get(failpoints.VARIABLE, ""))
    asyncio.run(_run(sys.argv[1]))
