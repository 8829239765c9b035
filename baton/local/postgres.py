"""PostgreSQL: first creation, start, the four databases and their roles, stop."""

import os
import shutil
import time
from pathlib import Path
from urllib.parse import quote

from baton.local import accounts, errors, launch, processes, state
from baton.local.errors import LocalError
from baton.local.kafka import run
from baton.local.ports import HOST
from baton.local.progress import Progress

READY_SECONDS = 120
DAMAGED = "if its data is damaged, `baton reset` begins anew with empty databases and events"
NOBODY = 2**22 + 1  # above the highest process number that Linux gives

SETTINGS = """\
listen_addresses = '{host}'
port = {port}
unix_socket_directories = ''
max_connections = 300
password_encryption = 'scram-sha-256'
fsync = on
synchronous_commit = on
full_page_writes = on
shared_buffers = 256MB
max_wal_size = 2GB
timezone = 'UTC'
log_timezone = 'UTC'
log_destination = 'stderr'
logging_collector = off
log_line_prefix = '%m [%p] %u@%d '
cluster_name = 'baton'
"""

ACCESS = f"host all all {HOST}/32 scram-sha-256\n"


def dsn(kept: state.State, database: str, user: str = state.SUPERUSER, *, driver: str = "postgresql") -> str:
    """The address of a database for a role, with its password."""
    return f"{driver}://{user}:{quote(kept.passwords[user])}@{HOST}:{kept.ports['postgres']}/{database}"


def prepare(kept: state.State, progress: Progress) -> state.State:
    """Create the data folder if there never was any data. Raises LocalError if data that was there is gone or of another version."""
    who = accounts.account()
    kept.home.mkdir(parents=True, exist_ok=True)
    if who:
        kept.home.chmod(0o711)
    bin_folder = accounts.programs(kept, who)
    if "postgres" in kept.created:
        _check_version(kept, bin_folder, who)
        return kept
    with progress.step("PostgreSQL: creating its data folder"):
        _create(kept, bin_folder, who)
    return state.save(kept, created=(*kept.created, "postgres"))


def start(kept: state.State) -> processes.Process:
    """Start the server and wait until it accepts connections. Raises LocalError with the end of its log if it does not."""
    who = accounts.account()
    data = kept.postgres
    command = [str(accounts.programs(kept, who) / "postgres"), "-D", str(data), "-c", f"config_file={data / 'baton.conf'}"]
    _write(data / "baton.conf", SETTINGS.format(host=HOST, port=kept.ports["postgres"]), who)
    _write(data / "pg_hba.conf", ACCESS, who)
    until = time.monotonic() + READY_SECONDS
    while True:
        _release_stale_lock(data)
        process = processes.start(
            command,
            record=kept.record("postgres"),
            log=kept.log("postgres"),
            folder=Path("/"),
            environment=accounts.environment(),
            user=(who.uid, who.gid) if who else None,
        )
        while processes.runs(process):
            if _is_ready(data, process):
                return process
            if time.monotonic() > until:
                processes.stop(process, seconds=5)
                raise LocalError(f"PostgreSQL did not become ready within {READY_SECONDS} s: see {kept.log('postgres')}")
            time.sleep(0.02)
        # children of a killed server let go of its memory when they notice: soon, but not at once
        if "shared memory block" not in processes.last_lines(kept.log("postgres"), 4) or time.monotonic() > until:
            raise _ended(kept)
        time.sleep(0.2)


def running(kept: state.State) -> processes.Process | None:
    """The server's process, if it runs: by our record, or by PostgreSQL's own note in its data folder when the record was lost."""
    recorded = processes.find(kept.record("postgres"))
    if recorded:
        return recorded
    pid = _noted_pid(kept.postgres)
    since = launch.started(pid) if pid else None
    return processes.Process(pid=pid, started=since) if pid and since and _serves(pid, kept.postgres) else None


def provision(kept: state.State) -> None:
    """A database and a login role per service; no role may connect to any database but its own. Safe to repeat.

    Raises LocalError if PostgreSQL refuses or ends meanwhile.
    """
    import asyncpg

    try:
        run(_provision(kept))
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        if errors.tells_full(str(error)) or errors.is_full(kept.postgres):
            raise errors.disk_full(kept.postgres, "PostgreSQL could not create its databases because the disk is full") from error
        if processes.died(kept.record("postgres")):
            raise _ended(kept) from error
        why = str(error).partition("\n")[0]
        raise LocalError(f"PostgreSQL refused to create databases and roles ({why}): see {kept.log('postgres')}, {DAMAGED}") from error


