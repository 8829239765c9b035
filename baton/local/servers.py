"""PostgreSQL and Kafka together: what the command line starts, and what tests ask for.

`start(folder)` gives running servers, whoever started them; every function here may be called at the same time from several processes.
"""

import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path

from baton.local import jars, kafka, ports, postgres, processes, state
from baton.local.errors import LocalError
from baton.local.ports import HOST
from baton.local.progress import Progress, Silent

FREE_BYTES = 600 * 1024 * 1024
SILENT = Silent()


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Running servers and how to reach them."""

    kept: state.State

    @property
    def kafka(self) -> str:
        """Bootstrap address of the broker."""
        return kafka.address(self.kept)

    @property
    def postgres_host(self) -> str:
        """Address PostgreSQL listens on."""
        return HOST

    @property
    def postgres_port(self) -> int:
        """Port PostgreSQL listens on."""
        return self.kept.ports["postgres"]

    def postgres_dsn(self, database: str = "postgres", user: str = state.SUPERUSER) -> str:
        """`postgresql://…` with password, for the superuser or the role of a service."""
        return postgres.dsn(self.kept, database, user)

    def database_url(self, database: str = "postgres", user: str = state.SUPERUSER) -> str:
        """`postgresql+asyncpg://…` with password, as a service's settings want it."""
        return postgres.dsn(self.kept, database, user, driver="postgresql+asyncpg")

    def pid(self, part: str) -> int | None:
        """Process number of `postgres` or `kafka`, None while it does not run."""
        process = running(self.kept, part)
        return process.pid if process else None


def start(folder: Path, *, progress: Progress = SILENT, fixed: Mapping[str, int] | None = None) -> Servers:
    """Start what does not run and wait until both servers are ready. What this call started is stopped again if it fails."""
    with state.locked(folder, lambda: progress.say(f"another baton command is at work in {folder}: waiting for it")), ExitStack() as undo:
        kept = start_locked(open_installation(folder, fixed or {}, progress), undo, progress)
        undo.pop_all()
        return Servers(kept=kept)


def stop(folder: Path) -> None:
    """Stop both servers, if they run."""
    with state.locked(folder):
        kept = state.find(folder)
        if kept:
            kafka.stop(kept)
            postgres.stop(kept)


def start_kafka(folder: Path) -> None:
    """Start Kafka alone and wait until it is ready; nothing if it runs."""
    with state.locked(folder), ExitStack() as undo:
        _start_kafka(state.get(folder), undo, SILENT)
        undo.pop_all()


def stop_kafka(folder: Path) -> None:
    """Stop Kafka alone."""
    with state.locked(folder):
        kafka.stop(state.get(folder))


def start_postgres(folder: Path) -> None:
    """Start PostgreSQL alone and wait until it is ready; nothing if it runs."""
    with state.locked(folder):
        kept = state.get(folder)
        if not postgres.running(kept):
            postgres.start(kept)


def stop_postgres(folder: Path) -> None:
    """Stop PostgreSQL alone."""
    with state.locked(folder):
        postgres.stop(state.get(folder))


