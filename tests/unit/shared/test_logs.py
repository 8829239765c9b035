"""What of the lines of libraries is written: one a second from each place, and nothing of what no one waits for."""

from __future__ import annotations

import inspect
import logging

from asyncpg.connect_utils import TLSUpgradeProto

from shared.telemetry.logs import ABANDONED, OncePerSecond, says_something

NOON = 1_800_000_000.0


def said(at: float, *args: object, line: int = 870) -> logging.LogRecord:
    record = logging.LogRecord("aiokafka", logging.WARNING, "sender.py", line, "partition %s: %s", args, None)
    record.created = at
    return record


def test_one_line_a_second_from_each_place():
    throttle = OncePerSecond()
    written = [throttle.filter(said(NOON + n / 1000, n, "refused")) for n in range(3001)]

    assert [n for n, kept in enumerate(written) if kept] == [0, 1000, 2000, 3000]


def test_a_written_line_tells_how_many_were_left_out():
    throttle = OncePerSecond()
    lines = [said(NOON, 1, "a"), said(NOON + 0.1, 2, "b"), said(NOON + 0.2, 3, "c"), said(NOON + 1.2, 4, "d"), said(NOON + 2.3, 5, "e")]
    written = [line.getMessage() for line in lines if throttle.filter(line)]

    assert written == ["partition 1: a", "partition 4: d (and 2 more of these)", "partition 5: e"]


def test_another_place_is_not_held_back():
    throttle = OncePerSecond()
    assert throttle.filter(said(NOON, 1, "a"))
    assert throttle.filter(said(NOON, 1, "a", line=905))


def of(error: Exception) -> logging.LogRecord:
    return logging.LogRecord("asyncio", logging.ERROR, "base_events.py", 1, "never retrieved", (), (type(error), error, None))


def test_an_abandoned_attempt_to_connect_is_not_an_error_and_any_other_is():
    assert ABANDONED in inspect.getsource(TLSUpgradeProto.connection_lost)
    assert [says_something(of(error)) for error in (ConnectionError(ABANDONED), ConnectionError("reset"), ValueError(ABANDONED))] == [
        False,
        True,
        True,
    ]
    assert says_something(said(NOON, 1, "a"))
