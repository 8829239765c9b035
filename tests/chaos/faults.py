"""The faults of set 1 by name. Each is played on a stage and writes down by what it was seen to bite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from tests.chaos import kills, poison, replays, severing
from tests.chaos.stage import Stage

KAFKA_AWAY: Final = "kafka-away "
"""With a number of seconds behind it: the drill of a long absence."""

SET_1: Final[Mapping[str, Callable[[Stage], None]]] = {
    "F1": kills.api_killed,
    "F2": kills.relay_killed,
    "F3": kills.consumer_killed,
    "F4": kills.all_killed,
    "F5": kills.zombie,
    "F6": kills.rolled,
    "F7": severing.broker_restarted,
    "F8": severing.broker_killed,
    "F10": severing.postgres_crashed,
    "F12": severing.database_silent,
    "F13": severing.broker_silent,
    "F15": severing.reset,
    "F22": replays.duplicates,
    "F23": replays.disorder,
    "F24": poison.poison,
    "F25": kills.rebalance_storm,
    "F26": replays.offsets_lost,
    "F34": kills.two_relays,
}


def play(stage: Stage, name: str) -> None:
    """Plays a fault, or the drill. KeyError for an unknown name."""
    if name.startswith(KAFKA_AWAY):
        severing.broker_away(stage, float(name.removeprefix(KAFKA_AWAY)))
    else:
        SET_1[name](stage)
