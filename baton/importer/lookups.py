"""What an import has to remember of its files, on disk: other files by key for `lookup`, names seen for `repeats`. Memory stays flat."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

CHUNK = 5_000

Find = Callable[[str], Iterator[str]]


class Index:
    """Some columns of a file's rows by the values of one, in the order of the files."""

    def __init__(self, path: Path, width: int) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        # The index is made anew by every run: nothing is lost with it.
        self._db.execute("PRAGMA journal_mode=OFF")
        self._db.execute("PRAGMA synchronous=OFF")
        columns = "".join(f", c{at} TEXT" for at in range(width))
        self._db.execute(f"CREATE TABLE found (key TEXT{columns})")
        self._insert = f"INSERT INTO found VALUES (?{', ?' * width})"  # noqa: S608  numbers only

    def fill(self, rows: Iterable[Sequence[str | None]]) -> None:
        """Take in all rows of key and columns, once."""
        self._db.execute("BEGIN")
        for chunk in _chunks(rows):
            self._db.executemany(self._insert, chunk)
        # Sorting once costs less than keeping a tree in order while it grows.
        self._db.execute("CREATE INDEX by_key ON found (key)")
        self._db.execute("COMMIT")

    def finder(self, column: int) -> Find:
        """A function from key to that column's values, without missing ones, row by row as they are asked for."""
        ask = f"SELECT c{column} FROM found WHERE key = ? AND c{column} IS NOT NULL ORDER BY rowid"  # noqa: S608  numbers only

        def find(key: str) -> Iterator[str]:
            for (value,) in self._db.execute(ask, (key,)):
                yield value

        return find

    def close(self) -> None:
        """Give the file back."""
        self._db.close()


def _chunks(rows: Iterable[Sequence[str | None]]) -> Iterator[list[Sequence[str | None]]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk


class Names:
    """Names that were seen, on disk."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=OFF")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute("CREATE TABLE seen (name TEXT PRIMARY KEY) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def add(self, name: str) -> bool:
        """Whether it is the first of that name."""
        return self._db.execute("INSERT OR IGNORE INTO seen VALUES (?)", (name,)).rowcount == 1

    def close(self) -> None:
        """Give the file back."""
        self._db.close()
