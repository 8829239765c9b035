"""Other files by key, on disk: what `lookup` reads. Memory does not grow with the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

CHUNK = 5_000

Find = Callable[[str], str | None]


class Index:
    """Some columns of a file's rows by the values of one. Of several rows with the same key, the first in the order of the files counts."""

    def __init__(self, path: Path, width: int) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        # The index is made anew by every run: nothing is lost with it.
        self._db.execute("PRAGMA journal_mode=OFF")
        self._db.execute("PRAGMA synchronous=OFF")
        columns = "".join(f", c{at} TEXT" for at in range(width))
        self._db.execute(f"CREATE TABLE found (key TEXT PRIMARY KEY{columns}) WITHOUT ROWID")
        self._insert = f"INSERT OR IGNORE INTO found VALUES (?{', ?' * width})"  # noqa: S608  numbers only

    def fill(self, rows: Iterable[Sequence[str | None]]) -> None:
        """Add rows of key and columns."""
        self._db.execute("BEGIN")
        for chunk in _chunks(rows):
            self._db.executemany(self._insert, chunk)
        self._db.execute("COMMIT")

    def finder(self, column: int) -> Find:
        """A function from key to that column's value: None if no row has the key, or its value is missing."""
        ask = f"SELECT c{column} FROM found WHERE key = ?"  # noqa: S608  a number only

        def find(key: str) -> str | None:
            row = self._db.execute(ask, (key,)).fetchone()
            return row[0] if row else None

        return find

    def close(self) -> None:
        """Give the file back."""
        self._db.close()


def _chunks(rows: Iterable[Sequence[str | None]]) -> Iterator[list[Sequence[str | None]]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk
