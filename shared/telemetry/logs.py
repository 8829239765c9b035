"""Logs: one JSON object per line on standard output; ids and codes, never bodies, tokens or contact values."""

from __future__ import annotations

import logging
import sys

import structlog


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
    logging.basicConfig(level=max(numeric, logging.WARNING), handlers=[handler], force=True)


def _in_service(service: str) -> structlog.typing.Processor:
    def add(_: object, __: str, entry: structlog.typing.EventDict) -> structlog.typing.EventDict:
        entry["service"] = service
        return entry

    return add
