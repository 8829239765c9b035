"""What callers know of each other's deeds, so that they meet on the same things."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

LEARN_SECONDS = 1.0
"""So long nobody asks for what another service has yet to hear of."""


@dataclass(slots=True, kw_only=True)
class Order:
    """An order as some caller saw it last; without a version it must be read again."""

    order_id: str
    version: int | None
    lines: Sequence[int] = ()
    call_off: bool = False


@dataclass(slots=True, kw_only=True)
class Known:
    """What was acknowledged and can be worked on. Callers share it, so that they meet on the same things."""

    leads: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=600))
    offers: deque[tuple[str, int]] = field(default_factory=deque)
    opportunities: dict[str, tuple[str, int]] = field(default_factory=dict)
    won: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=200))
    blankets: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=20))
    orders: deque[Order] = field(default_factory=lambda: deque(maxlen=24))
    days: int = 0

    def lead(self, chance: random.Random) -> str | None:
        """A lead of which the others have probably heard."""
        old = [lead for at, lead in self.leads if at < time.monotonic() - LEARN_SECONDS]
        return chance.choice(old) if old else None

    def learned(self, *lead_ids: str) -> None:
        """Leads that were captured, or may have been."""
        self.leads.extend((time.monotonic(), lead_id) for lead_id in lead_ids)

    def closed(self, deal_id: str, kind: str) -> None:
        """A deal was closed: won deals become orders, blanket ones are called off under."""
        self.opportunities.pop(deal_id, None)
        if kind == "won":
            self.won.append((time.monotonic(), deal_id))
        elif kind == "blanket":
            self.blankets.append((time.monotonic(), deal_id))

    def blanket(self, chance: random.Random) -> str | None:
        """A blanket deal of which distribution has probably heard."""
        old = [deal_id for at, deal_id in self.blankets if at < time.monotonic() - LEARN_SECONDS]
        return chance.choice(old) if old else None
