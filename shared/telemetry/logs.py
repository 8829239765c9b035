"""Logs: one JSON object per line on standard output; ids and codes, never bodies, tokens or contact values."""

from __future__ import annotations

import logging
import sys
from collections import Counter

import structlog

ABANDONED = "unexpected connection_lost() call"
"""How asyncpg says that a connection closed before it was encrypted; the task that waited for it was cancelled in that moment."""


def configure(service: str, level: str) -> None:
    """Sets up structlog and the standard library's logging alike. `level`: debug, info, warning, error."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _in_service(service),
    ]
    numeric = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=structlog.processors.JSONRenderer(), foreign_pre_chain=shared))
    handler.addFilter(OncePerSecond())
    logging.basicConfig(level=max(numeric, logging.WARNING), handlers=[handler], force=True)
    logging.getLogger("asyncio").addFilter(says_something)


def says_something(record: logging.LogRecord) -> bool:
    """False for what asyncpg leaves behind when a process ends while it connects: an error that nobody waits for any more."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, ConnectionError) and str(error) == ABANDONED)


class OncePerSecond(logging.Filter):
    """Of what libraries say again and again from one place, one line a second, with the number of those left out since the last.

    A client of a broker that comes back warns of every batch that is refused meanwhile.
    """

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, int], float] = {}
        self._left_out: Counter[tuple[str, int]] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        place = (record.pathname, record.lineno)
        if record.created - self._last.get(place, 0.0) < 1.0:
            self._left_out[place] += 1
            return False
        self._last[place] = record.created
        if more := self._left_out.pop(place, 0):
            record.msg, record.args = f"{record.getMessage()} (and {more} more of these)", ()
        return True


def _in_service(service: str) -> structlog.typing.Processor:
    def add(_: object, __: str, entry: structlog.typing.EventDict) -> structlog.typing.EventDict:
        entry["service"] = service
        return entry

    return add
