"""What callers did and what they were told: one JSON line per attempt begun and one per attempt ended, never changed afterwards."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TextIO

Type = Literal["invoke", "ok", "fail", "info"]
Certainty = Literal["ok", "fail", "info"]
Claim = tuple[str, str, str]
"""Table, column and value of a row that a write makes."""
Telling = tuple[str, str]
"""Topic and subject of an event that a write causes."""

CREATED = "created"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing that a write makes: the rows that show it, what stands in them (column to text), and the events that tell of it."""

    claims: tuple[Claim, ...] = ()
    tells: tuple[Telling, ...] = ()
    has: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line. `op` ties the attempts of one write together; `key` names the object; times are seconds of the monotonic clock.

    `results` (bulk writes): what was answered for each item. `sha`: digest of the answer's body. Status 0: no answer at all.
    `wants`: the only 2xx status that a first execution can have (0: any).
    """

    i: int
    op: int
    proc: int
    f: str
    type: Type
    service: str
    route: str
    key: str
    idem: str | None = None
    val: tuple[Item, ...] = ()
    etag_in: int | None = None
    etag_out: int | None = None
    status: int | None = None
    code: str | None = None
    sha: str | None = None
    replayed: bool = False
    wants: int = 0
    results: tuple[str, ...] = ()
    t_mono: float = 0.0
    t_wall: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempt from its beginning to its end; one without an end (`ended` None) is of unknown outcome."""

    begun: Entry
    ended: Entry | None

    @property
    def outcome(self) -> Certainty:
        """2xx is ok, 4xx is fail, everything else may or may not have happened."""
        return "info" if self.ended is None or self.ended.type == "invoke" else self.ended.type


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One write with all its attempts, which carry the same key and content."""

    attempts: tuple[Attempt, ...]

    @property
    def first(self) -> Entry:
        """How it was begun."""
        return self.attempts[0].begun

    @property
    def answer(self) -> Entry | None:
        """The first answer that acknowledges it."""
        return next((each.ended for each in self.attempts if each.outcome == "ok"), None)

    @property
    def outcome(self) -> Certainty:
        """ok if any attempt was acknowledged; fail only if every attempt was refused."""
        outcomes = {each.outcome for each in self.attempts}
        return "ok" if "ok" in outcomes else "info" if "info" in outcomes else "fail"

    def items(self) -> Iterator[tuple[Item, Certainty]]:
        """Each thing that it makes, and whether it certainly was made, certainly was not, or may have been."""
        answer = self.answer
        for index, item in enumerate(self.first.val):
            if answer is None or not answer.results:
                yield item, self.outcome
            elif index < len(answer.results):
                yield item, "fail" if answer.results[index] == "failed" else "ok"


def outcome_of(status: int) -> Certainty:
    """What an answer says of the effect: the rule on which everything else stands. 0: time-out, reset, or no connection."""
    if 200 <= status < 300:
        return "ok"
    return "fail" if 400 <= status < 500 else "info"


class History:
    """The file that is written while the load goes on, and the same in memory."""

    def __init__(self, path: Path) -> None:
        self.entries: list[Entry] = []
        self._file: TextIO = path.open("w", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def note(self, **told: Any) -> Entry:
        """Adds an entry, with its place and its times."""
        entry = Entry(i=len(self.entries), t_mono=time.monotonic(), t_wall=time.time(), **told)
        self.entries.append(entry)
        self._file.write(json.dumps(asdict(entry), separators=(",", ":")) + "\n")
        return entry


def read(path: Path) -> list[Entry]:
    """The entries of a file; the last line may be cut short by the end of the process that wrote it."""
    entries: list[Entry] = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):
                entries.append(_entry(json.loads(line)))
    return entries


def attempts(entries: Iterable[Entry]) -> list[Attempt]:
    """Attempts in the order in which they began. An end belongs to the last beginning of the same process, write and kind."""
    begun: dict[tuple[int, int], Entry] = {}
    found: dict[int, Attempt] = {}
    for entry in entries:
        if entry.type == "invoke":
            begun[entry.proc, entry.op] = entry
            found[entry.i] = Attempt(begun=entry, ended=None)
        elif (beginning := begun.pop((entry.proc, entry.op), None)) is not None:
            found[beginning.i] = Attempt(begun=beginning, ended=entry)
    return list(found.values())


def operations(entries: Iterable[Entry]) -> list[Operation]:
    """Writes in the order in which they began, each with its attempts. Reads are no writes."""
    by_op: dict[int, list[Attempt]] = {}
    for attempt in attempts(entries):
        if attempt.begun.idem is not None or attempt.begun.etag_in is not None or attempt.begun.val:
            by_op.setdefault(attempt.begun.op, []).append(attempt)
    return [Operation(attempts=tuple(found)) for found in by_op.values()]


def acknowledged(writes: Sequence[Operation]) -> int:
    """How many things were acknowledged, each item of a bulk write for itself."""
    return sum(certainty == "ok" for write in writes for _, certainty in write.items())


def _entry(told: dict[str, Any]) -> Entry:
    items = tuple(
        Item(claims=tuple(map(tuple, item["claims"])), tells=tuple(map(tuple, item["tells"])), has=item["has"]) for item in told["val"]
    )
    return Entry(**{**told, "val": items, "results": tuple(told["results"])})