def destroy(folder: Path) -> None:
    """Stop everything and remove databases, Kafka's data and the state folder: nothing of the installation is left."""
    with state.locked(folder):
        kept = state.find(folder)
        if kept:
            kafka.stop(kept)
            postgres.stop(kept)
            if kept.home != folder:
                shutil.rmtree(kept.home, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def wipe(kept: state.State) -> state.State:
    """Remove databases and Kafka's data together; ports and passwords stay. A wipe cut short is finished by the next start."""
    kept = state.save(kept, wiping=True)
    for data in (kept.postgres, kept.kafka):
        if data.exists():
            shutil.rmtree(data)
    return state.save(kept, wiping=False, created=())


def end_strays(kept: state.State, progress: Progress) -> list[int]:
    """End processes started for this folder that no record names any more: the folder was removed, or the command killed.

    Returns their numbers.
    """
    leaders = {process.pid for file in (kept.folder / "run").glob("*.json") if (process := processes.find(file))}
    strays = [process for process in processes.strays(str(kept.folder)) if processes.session(process) not in leaders]
    for process in strays:
        progress.say(f"ending process {process.pid}, left over from an earlier start")
        processes.stop(process, seconds=10)
    return [process.pid for process in strays]


def running(kept: state.State, part: str) -> processes.Process | None:
    """The process of a server."""
    return postgres.running(kept) if part == "postgres" else processes.find(kept.record(part))


def open_installation(folder: Path, fixed: Mapping[str, int], progress: Progress) -> state.State:
    """The installation of this folder, made if there is none; a half-finished wipe is finished. The caller holds the lock."""
    kept = state.find(folder)
    if kept is None:
        kept = state.new(folder)
        _clear_orphans(kept, progress)
    if kept.home != state.home_of(folder):
        raise LocalError(
            f"{folder} was set up by another user, or moved away from its databases in {kept.home}: undo that, or remove the folder"
        )
    if kept.moved:  # whatever runs was started by the folder this one was copied from
        shutil.rmtree(folder / "run", ignore_errors=True)
        kept = state.save(kept, ports={}, moved=False)
    end_strays(kept, progress)
    if kept.wiping:
        kept = wipe(_stopped(kept))
    moved = [
        name
        for name, port in fixed.items()
        if kept.ports.get(name, port) != port and running(kept, name.removesuffix("-controller").removesuffix("-internal"))
    ]
    if moved:
        raise LocalError(f"{', '.join(moved)} runs on another port: run `baton stop` first, then start it on the new one")
    kept = state.save(kept, ports=ports.choose(state.PORTS, {**kept.ports, **fixed}))
    if kept.home != folder:
        (folder / "databases").write_text(f"{kept.home}\n")
    return kept


def start_locked(
    kept: state.State, undo: ExitStack, progress: Progress, *, meanwhile: Callable[[state.State, ExitStack], None] | None = None
) -> state.State:
    """Start both servers at the same time; `undo` learns how to stop each that this call started. The caller holds the lock.

    `meanwhile` is called once PostgreSQL is ready, while Kafka may still be coming up.
    """
    _check_ports(kept)
    _check_space(kept)
    broker = kafka.running(kept)
    class_path = [] if broker else jars.fetch(progress)
    formatted = broker or kafka.is_formatted(kept)
    if not broker and formatted:
        broker = _launch_kafka(kept, class_path, undo)
    with kafka.formatting(kept, class_path, progress) if not formatted else nullcontext():
        kept = postgres.prepare(kept, progress)
    if not broker:
        kept = state.save(kept, created=(*kept.created, "kafka"))
        broker = _launch_kafka(kept, class_path, undo)
    if not postgres.running(kept):
        with progress.step("PostgreSQL: starting") as tell:
            undo.callback(postgres.stop, kept)
            process = postgres.start(kept)
            tell(f"pid {process.pid}, port {kept.ports['postgres']}")
    with progress.step("PostgreSQL: databases and roles"):
        postgres.provision(kept)
    if meanwhile:
        meanwhile(kept, undo)
    _await_kafka(kept, broker, progress)
    return kept


def _start_kafka(kept: state.State, undo: ExitStack, progress: Progress) -> None:
    broker = kafka.running(kept)
    if not broker:
        class_path = jars.fetch(progress)
        if not kafka.is_formatted(kept):
            with kafka.formatting(kept, class_path, progress):
                pass
            kept = state.save(kept, created=(*kept.created, "kafka"))
        broker = _launch_kafka(kept, class_path, undo)
    _await_kafka(kept, broker, progress)


def _launch_kafka(kept: state.State, class_path: list[Path], undo: ExitStack) -> processes.Process:
    undo.callback(kafka.stop, kept)
    return kafka.launch(kept, class_path)


def _await_kafka(kept: state.State, process: processes.Process, progress: Progress) -> None:
    with progress.step("Kafka: waiting until it answers") as tell:
        kafka.wait_ready(kept, process)
        tell(f"pid {process.pid}, port {kept.ports['kafka']}")


def _check_ports(kept: state.State) -> None:
    names = [name for name in state.SERVERS if not running(kept, name)]
    ports.check(kept.ports, [*names, *(["kafka-controller"] if "kafka" in names else [])])


def _check_space(kept: state.State) -> None:
    if all(running(kept, name) for name in state.SERVERS):
        return
    for folder in {kept.folder, kept.home.parent if kept.home != kept.folder else kept.folder}:
        free = shutil.disk_usage(folder).free
        if free < FREE_BYTES:
            raise LocalError(
                f"{free // 2**20} MB are free in {folder} and {FREE_BYTES // 2**20} are needed: free some, or give another --state"
            )


def _stopped(kept: state.State) -> state.State:
    kafka.stop(kept)
    postgres.stop(kept)
    return kept


def _clear_orphans(kept: state.State, progress: Progress) -> None:
    """Databases outside a state folder that was removed: their passwords and Kafka's log went with it."""
    if kept.home != kept.folder and kept.home.exists():
        with progress.step(f"removing the databases in {kept.home}, whose state folder was removed"):
            postgres.stop(kept)
            shutil.rmtree(kept.home)
