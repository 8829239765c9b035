"""What an installation remembers: one folder with one private file for ports, passwords and what has been created."""

import fcntl
import hashlib
import json
import os
import secrets
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

import baton
from baton.local import errors
from baton.local.errors import LocalError

SERVICES = ("marketing", "handoff", "sales", "distribution")
SERVERS = ("postgres", "kafka")
PORTS = (*SERVERS, "kafka-controller", *SERVICES, *(f"{name}-internal" for name in SERVICES))
SUPERUSER = "postgres"
LOCK_SECONDS = 300

Port = Annotated[int, Field(strict=True, gt=0, lt=65_536)]
Word = Annotated[str, Field(pattern="^[A-Za-z0-9_-]{16,}$")]  # goes into SQL and addresses as it is


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One installation. Saved as a whole, so that a killed command leaves the last saved one."""

    folder: Path
    home: Path  # where the databases lie; outside `folder` only for root
    installation: str
    ports: dict[str, Port] = field(default_factory=dict)
    passwords: dict[str, Word] = field(default_factory=dict)
    cursor_secret: Word
    cluster: Word
    created: tuple[Literal["postgres", "kafka"], ...] = ()  # servers whose data exists
    parts: tuple[str, ...] = ()  # what the last start was asked to run
    wiping: bool = False  # a reset began and has not ended
    moved: bool = False  # the folder was saved under another path

    def record(self, part: str) -> Path:
        """The file that names the process of a part."""
        return self.folder / "run" / f"{part}.json"

    def log(self, part: str) -> Path:
        """The log file of a part."""
        return self.folder / "logs" / f"{part}.log"

    @property
    def keys(self) -> Path:
        """The folder of the key that signs local tokens."""
        return self.folder / "keys"

    @property
    def postgres(self) -> Path:
        """The data folder of PostgreSQL."""
        return self.home / "postgres"

    @property
    def kafka(self) -> Path:
        """The folder of Kafka's settings and data."""
        return self.folder / "kafka"


def project() -> Path:
    """The folder that holds the project: where its `pyproject.toml` lies, else where the command was called."""
    source = Path(baton.__file__).resolve().parent.parent
    return source if (source / "pyproject.toml").exists() else Path.cwd()


def folder_of(option: Path | None) -> Path:
    """The state folder: the option, else BATON_STATE, else `.baton` of the project; always absolute."""
    return (option or Path(os.environ.get("BATON_STATE") or project() / ".baton")).expanduser().resolve()


def home_of(folder: Path) -> Path:
    """Where the databases lie: PostgreSQL does not run as root, and its own user could not reach them inside a closed home."""
    return folder if os.geteuid() != 0 else _outside(folder)


def _outside(folder: Path) -> Path:
    return Path("/var/lib") / f"baton-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"


def find(folder: Path) -> State | None:
    """The saved state of an installation, None if there is none in this folder. Raises LocalError if it cannot be read."""
    file = folder / "state.json"
    try:
        kept = TypeAdapter(State).validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise errors.of_system(error, file) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise _damaged(file, ": ".join([*map(str, first["loc"]), first["msg"]])) from None
    missing = {SUPERUSER, *SERVICES} - kept.passwords.keys()
    if missing:
        raise _damaged(file, f"passwords: none of {', '.join(sorted(missing))}")
    if kept.home not in (kept.folder, _outside(kept.folder)):
        raise _damaged(file, f"home: {kept.home} is no place for its databases")
    return replace(kept, folder=folder, home=folder if kept.home == kept.folder else kept.home, moved=kept.folder != folder)


def _damaged(file: Path, why: str) -> LocalError:
    return LocalError(
        f"{file} is damaged ({why}): restore it from a copy, or remove the folder {file.parent} and run `baton up` to begin anew "
        "with empty databases"
    )


def get(folder: Path) -> State:
    """The saved state. Raises LocalError if nothing was ever started in this folder."""
    state = find(folder)
    if state is None:
        raise LocalError(f"nothing was started with the state folder {folder}: run `baton up` first")
    return state


def new(folder: Path) -> State:
    """A fresh installation: its passwords are random and stay on this machine."""
    return State(
        folder=folder,
        home=home_of(folder),
        installation=uuid.uuid4().hex,
        passwords={name: secrets.token_hex(24) for name in (SUPERUSER, *SERVICES)},
        cursor_secret=secrets.token_hex(32),
        cluster=secrets.token_urlsafe(16),
    )


def save(state: State, **changes: Any) -> State:
    """Store the state, with changes, as one atomic step; only its owner can read the file. Returns what was stored."""
    state = replace(state, **changes)
    text = json.dumps(asdict(state) | {"folder": str(state.folder), "home": str(state.home)}, indent=1)
    write_private(state.folder / "state.json", text)
    return state


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner reads; it is there whole or not at all, also after a power cut."""
    draft = file.with_name(f"{file.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    draft.replace(file)


@contextmanager
def locked(folder: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the installation for one command at a time; `waiting` is called once if another holds it.

    The kernel frees the lock of a killed command. Raises LocalError after five minutes, and for every error of the system inside.
    """
    with errors.told(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        until = time.monotonic() + LOCK_SECONDS
        told = False
        while not _try_lock(handle):
            if not told:
                waiting()
                told = True
            if time.monotonic() > until:
                raise LocalError(
                    f"another baton command has held {folder / 'lock'} for {LOCK_SECONDS} s: wait for it or end it, then run again"
                )
            time.sleep(0.05)
        with errors.told(folder):
            yield
    finally:
        os.close(handle)


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
