"""Which batches an interrupted import had confirmed, so that the next run can skip them. Losing it costs time, never correctness."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO


class OutdatedError(Exception):
    """The services do not have what the journal says they have: they were wiped or restored since. Everything has to be sent."""


class Journal:
    """Confirmed batches, `entity:digest` one a line, in a file of this combination of files, mapping and services.

    Only batches without a rejected item are noted, so that rejections are found again by every run.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = path.read_text().split() if path.exists() else []
        self._known = set(lines)
        self._last = {line.partition(":")[0]: line for line in lines}
        self._file: TextIO | None = None

    @property
    def begun(self) -> int:
        """How many batches an earlier run had confirmed."""
        return len(self._known)

    def has(self, digest: str) -> bool:
        """Whether that batch was confirmed by an earlier run."""
        return digest in self._known

    def is_last(self, digest: str) -> bool:
        """Whether it was the last one of its entity: a service that has that one has them all."""
        return digest in self._last.values()

    def add(self, digest: str) -> None:
        """Note a confirmed batch."""
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a", buffering=1)
        self._file.write(digest + "\n")

    def discard(self) -> None:
        """Forget everything: the import is complete, or starts anew."""
        self.close()
        self.path.unlink(missing_ok=True)
        self._known.clear()
        self._last.clear()

    def close(self) -> None:
        """Give the file back."""
        if self._file is not None:
            self._file.close()
            self._file = None


def path_of(folder: Path, parts: Iterable[str]) -> Path:
    """The file of one import: another for other files, another mapping, other services."""
    named = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
    return folder / f"{named}.journal"
