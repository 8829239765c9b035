"""The end of log files, and what is appended to them."""

import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path


def read(files: Mapping[str, Path], *, last: int, follow: bool) -> Iterator[str]:
    """The last lines of each file, then, when following, each line as it is written; named if there are several files."""
    places: dict[str, int] = {}
    for name, file in files.items():
        for line in _last_lines(file, last) if file.exists() else ():
            yield _named(name, line, files)
        places[name] = file.stat().st_size if file.exists() else 0
    while follow:
        for name, file in files.items():
            lines, places[name] = _appended(file, places[name])
            for line in lines:
                yield _named(name, line, files)
        time.sleep(0.2)


def _last_lines(file: Path, count: int) -> list[str]:
    with file.open(errors="replace") as handle:
        return [line.rstrip("\n") for line in deque(handle, maxlen=count)]


def _appended(file: Path, place: int) -> tuple[list[str], int]:
    """Whole lines written behind `place`, and the place after them; a file that became shorter was begun anew."""
    try:
        with file.open("rb") as handle:
            if file.stat().st_size < place:
                place = 0
            handle.seek(place)
            written = handle.read()
    except FileNotFoundError:
        return [], 0
    whole = written[: written.rfind(b"\n") + 1]
    return whole.decode(errors="replace").splitlines(), place + len(whole)


def _named(name: str, line: str, files: Mapping[str, Path]) -> str:
    return f"{name:<12} {line}" if len(files) > 1 else line
