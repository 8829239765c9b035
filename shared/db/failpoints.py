"""Named points where a process can be made to end at once, so that tests show what each crash leaves behind."""

from __future__ import annotations

import os
from typing import Final

VARIABLE: Final = "BATON_FAIL_POINT"

POINTS: Final = frozenset(
    {
        "edge.before_flush",
        "edge.before_commit",
        "edge.after_commit",
        "edge.before_send",
        "relay.after_read",
        "relay.after_send",
        "relay.after_ack",
        "relay.before_cursor",
        "relay.after_cursor",
        "chunk.after_position",
        "chunk.after_inbox",
        "chunk.after_effects",
        "chunk.before_commit",
        "chunk.after_commit",
        "chunk.before_kafka_commit",
        "drain.after_effects",
        "drain.before_commit",
        "drain.after_commit",
    }
)
EXIT: Final = 137
"""The exit code of a process that was killed."""


class UnknownPoint(ValueError):  # noqa: N818  a fact about a setting
    """The setting names no point."""


class _Armed:
    def __init__(self, setting: str) -> None:
        self.name, _, times = setting.partition(":")
        self.left = int(times) if times.isdecimal() else 1
        if self.name and (self.name not in POINTS or not (times == "" or times.isdecimal())):
            raise UnknownPoint(f"{VARIABLE}: {setting} names no point; they are {', '.join(sorted(POINTS))}")


_armed = _Armed("")


def arm(setting: str) -> None:
    """Arms the point that `name` or `name:n` (at its n-th time) names; nothing for an empty text. Raises UnknownPoint."""
    global _armed  # noqa: PLW0603  one process has one
    _armed = _Armed(setting)


def reached(name: str) -> None:
    """Ends the process, as a kill would, if this point is armed."""
    if name == _armed.name:
        _armed.left -= 1
        if _armed.left == 0:
            os._exit(EXIT)
