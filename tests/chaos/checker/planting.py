"""A small world in which everything holds, and what is planted in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from tests.chaos.checker.evidence import Fault, Record
from tests.chaos.checker.synthetic import Small, copy_of, small
from tests.chaos.checker.verdict import Verdict, judge

WORLD = small()
FAULT = Fault(name="F8", target="kafka", begin=10, end=20, evidence={"new_pid": 7})


def broken(plant: Callable[[Small], None]) -> set[str]:
    """The invariants that find what was planted."""
    return {each.name for each in judged(plant).invariants if each.found}


def judged(plant: Callable[[Small], None]) -> Verdict:
    world = copy_of(WORLD)
    plant(world)
    return judge(world.run())


def record(world: Small, topic: str, place: int = 0) -> int:
    """Where the record of a topic stands in the list."""
    return [index for index, each in enumerate(world.log) if each.topic == topic][place]


def with_header(old: Record, name: str, value: str) -> Record:
    headers = tuple((each, value.encode() if each == name else content) for each, content in old.headers)
    return replace(old, headers=headers)


def drop_record(topic: str) -> Callable[[Small], None]:
    return lambda world: world.log.remove(world.log[record(world, topic)])


def drop_row(table: str) -> Callable[[Small], None]:
    return lambda world: world.rows(table).clear()


def parked(world: Small, topic: str, **told: object) -> dict[str, object]:
    """A row as the first reader of that topic would keep the record."""
    kept = world.log[record(world, topic)]
    headers = [[name, (value or b"").decode()] for name, value in kept.headers]
    row = {"id": 1, "topic": topic, "part": kept.part, "offset": kept.offset, "state": "open", "key": (kept.key or b"").decode()}
    row |= {"event_id": dict(kept.headers)["ce_id"].decode(), "raw_key": kept.key, "raw_value": kept.value, "raw_headers": headers}  # type: ignore[union-attr]
    return row | {"kafka_ts": datetime(1970, 1, 1, tzinfo=UTC), "error_code": "X", "error_text": "", **told}
