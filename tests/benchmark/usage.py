"""What the processes of a running Baton use, read from the kernel: CPU seconds and memory, by part."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
STATE, PARENT, USER, SYSTEM, USER_OF_CHILDREN, SYSTEM_OF_CHILDREN = 0, 1, 11, 12, 13, 14


def cpu_seconds(pids: Mapping[str, int]) -> dict[str, float]:
    """CPU time of each part since it started: its process, the children it has now, and those that have ended."""
    children = _children()
    return {part: sum(_cpu(pid) for pid in [found, *children.get(found, [])]) for part, found in pids.items()}


def memory_mb(pids: Mapping[str, int]) -> dict[str, float]:
    """Memory of each part in MB, children included. Pages that several processes share are divided among them (PSS)."""
    children = _children()
    return {part: sum(_pss(pid) for pid in [found, *children.get(found, [])]) / 1024 for part, found in pids.items()}


def difference(after: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
    """What was used in between."""
    return {part: after[part] - before[part] for part in after}


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        if fields := _fields(int(folder.name)):
            found.setdefault(int(fields[PARENT]), []).append(int(folder.name))
    return found


def _fields(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _cpu(pid: int) -> float:
    fields = _fields(pid)
    return sum(int(fields[place]) for place in (USER, SYSTEM, USER_OF_CHILDREN, SYSTEM_OF_CHILDREN)) / TICKS if fields else 0.0


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
