"""The four services as processes: their environment, start, readiness, stop."""

import http.client
import json
import os
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack

from baton import ISSUER
from baton.local import kafka, postgres, processes, state
from baton.local.errors import LocalError
from baton.local.ports import HOST
from baton.local.progress import Progress

AUDIENCE_LIFETIME = 86_400
READY_SECONDS = 90
STOP_SECONDS = 30


def url(kept: state.State, name: str) -> str:
    """Where a service answers its clients."""
    return f"http://{HOST}:{kept.ports[name]}"


def internal_url(kept: state.State, name: str) -> str:
    """Where a service tells how it is: /livez, /readyz, /metrics."""
    return f"http://{HOST}:{kept.ports[f'{name}-internal']}"


def environment(kept: state.State, name: str, inherited: Mapping[str, str]) -> dict[str, str]:
    """The settings of a service's process: of what is inherited, no BATON_ setting gets through."""
    issuer = {
        "issuer": ISSUER,
        "jwks": str(kept.keys / "public" / "jwks.json"),
        "algorithms": ["ES256"],
        "max_lifetime": AUDIENCE_LIFETIME,
        "role_claim": "roles",
    }
    return {
        **{key: value for key, value in inherited.items() if not key.startswith("BATON_")},
        "PYTHONUNBUFFERED": "1",
        "BATON_ENV": "local",
        "BATON_DATABASE_URL": postgres.dsn(kept, name, name, driver="postgresql+asyncpg"),
        "BATON_KAFKA": kafka.address(kept),
        "BATON_TOPIC_PREFIX": "",
        "BATON_HOST": HOST,
        "BATON_PORT": str(kept.ports[name]),
        "BATON_INTERNAL_PORT": str(kept.ports[f"{name}-internal"]),
        "BATON_ISSUERS": json.dumps([issuer]),
        "BATON_REVOKED_FILE": str(kept.keys / "public" / "revoked.json"),
        "BATON_CURSOR_SECRET": kept.cursor_secret,
        "BATON_LOG_LEVEL": "info",
        "BATON_PREPARE": "true",
        # threads of the C library would each keep pages of their own
        "MALLOC_ARENA_MAX": "1",
        processes.MARK: str(kept.folder),
    }


def make_keys(kept: state.State) -> None:
    """The key that signs tokens of this machine, made once, with its public half where the services read it."""
    from baton.ops import tokens

    kept.keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    tokens.keygen(kept.keys)


def running(kept: state.State, name: str) -> processes.Process | None:
    """The process of a service, if it runs."""
    return processes.find(kept.record(name))


def launch(kept: state.State, undo: ExitStack) -> None:
    """Start the process of each service that does not run; `undo` learns how to stop each.

    PostgreSQL must be there, Kafka may still be starting: a service brings its database and its topics up to date before it serves.
    """
    make_keys(kept)
    for name in state.SERVICES:
        if not running(kept, name):
            undo.callback(_stop_one, kept, name)
            _launch(kept, name)


def wait_ready(kept: state.State, progress: Progress) -> None:
    """Wait until all services are ready. Raises LocalError with the end of its log for one that ended or takes too long."""
    for name in state.SERVICES:
        with progress.step(f"{name}: waiting until it is ready") as tell:
            process = _wait_ready(kept, name)
            tell(f"pid {process.pid}, port {kept.ports[name]}")


def stop(kept: state.State) -> list[str]:
    """End all services at once and wait. Returns the names of those that ran."""
    found = {name: process for name in state.SERVICES if (process := running(kept, name))}
    for process in found.values():
        processes.send(process, processes.signal.SIGTERM)
    for name in found:
        _stop_one(kept, name)
    return list(found)


def is_ready(kept: state.State, name: str) -> tuple[bool, str]:
    """Whether a service says it is ready, with its own words if not."""
    connection = http.client.HTTPConnection(HOST, kept.ports[f"{name}-internal"], timeout=3)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        body = answer.read(500).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return False, f"no answer ({type(error).__name__})"
    finally:
        connection.close()
    return answer.status == http.client.OK, body


def _launch(kept: state.State, name: str) -> processes.Process:
    return processes.start(
        [sys.executable, "-m", f"services.{name}", "all"],
        record=kept.record(name),
        log=kept.log(name),
        folder=state.project(),
        environment=environment(kept, name, os.environ),
    )


def _wait_ready(kept: state.State, name: str) -> processes.Process:
    until = time.monotonic() + READY_SECONDS
    while True:
        process = running(kept, name)
        log = kept.log(name)
        if process is None:
            raise processes.ended(name, kept.record(name), log, data=kept.folder, otherwise="mend that and run the same command again")
        ready, why = is_ready(kept, name)
        if ready:
            return process
        if time.monotonic() > until:
            raise LocalError(f"{name} (pid {process.pid}) is not ready after {READY_SECONDS} s: {why}; see {log}")
        time.sleep(0.05)


def _stop_one(kept: state.State, name: str) -> None:
    process = running(kept, name)
    if process:
        processes.stop(process, seconds=STOP_SECONDS)
    kept.record(name).unlink(missing_ok=True)
