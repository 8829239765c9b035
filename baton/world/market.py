"""A seeded market, as a plan: which leads come, what sales makes of those it is offered, and how orders are delivered.

Everything follows from (seed, number of leads, last day), so that a plan that was half played is played on, not again. Leads came over
the last two months; what sales and distribution do with them happens while the market is played.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from shared.ids import derived_id

SOURCE = "market"
TIME_ZONE = "Europe/Berlin"
SEASON_DAYS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A way leads come in: its share of all leads (weight) and how ready its leads are (0 to 1)."""

    code: str
    medium: str
    kind: str
    weight: int
    readiness: float


CHANNELS = (
    Channel(code="search", medium="search", kind="advertising", weight=30, readiness=0.55),
    Channel(code="social", medium="social", kind="advertising", weight=22, readiness=0.25),
    Channel(code="newsletter", medium="email", kind="advertising", weight=16, readiness=0.35),
    Channel(code="trade-fair", medium="event", kind="retail", weight=12, readiness=0.70),
    Channel(code="referral", medium="referral", kind="distribution", weight=10, readiness=0.80),
    Channel(code="website", medium="web", kind="advertising", weight=10, readiness=0.45),
)
INDUSTRIES = ("manufacturing", "retail", "logistics", "health", "education")
SIZES = ("smb", "enterprise", "consumer", "key_account")
COUNTRIES = ("DE", "FR", "NL", "AT", "PL", "ES")
PRODUCTS = (("SKU-100", "49.90"), ("SKU-200", "129.00"), ("SKU-310", "890.00"), ("SKU-900", "15.25"))
REJECTIONS = ("no_budget", "bad_timing", "wrong_persona", "unreachable", "duplicate")
REPS = ("ana", "bela", "carl", "dina")
LOSSES = ("pricing", "competition", "budget", "unresponsive", "poor_fit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What will become of a lead once sales is offered it. `close`: won, lost or None (stays open)."""

    answer: str  # accept, reject, wait
    reason: str
    rep: str
    stages: tuple[str, ...]
    close: str | None
    lost_reason: str
    lines: tuple[dict[str, Any], ...]
    fulfilment: str  # promised, shipped, part, delivered
    late: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One lead of the plan: what is sent to marketing, and its course."""

    lead_id: UUID
    captured_at: datetime
    content: dict[str, Any]
    course: Course


def plan(seed: int, leads: int, today: datetime) -> Iterator[Planned]:
    """The leads in order of their coming. `today`: the midnight (aware, UTC) before which the season ends."""
    chance = random.Random(seed)  # noqa: S311  a market, not a secret
    for number in range(leads):
        captured_at = today - timedelta(seconds=int(SEASON_DAYS * 86400 * (1 - number / leads)) + chance.randrange(1, 3600))
        channel = chance.choices(CHANNELS, [one.weight for one in CHANNELS])[0]
        lead_id = derived_id(SOURCE, "lead", f"{seed}-{number}")
        content = _content(chance, number, seed, channel, captured_at) | {"lead_id": str(lead_id)}
        yield Planned(lead_id=lead_id, captured_at=captured_at, content=content, course=_course(chance))


def _content(chance: random.Random, number: int, seed: int, channel: Channel, captured_at: datetime) -> dict[str, Any]:
    ready = chance.random() < channel.readiness
    size = chance.choices(SIZES, (50, 25, 20, 5))[0]
    value = Decimal(chance.randrange(500, 60_000)) if ready or chance.random() < 0.4 else None
    return {
        "source": SOURCE,
        "external_id": f"{seed}-{number}",
        "origin": "form" if chance.random() < 0.7 else "event",
        "occurred_at": captured_at.isoformat(),
        "channel_code": channel.code,
        "medium": channel.medium,
        "customer_initiated": ready or chance.random() < 0.2,
        "interaction_mode": "two_way" if ready and chance.random() < 0.7 else "one_way",
        "audience": "individual" if ready else "segment",
        "touch_intent": "transactional" if ready and chance.random() < 0.4 else "informational",
        "journey_stage": ("purchase" if chance.random() < 0.5 else "consideration") if ready else "awareness",
        "need_codes": ["replace_supplier"] if ready else [],
        "facts": [
            {"fact_code": "industry", "value": chance.choice(INDUSTRIES)},
            {"fact_code": "company_size", "value": size},
        ],
        "expected_value": {"amount": f"{value}.00", "currency": "EUR"} if value is not None else None,
        "country": chance.choice(COUNTRIES),
        "contact": {
            "given_name": chance.choice(("Ada", "Ben", "Chloe", "Dov", "Eva", "Finn")),
            "family_name": f"Sample{number}",
            "email": f"lead{number}.{seed}@customers.example",
        },
        "consents": [{"purpose": "contact", "state": "granted", "lawful_basis": "consent", "source_text": "I would like to be contacted."}],
        "labels": {"channel": channel.code, "size": size},
    }


def _course(chance: random.Random) -> Course:
    answer = chance.choices(("accept", "reject", "wait"), (78, 14, 8))[0]
    reached = chance.randrange(0, 4)
    close = chance.choices(("won", "lost", None), (45, 35, 20))[0]
    lines = tuple(
        {"line_no": line + 1, "sku": sku, "quantity": str(chance.randrange(1, 40)), "net_unit_price": {"amount": price, "currency": "EUR"}}
        for line, (sku, price) in enumerate(chance.sample(PRODUCTS, chance.randrange(1, 4)))
    )
    return Course(
        answer=answer,
        reason=chance.choice(REJECTIONS),
        rep=chance.choice(REPS),
        stages=("qualification", "proposal", "negotiation")[:reached],
        close=close,
        lost_reason=chance.choice(LOSSES),
        lines=lines,
        fulfilment=chance.choices(("promised", "shipped", "part", "delivered"), (8, 10, 12, 70))[0],
        late=chance.random() < 0.15,
    )
