"""The file of rejected rows: where each stands and what is wrong with it, never what is in it."""

from __future__ import annotations

import csv
from dataclasses import asdict, fields
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from baton import CommandError
from baton.importer.faults import Rejection


class Rejects:
    """A CSV file that appears with its first row. Rejections of an earlier run are not kept."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._file: TextIO | None = None
        if path.is_dir():
            raise CommandError(f"{path} is a folder: rejected rows need a file", exit_code=2)
        # Only a file is replaced: the name may be that of a device or a pipe, which is not ours to remove.
        if path.is_file():
            path.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, rejection: Rejection) -> None:
        """Write one row, so that it is there even if the import is stopped afterwards."""
        if self._file is None:
            self._file = self.path.open("w", encoding="utf-8", newline="", buffering=1)
            csv.writer(self._file).writerow([each.name for each in fields(Rejection)])
        csv.writer(self._file).writerow(asdict(rejection).values())
        self.count += 1
