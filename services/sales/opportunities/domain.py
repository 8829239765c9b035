"""An opportunity moves through stages until it is won or lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Literal
from uuid import UUID

from shared.cause import Actor, Version
from shared.errors import Conflict, Invalid, NotFound
from shared.events.language import Instant
from shared.events.sales.opportunities import ForecastCategory, LostReason, OpportunityStageChanged, Stage, StageType
from shared.money import Money

Outcome = Literal["won", "lost"]

FIRST_STAGE = "prospecting"
SEES_EVERY_OPPORTUNITY = frozenset({"sales_manager", "key_account_manager", "importer", "reader"})
"""Roles that see, and where their scopes allow change, the opportunities of everybody."""

PEOPLE = ("sales_rep", "field_sales_rep", "account_manager", "sales_manager")
"""Roles of people who own opportunities, the most specific first; whoever acts in none of them owns what they open only when named."""


def _stage(code: str, stage_type: StageType, probability: str, category: ForecastCategory) -> tuple[str, Stage]:
    return code, Stage(stage_code=code, stage_type=stage_type, probability=Decimal(probability), forecast_category=category)


STAGES: Mapping[str, Stage] = MappingProxyType(
    dict(
        [
            _stage("prospecting", "open", "0.10", "pipeline"),
            _stage("qualification", "open", "0.20", "pipeline"),
            _stage("proposal", "open", "0.50", "best_case"),
            _stage("negotiation", "open", "0.80", "commit"),
            _stage("closed_won", "won", "1.00", "closed"),
            _stage("closed_lost", "lost", "0.00", "omitted"),
        ]
    )
)
"""The default stages with their weights in a forecast (vocabulary: default opportunity stages). The type under a stage is fixed."""

_CLOSING: Mapping[Outcome, str] = MappingProxyType({"won": "closed_won", "lost": "closed_lost"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOpportunity:
    """What somebody asks for who opens an opportunity; kept as it was asked, to know the same request again."""

    opportunity_id: UUID
    lead_id: UUID
    lead_ids: tuple[UUID, ...] = ()
    stage_code: str = FIRST_STAGE
    amount: Money | None = None
    expected_close_date: date | None = None
    owner_id: UUID | None = None
    owner_role: str | None = None
    customer_id: UUID | None = None
    source: str | None = None
    external_id: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    estimated: bool = False
    occurred_at: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opportunity:
    """A chance to sell, opened for a primary lead that never changes; other leads may join. `lead_ids` holds all, the primary first."""

    opportunity_id: UUID
    lead_id: UUID
    lead_ids: tuple[UUID, ...]
    source: str | None
    external_id: str | None
    stage: Stage
    stage_type: StageType
    amount: Money | None
    expected_close_date: date | None
    owner_id: UUID | None
    owner_role: str | None
    customer_id: UUID | None
    organisation_id: UUID | None
    need_codes: tuple[str, ...]
    labels: dict[str, str]
    estimated: bool
    opened_at: datetime
    stage_entered_at: datetime
    recorded_at: datetime
    asked: OpenOpportunity
    version: Version = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StageChange:
    """One step of an opportunity, kept for every figure that asks how things stood at a time."""

    opportunity_id: UUID
    opportunity_version: Version
    previous_stage_code: str | None
    stage: Stage
    stage_type: StageType
    amount: Money | None
    expected_close_date: date | None
    occurred_at: datetime
    recorded_at: datetime


class OpportunityAlreadyClosed(Conflict):
    """A won or lost opportunity does not move any more."""


class ClosingStage(Conflict):
    """An opportunity enters a closing stage only by being won or lost."""


class StageUnchanged(Conflict):
    """The opportunity is in that stage already."""


class OpportunityAlreadyExists(Conflict):
    """An opportunity with this id, or this source and external id, exists with other content."""


def must_ask_the_same(known: Opportunity, command: OpenOpportunity) -> Opportunity:
    """The known opportunity if it was opened by this very request. Raises OpportunityAlreadyExists."""
    if known.asked != command:
        raise OpportunityAlreadyExists(opportunity_id=known.opportunity_id, version=known.version)
    return known


def owner_of(command_owner: UUID | None, command_role: str | None, by: Actor) -> tuple[UUID | None, str | None]:
    """Who owns what `by` opens, and in which role: whoever is named, else the person who acts."""
    acting = next((role for role in PEOPLE if role in by.roles), None)
    if command_owner is not None and command_owner != by.user_id:
        return command_owner, command_role
    if command_owner is None and acting is None:
        return None, None
    return by.user_id, command_role or acting


def open_opportunity(
    command: OpenOpportunity,
    *,
    organisation_id: UUID | None,
    need_codes: Sequence[str],
    by: Actor,
    at: datetime,
    recorded_at: datetime,
) -> tuple[Opportunity, OpportunityStageChanged]:
    """A new opportunity in an open stage; `need_codes` are those of its primary lead. Raises Invalid, ClosingStage."""
    if command.external_id is not None and command.source is None:
        raise Invalid.at("/source", "SOURCE_REQUIRED", "An external id belongs to a source.")
    stage = _open_stage(command.stage_code)
    owner_id, owner_role = owner_of(command.owner_id, command.owner_role, by)
    opportunity = Opportunity(
        opportunity_id=command.opportunity_id,
        lead_id=command.lead_id,
        lead_ids=tuple(dict.fromkeys((command.lead_id, *command.lead_ids))),
        source=command.source,
        external_id=command.external_id,
        stage=stage,
        stage_type="open",
        amount=command.amount,
        expected_close_date=command.expected_close_date,
        owner_id=owner_id,
        owner_role=owner_role,
        customer_id=command.customer_id,
        organisation_id=organisation_id,
        need_codes=tuple(need_codes),
        labels=command.labels,
        estimated=command.estimated,
        opened_at=at,
        stage_entered_at=at,
        recorded_at=recorded_at,
        asked=command,
    )
    return opportunity, _changed(None, opportunity)


def change_stage(
    opportunity: Opportunity, *, stage_code: str, amount: Money | None, expected_close_date: date | None, at: datetime
) -> tuple[Opportunity, OpportunityStageChanged]:
    """The opportunity in another open stage; an absent amount or date stays as it is.

    Raises OpportunityAlreadyClosed, ClosingStage, StageUnchanged, Invalid.
    """
    must_be_open(opportunity)
    stage = _open_stage(stage_code)
    if stage.stage_code == opportunity.stage.stage_code:
        raise StageUnchanged(opportunity_id=opportunity.opportunity_id, stage_code=stage_code)
    moved = replace(
        opportunity,
        stage=stage,
        amount=amount or opportunity.amount,
        expected_close_date=expected_close_date or opportunity.expected_close_date,
        stage_entered_at=at,
    )
    return moved, _changed(opportunity.stage, moved)


def close(
    opportunity: Opportunity,
    *,
    outcome: Outcome,
    amount: Money | None = None,
    product_ids: Sequence[UUID] = (),
    lost_reasons: Sequence[LostReason] = (),
    at: datetime,
) -> tuple[Opportunity, OpportunityStageChanged]:
    """The opportunity in the closing stage of its outcome, with the amount agreed if there is one. Raises OpportunityAlreadyClosed."""
    must_be_open(opportunity)
    closed = replace(
        opportunity,
        stage=STAGES[_CLOSING[outcome]],
        stage_type=outcome,
        amount=amount or opportunity.amount,
        stage_entered_at=at,
    )
    changed = _changed(opportunity.stage, closed)
    return closed, replace(changed, product_ids=tuple(dict.fromkeys(product_ids)), lost_reasons=tuple(lost_reasons))


def must_be_open(opportunity: Opportunity) -> None:
    """Raises OpportunityAlreadyClosed for one that was won or lost."""
    if opportunity.stage_type != "open":
        raise OpportunityAlreadyClosed(opportunity_id=opportunity.opportunity_id, stage_type=opportunity.stage_type)


def must_be_seen(opportunity: Opportunity, *, by: Actor) -> None:
    """Raises NotFound for another person's: seen are one's own, nobody's, and in some roles everybody's."""
    if opportunity.owner_id not in {None, by.user_id} and not by.roles & SEES_EVERY_OPPORTUNITY:
        raise NotFound(opportunity_id=opportunity.opportunity_id)


def step_of(opportunity: Opportunity, event: OpportunityStageChanged, *, recorded_at: datetime) -> StageChange:
    """The record of a stage change, from the saved opportunity and the event that told of it."""
    return StageChange(
        opportunity_id=opportunity.opportunity_id,
        opportunity_version=opportunity.version,
        previous_stage_code=event.previous.stage_code if event.previous else None,
        stage=event.current,
        stage_type=event.current.stage_type,
        amount=event.amount,
        expected_close_date=event.expected_close_date,
        occurred_at=opportunity.stage_entered_at,
        recorded_at=recorded_at,
    )


def _open_stage(stage_code: str) -> Stage:
    stage = STAGES.get(stage_code)
    if stage is None:
        raise Invalid.at("/stage_code", "UNKNOWN_STAGE", "There is no such stage.")
    if stage.stage_type != "open":
        raise ClosingStage(stage_code=stage_code)
    return stage


def _changed(previous: Stage | None, opportunity: Opportunity) -> OpportunityStageChanged:
    return OpportunityStageChanged(
        lead_id=opportunity.lead_id,
        opportunity_id=opportunity.opportunity_id,
        lead_ids=opportunity.lead_ids,
        customer_id=opportunity.customer_id,
        organisation_id=opportunity.organisation_id,
        previous=previous,
        current=opportunity.stage,
        amount=opportunity.amount,
        expected_close_date=opportunity.expected_close_date,
        owner_id=opportunity.owner_id,
        need_codes=opportunity.need_codes,
    )
