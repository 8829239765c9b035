"""The folder in which a run keeps what must not fill its memory. It lies beside the journal; what a killed run left there is removed."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = "lock"


@contextmanager
def opened(journal: Path) -> Iterator[Path]:
    """A new folder for a run of the import with that journal, removed with all that is in it at the end."""
    journal.parent.mkdir(parents=True, exist_ok=True)
    prefix = f"{journal.stem}-work-"
    for left in journal.parent.glob(f"{prefix}*"):
        _remove_if_left(left)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=journal.parent))
    # The system gives the lock back when the process ends, however it ends.
    with (folder / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_if_left(folder: Path) -> None:
    try:
        with (folder / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return  # it was made this moment, or is being removed
    except BlockingIOError:
        return  # another run of the same import is at work
    shutil.rmtree(folder, ignore_errors=True)
