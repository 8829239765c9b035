"""What an import shows on a terminal: a bar per part while it runs, a table of what became of the rows at the end."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from baton.importer.sending import Tally

_COLUMNS = (
    ("rows", "rows"),
    ("created", "created"),
    ("unchanged", "unchanged"),
    ("updated", "updated"),
    ("skipped", "already sent"),
    ("repeated", "repeated"),
    ("not_meant", "not meant"),
    ("no_time", "no date"),
    ("rejected", "rejected"),
    ("labels_rejected", "labels rejected"),
)


class Bars:
    """Progress by bytes read, with rows and rows per second."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[rows]:,} rows  {task.fields[rate]:,.0f}/s"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
        )
        self._part: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def begin(self, name: str, size: int) -> None:
        """A new bar."""
        self._part = self._progress.add_task(name, total=max(1, size), rows=0, rate=0.0, note="")

    def at(self, position: int, rows: int) -> None:
        """Move the bar."""
        if self._part is not None:
            elapsed = self._progress.tasks[-1].elapsed or 0.0
            self._progress.update(self._part, completed=position, rows=rows, rate=rows / elapsed if elapsed else 0.0)

    def waits(self, count: int) -> None:
        """Say beside the bar that something waits."""
        if self._part is not None:
            self._progress.update(self._part, note=f"{count:,} wait for another service" if count else "")


def table(tallies: Mapping[str, Tally]) -> Table:
    """What became of the rows, by entity; columns that are zero everywhere are left out."""
    shown = [(name, title) for name, title in _COLUMNS if any(getattr(tally, name) for tally in tallies.values())] or [_COLUMNS[0]]
    result = Table("", *(title for _, title in shown))
    for column in result.columns[1:]:
        column.justify = "right"
    for entity, tally in tallies.items():
        result.add_row(entity.replace("_", " "), *(f"{getattr(tally, name):,}" for name, _ in shown))
    return result
