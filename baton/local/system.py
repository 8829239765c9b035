"""Servers and services as one: up, inspect, stop, reset, and the profile that clients read."""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from baton import ISSUER, PROFILE
from baton.local import kafka, keys, ports, postgres, processes, servers, services, state
from baton.local.errors import LocalError
from baton.local.ports import HOST
from baton.local.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One process as `status` shows it. `state`: ready, not ready, stopped (by a command), or how it ended by itself."""

    name: str
    ready: bool
    state: str
    pid: int | None
    port: int
    internal_port: int | None
    url: str
    log: Path


def up(folder: Path, *, fixed: Mapping[str, int], with_services: bool, fresh: bool, progress: Progress) -> state.State:
    """Start what does not run and wait until all is ready. If it fails, what this call started is stopped again."""
    with state.locked(folder, lambda: progress.say(f"another baton command is at work in {folder}: waiting for it")), ExitStack() as undo:
        kept = servers.open_installation(folder, fixed, progress)
        if fresh:
            kept = _wipe(kept, progress)
        parts = (*state.SERVERS, *state.SERVICES) if with_services or set(state.SERVICES) & set(kept.parts) else state.SERVERS
        kept = state.save(kept, parts=parts)
        if with_services:
            keys.check(kept)
            _check_service_ports(kept)
        kept = servers.start_locked(kept, undo, progress, meanwhile=services.launch if with_services else None)
        if with_services:
            services.wait_ready(kept, progress)
        write_profile(kept)
        undo.pop_all()
        return kept


def stop(folder: Path, *, progress: Progress) -> bool:
    """End services, then Kafka, then PostgreSQL. True if anything ran."""
    with state.locked(folder, lambda: progress.say(f"another baton command is at work in {folder}: waiting for it")):
        return _stop(state.get(folder), progress)


def reset(folder: Path, *, progress: Progress) -> None:
    """Stop all and remove databases and Kafka's data together."""
    with state.locked(folder):
        _wipe(state.get(folder), progress)


def inspect(kept: state.State) -> list[Part]:
    """Each process that the last start was asked for, as it is now. Raises LocalError before ports have been chosen."""
    if set(state.PORTS) - set(kept.ports):
        raise LocalError(f"the start in {kept.folder} never came to its end: run `baton up`")
    return [_inspect_server(kept, name) if name in state.SERVERS else _inspect_service(kept, name) for name in kept.parts or state.SERVERS]


def write_profile(kept: state.State) -> None:
    """What clients on this machine need to know, without any password."""
    profile = {
        "services": {name: {"url": services.url(kept, name), "internal_url": services.internal_url(kept, name)} for name in state.SERVICES},
        "kafka": kafka.address(kept),
        "issuer": ISSUER,
        "key_file": str(kept.keys / "key.pem"),
        "postgres": {"host": HOST, "port": kept.ports["postgres"]},
    }
    state.write_private(kept.folder / PROFILE, json.dumps(profile, indent=1) + "\n")


def _wipe(kept: state.State, progress: Progress) -> state.State:
    _stop(kept, progress)
    with progress.step("removing all databases and events"):
        return servers.wipe(kept)


def _stop(kept: state.State, progress: Progress) -> bool:
    stopped: list[str] = []
    if any(services.running(kept, name) for name in state.SERVICES):
        with progress.step("services: stopping") as tell:
            stopped = services.stop(kept)
            tell(", ".join(stopped))
    for name, end in (("kafka", kafka.stop), ("postgres", postgres.stop)):
        if servers.running(kept, name):
            with progress.step(f"{name}: stopping"):
                end(kept)
            stopped.append(name)
    strays = servers.end_strays(kept, progress)
    return bool(stopped or strays)


def _check_service_ports(kept: state.State) -> None:
    missing = [name for name in state.SERVICES if not services.running(kept, name)]
    ports.check(kept.ports, [*missing, *(f"{name}-internal" for name in missing)])


def _inspect_server(kept: state.State, name: str) -> Part:
    process = servers.running(kept, name)
    ready = process is not None and kafka.answers(kept.ports[name])
    data = kept.postgres if name == "postgres" else kept.kafka
    scheme = "postgresql://" if name == "postgres" else ""
    return Part(
        name=name,
        ready=ready,
        state=_word(kept, name, process, ready, data),
        pid=process.pid if process else None,
        port=kept.ports[name],
        internal_port=kept.ports["kafka-controller"] if name == "kafka" else None,
        url=f"{scheme}{HOST}:{kept.ports[name]}",
        log=kept.log(name),
    )


def _inspect_service(kept: state.State, name: str) -> Part:
    process = services.running(kept, name)
    ready = process is not None and services.is_ready(kept, name)[0]
    return Part(
        name=name,
        ready=ready,
        state=_word(kept, name, process, ready, kept.folder),
        pid=process.pid if process else None,
        port=kept.ports[name],
        internal_port=kept.ports[f"{name}-internal"],
        url=services.url(kept, name),
        log=kept.log(name),
    )


def _word(kept: state.State, name: str, process: processes.Process | None, ready: bool, data: Path) -> str:
    if process:
        return "ready" if ready else "not ready"
    if not processes.died(kept.record(name)):
        return "stopped"
    return "ended: disk full" if processes.filled_its_disk(kept.record(name), kept.log(name), data) else "ended by itself"
