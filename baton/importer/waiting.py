"""Items that refer to something a service does not know yet: kept on disk, tried again when the rest is sent."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from baton.importer.items import Item

PAGE = 500


class WaitingRoom:
    """A queue in a file, so that memory does not grow with the number of those who wait."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=OFF")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute("CREATE TABLE waiting (place INTEGER PRIMARY KEY, file TEXT, line INTEGER, body BLOB)")

    def add(self, items: Sequence[Item]) -> None:
        """Queue items behind those who wait already."""
        self._db.execute("BEGIN")
        rows = [(item.file, item.line, item.body) for item in items]
        self._db.executemany("INSERT INTO waiting (file, line, body) VALUES (?, ?, ?)", rows)
        self._db.execute("COMMIT")

    def after(self, place: int, most: int) -> list[tuple[int, Item]]:
        """The next ones behind a place in the queue, each with its own place."""
        ask = "SELECT place, file, line, body FROM waiting WHERE place > ? ORDER BY place LIMIT ?"
        return [(at, Item(file, line, body)) for at, file, line, body in self._db.execute(ask, (place, most))]

    def items(self) -> Iterator[Item]:
        """All of them in their order; none leaves."""
        place = 0
        while waiting := self.after(place, PAGE):
            yield from (item for _, item in waiting)
            place = waiting[-1][0]

    def leave(self, places: Sequence[int]) -> None:
        """Take those out of the queue."""
        self._db.execute("BEGIN")
        self._db.executemany("DELETE FROM waiting WHERE place = ?", [(place,) for place in places])
        self._db.execute("COMMIT")

    def count(self) -> int:
        """How many wait."""
        return self._db.execute("SELECT count(*) FROM waiting").fetchone()[0]

    def close(self) -> None:
        """Give the file back."""
        self._db.close()
