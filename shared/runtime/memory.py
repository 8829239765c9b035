"""What a process does about its memory: nothing of the start is looked at again, and what a burst of work left is given back."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import resource
from collections.abc import Callable

TIDY_SECONDS = 5.0
BUSY_CPU_SECONDS = 0.5
"""CPU time between two looks above which there may be something to give back."""

YOUNG_OBJECTS = 10_000
"""Objects made before the collector looks at them: a batch makes thousands that all live until its end."""


def settle() -> None:
    """To be called once all is imported: modules, classes and schemas live as long as the process, so the collector need not visit them."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)


async def tidy() -> None:
    """Runs until cancelled. After work, free pages go back to the machine: the allocator would keep as many as the largest burst took."""
    trim = _trimmer()
    before = _cpu_seconds()
    while True:
        await asyncio.sleep(TIDY_SECONDS)
        now = _cpu_seconds()
        if now - before > BUSY_CPU_SECONDS:
            gc.collect()
            trim()
        before = _cpu_seconds()


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _trimmer() -> Callable[[], object]:
    # glibc alone has it; other allocators give pages back by themselves.
    found = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return (lambda: found(0)) if found else (lambda: None)
