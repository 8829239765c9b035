"""How an opportunity moves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal
from uuid import UUID

from shared.events.language import Code, Listed, Open, event
from shared.money import Money, PlainDecimal

StageType = Literal["open", "won", "lost"]
ForecastCategory = Literal["omitted", "pipeline", "best_case", "commit", "closed"]
LostReason = Literal[
    "pricing",
    "competition",
    "budget",
    "missing_features",
    "long_cycle",
    "no_decision_maker",
    "unresponsive",
    "poor_fit",
    "other",
    "not_recorded",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A stage as it stood: its label's code, the fixed type under it, and its weight in a forecast (probability 0 to 1)."""

    stage_code: Code
    stage_type: Open[StageType]
    probability: PlainDecimal
    forecast_category: Open[ForecastCategory]


@event("opportunity-stage-changed", "1.0", subject="opportunity_id", key="lead_id")
@dataclass(frozen=True, slots=True, kw_only=True)
class OpportunityStageChanged:
    """An opportunity was opened (`previous` is null) or moved to another stage, the closing ones included.

    handoff notes the stage on the journey; marketing moves the lead to `opportunity`.
    """

    lead_id: UUID
    opportunity_id: UUID
    lead_ids: Listed[UUID]
    customer_id: UUID | None
    organisation_id: UUID | None
    previous: Stage | None
    current: Stage
    amount: Money | None
    expected_close_date: date | None
    owner_id: UUID | None
    need_codes: Listed[Code] = ()
    product_ids: Listed[UUID] = ()
    lost_reasons: Listed[Open[LostReason]] = ()