def stop(kept: state.State) -> bool:
    """End the server, rolling back what is open, and wait. True if one ran."""
    process = running(kept)
    if process:
        who = accounts.account()
        pg_ctl = str(accounts.programs(kept, who) / "pg_ctl")
        processes.send(process, processes.signal.SIGCONT)
        accounts.run([pg_ctl, "stop", "-D", str(kept.postgres), "-m", "fast", "-w", "-t", "60"], who, timeout=70)
        if not processes.wait_gone(process, 1):
            processes.stop(process, seconds=5)
    kept.record("postgres").unlink(missing_ok=True)
    return process is not None


async def _provision(kept: state.State) -> None:
    import asyncpg

    connection = await asyncpg.connect(dsn(kept, "postgres"), timeout=30)
    try:
        roles = {row["rolname"] for row in await connection.fetch("SELECT rolname FROM pg_roles")}
        databases = {row["datname"] for row in await connection.fetch("SELECT datname FROM pg_database")}
        for database in ("postgres", "template1"):
            await connection.execute(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
        for name in state.SERVICES:  # names and passwords are our own letters and digits: nothing to quote
            verb = "ALTER" if name in roles else "CREATE"
            rights = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
            await connection.execute(f"{verb} ROLE {name} {rights} PASSWORD '{kept.passwords[name]}'")
            if name not in databases:
                await connection.execute(f"CREATE DATABASE {name} OWNER {name} TEMPLATE template0")
            await connection.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
            await connection.execute(f"GRANT ALL ON DATABASE {name} TO {name}")
    finally:
        await connection.close()


def _create(kept: state.State, bin_folder: Path, who: accounts.Account | None) -> None:
    draft = kept.home / "postgres.new"
    for leftover in (draft, kept.postgres):
        shutil.rmtree(leftover, ignore_errors=True)
    draft.mkdir(mode=0o700)
    secret = kept.home / "superuser"
    state.write_private(secret, kept.passwords[state.SUPERUSER])
    if who:
        os.chown(draft, who.uid, who.gid)
        os.chown(secret, who.uid, who.gid)
    try:
        command = [str(bin_folder / "initdb"), "-D", str(draft), "-U", state.SUPERUSER, f"--pwfile={secret}", "--encoding=UTF8"]
        # one order of text on every machine, whatever locales it has
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        done = accounts.run([*command, *locale, "--auth=scram-sha-256"], who, timeout=120)
    finally:
        secret.unlink(missing_ok=True)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        if errors.tells_full(said):
            raise errors.disk_full(kept.home, "PostgreSQL's data folder could not be created because the disk is full")
        raise LocalError(f"PostgreSQL's data folder could not be created in {kept.home}; initdb said:\n{said[-600:]}")
    draft.replace(kept.postgres)


def _ended(kept: state.State) -> LocalError:
    return processes.ended("PostgreSQL", kept.record("postgres"), kept.log("postgres"), data=kept.postgres, otherwise=DAMAGED)


def _check_version(kept: state.State, bin_folder: Path, who: accounts.Account | None) -> None:
    try:
        of_data = (kept.postgres / "PG_VERSION").read_text(errors="replace").strip()
    except OSError:
        of_data = ""
    if not of_data.isdecimal():
        raise LocalError(
            f"the databases in {kept.postgres} are gone or damaged, and Kafka's data counts on them: run `baton reset` to begin both anew"
        )
    of_program = accounts.run([str(bin_folder / "postgres"), "--version"], who, timeout=30).stdout.split()[-1].partition(".")[0]
    if of_data != of_program:
        raise LocalError(
            f"the databases are of PostgreSQL {of_data}, the installed one is {of_program}: install that version, or run `baton reset`"
        )


def _write(file: Path, text: str, who: accounts.Account | None) -> None:
    file.write_text(text)
    if who:
        os.chown(file, who.uid, who.gid)


def _note(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text(errors="replace").splitlines()
    except OSError:
        return []


def _noted_pid(data: Path) -> int | None:
    lines = _note(data)
    return int(lines[0]) if lines and lines[0].strip().isdigit() else None


def _serves(pid: int, data: Path) -> bool:
    try:
        return str(data).encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def _is_ready(data: Path, process: processes.Process) -> bool:
    lines = _note(data)
    return len(lines) > 7 and lines[0].strip() == str(process.pid) and lines[7].strip() == "ready"


def _release_stale_lock(data: Path) -> None:
    """Let go of the note of a server that is no more but whose number lives on, in another program or an unburied process.

    PostgreSQL would take that number for a running server. Only the number is changed: its other check, that no orphan still
    uses the shared memory, stays.
    """
    pid = _noted_pid(data)
    if pid is None:  # written half before a power cut: PostgreSQL would refuse it for ever
        (data / "postmaster.pid").unlink(missing_ok=True)
        return
    if pid == NOBODY or not Path(f"/proc/{pid}").exists() or (launch.started(pid) and _serves(pid, data)):
        return
    lines = _note(data)
    note = data / "postmaster.pid"
    note.write_text("\n".join([str(NOBODY), *lines[1:]]) + "\n")
