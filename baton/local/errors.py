"""The one error of this folder, and the one place where an error of the system becomes it."""

import os
import pwd
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from baton import CommandError

ANOTHER_STATE = "give another folder by --state or BATON_STATE"
FULL = ("No space left on device", "Disk quota exceeded")
CLOSED = ("Permission denied", "Operation not permitted")
SHAPE = (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError)
READ_ONLY = "Read-only file system"
NEARLY_FULL = 1024 * 1024  # with less than this free, the server that ended could not even write down why


class LocalError(CommandError):
    """Something that running on this machine needs is missing, taken or broken; the message says what to do."""


@contextmanager
def told(folder: Path, otherwise: str = ANOTHER_STATE) -> Iterator[None]:
    """Inside, an error of the system becomes a LocalError about its file, or about `folder` if it names none."""
    try:
        yield
    except OSError as error:
        raise of_system(error, folder, otherwise) from error


def of_system(error: OSError, folder: Path, otherwise: str = ANOTHER_STATE) -> LocalError:
    """What an error of the system means to a user: the place, the free space or the owner, and the way back."""
    place = Path(error.filename) if isinstance(error.filename, str) else folder
    if tells_full(str(error)):
        return disk_full(place)
    words = error.strerror or str(error) or type(error).__name__
    if READ_ONLY in str(error):
        return LocalError(f"{place} lies on a file system that is mounted read-only: mount it writable, or {otherwise}")
    if any(closed in str(error) for closed in CLOSED):
        return LocalError(f"{place} cannot be used by this user ({words}; {_owner(place)}): run as its owner, or {otherwise}")
    if isinstance(error, SHAPE):
        return LocalError(f"{place} is not what it should be ({words}): put it right or remove it, then run the same command again")
    return LocalError(f"the system refused something at {place} ({words}): mend that and run the same command again, or {otherwise}")


def tells_full(said: str) -> bool:
    """Whether these words of the system, or of a program, are about a full disk."""
    return any(full in said for full in FULL)


def disk_full(place: Path, what: str = "the disk is full") -> LocalError:
    """No space for something at `place`; what was begun is finished or cleaned by the next start."""
    there = existing(place)
    free = shutil.disk_usage(there).free // 2**20
    return LocalError(f"{what} ({free} MB are free in {there} now): free some (or raise the quota), then run the same command again")


def is_full(place: Path) -> bool:
    """Whether next to nothing can be written at `place` now."""
    return shutil.disk_usage(existing(place)).free < NEARLY_FULL


def existing(place: Path) -> Path:
    """The folder nearest to `place` that is there."""
    return next((each for each in (place, *place.parents) if os.path.isdir(each)), Path("/"))


def _owner(place: Path) -> str:
    there = next((each for each in (place, *place.parents) if os.path.lexists(each)), Path("/"))
    owner = there.lstat().st_uid
    try:
        return f"{there} belongs to {pwd.getpwuid(owner).pw_name}"
    except KeyError:
        return f"{there} belongs to user {owner}"
