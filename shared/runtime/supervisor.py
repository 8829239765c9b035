"""One task group owns the signals and every long task: if one of them ends by itself, the process ends too, loudly."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

log = structlog.get_logger()

STOP_SECONDS = 25.0


class EndedByItself(Exception):  # noqa: N818  a fact about a task
    """A task that runs as long as the process has ended."""


@dataclass(slots=True)
class Supervisor:
    """Long tasks by name, and what to do, in this order, when the process is asked to end."""

    tasks: dict[str, Callable[[], Coroutine[Any, Any, None]]] = field(default_factory=dict)
    on_stop: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    async def run(self) -> None:
        """Runs until SIGTERM or SIGINT, then stops within 25 s. Raises EndedByItself from the error of a task that ends before that."""
        asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, asked.set)
        running = {asyncio.create_task(task(), name=name) for name, task in self.tasks.items()}
        waiting = asyncio.create_task(asked.wait())
        done, _ = await asyncio.wait({*running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        failed = [task for task in done if task is not waiting]
        for task in failed:
            log.critical("task_ended", task=task.get_name(), exc_info=None if task.cancelled() else task.exception())
        log.info("stopping")
        await self._stop(running)
        waiting.cancel()
        failed += [task for task in running if task not in failed and task.done() and not task.cancelled() and task.exception()]
        if failed:
            raise EndedByItself(", ".join(task.get_name() for task in failed)) from _cause(failed)

    async def _stop(self, running: set[asyncio.Task[None]]) -> None:
        try:
            async with asyncio.timeout(STOP_SECONDS - 1):
                for step in self.on_stop:
                    await step()
                if running:
                    await asyncio.wait(running)
        except TimeoutError:
            log.error("stop_took_too_long", running=[task.get_name() for task in running if not task.done()])
        for task in running:
            task.cancel()


def _cause(failed: Sequence[asyncio.Task[Any]]) -> BaseException | None:
    return next((error for task in failed if not task.cancelled() and (error := task.exception())), None)
