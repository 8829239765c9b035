"""Progress lines: what is being done, how far it is, how long it took."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console

Tell = Callable[[str], None]
QUIET_SECONDS = 5  # where no line can move, a long step says at times how far it is


class Progress(Protocol):
    """Where the steps of a command are shown."""

    def step(self, text: str) -> AbstractContextManager[Tell]:
        """One step: shown while it lasts, with a function that tells how far it is; kept with its time when it ended well."""
        ...

    def say(self, text: str) -> None:
        """One line."""
        ...


class Silent:
    """Shows nothing: for callers that are programs."""

    @contextmanager
    def step(self, text: str) -> Iterator[Tell]:  # noqa: ARG002
        """Only runs the step."""
        yield lambda _: None

    def say(self, text: str) -> None:
        """Nothing."""


class Lines:
    """Shows steps on a console: a moving line on a terminal, finished lines elsewhere."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def step(self, text: str) -> Iterator[Tell]:
        """Show a step; what was told last stays in its finished line."""
        begun = shown = time.monotonic()
        last = ""
        with self.console.status(f"{text} …") as status:

            def tell(detail: str) -> None:
                nonlocal last, shown
                last = f", {detail}"
                status.update(f"{text}{last} …")
                if not self.console.is_terminal and time.monotonic() - shown > QUIET_SECONDS:
                    shown = time.monotonic()
                    self.say(f"{text}{last} …")

            yield tell
        self.console.print(f"{text}{last} ({time.monotonic() - begun:.1f} s)", highlight=False, markup=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """Show a line."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)
