"""What can be wrong: with a mapping (nothing is sent), with a row (it goes to the file of rejected rows)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from baton import CommandError


class MappingError(CommandError):
    """The mapping, or a file, does not fit: every fault with its place. Nothing has been sent."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("nothing was imported:\n" + "\n".join(f"  {fault}" for fault in faults), exit_code=2)
        self.faults = tuple(faults)


class UnfitError(Exception):
    """A cell that does not hold what the mapping says it holds. The message never repeats the cell."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """Why one row did not become one entity, or lost one label. Holds no value of the row."""

    file: str
    line: int
    entity: str
    code: str
    field: str
    message: str
