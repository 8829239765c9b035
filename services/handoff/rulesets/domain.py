"""Rule sets on two axes, fit and engagement: how they come into force, and the points that their rules give."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal, TypeAlias
from uuid import UUID

from shared.cause import Actor
from shared.errors import Conflict, FieldError, Forbidden, Invalid
from shared.events.handoff.decisions import Readiness
from shared.events.language import Code, Listed
from shared.money import PlainDecimal

Axis = Literal["fit", "engagement"]
Kind = Literal["points", "disqualifier", "gate"]
Status = Literal["draft", "published", "archived"]
Verdicts: TypeAlias = Mapping[str, bool | None]
"""Rule code → whether its condition holds; None where it could not be determined."""

MAX_RULES = 200
MAX_POINTS = Decimal(1000)
READINESS: tuple[Readiness, ...] = ("unaware", "curious", "considering", "ready")
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_CODE_FORM = "A code is a lower-case word: letters, digits, underscores."
GRADES = tuple(fit + engagement for fit in "ABC" for engagement in "123")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One condition and its effect: points on its axis, or `disqualifier` (ends in disqualified), or `gate` (must hold to qualify).

    Rules of one `group` share the group cap; negative points are a soft disqualifier.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    code: Code
    axis: Axis
    when: str
    points: PlainDecimal = Decimal(0)
    group: Code | None = None
    kind: Kind = "points"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponsePolicy:
    """How long sales may take to accept a lead and to respond to it, in hours of wall time."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    policy_code: Code = "default"
    acceptance_hours: int = 24
    response_hours: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The figures of a rule set, each with the customary default.

    Scores lie between 0 and `axis_cap`; a group of rules gives at most ±`group_cap`. Fit is graded A from `upper_cut`, B from `lower_cut`,
    engagement 1 and 2 likewise. Amounts of money are in `currency`; an expected value in another currency is not compared.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    group_cap: PlainDecimal = Decimal(40)
    axis_cap: PlainDecimal = Decimal(100)
    upper_cut: PlainDecimal = Decimal(70)
    lower_cut: PlainDecimal = Decimal(40)
    qualifying_grades: Listed[Code] = ("A1", "A2", "B1", "B2")
    readiness_gate: Readiness = "considering"
    curious_from: PlainDecimal = Decimal(1)
    considering_from: PlainDecimal = Decimal(40)
    ready_from: PlainDecimal = Decimal(70)
    bant_needed: int = 3
    currency: Code = "EUR"
    enterprise_value: PlainDecimal = Decimal(25_000)
    enterprise_units: PlainDecimal = Decimal(1_000)
    key_account_value: PlainDecimal = Decimal(250_000)
    key_account_units: PlainDecimal = Decimal(10_000)
    policy: ResponsePolicy = ResponsePolicy()


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """One version of the criteria. `number` counts published versions and is given at publication; the one published set decides."""

    rule_set_id: UUID
    name: str
    status: Status
    number: int | None
    rules: tuple[Rule, ...]
    terms: Terms
    author_ids: tuple[UUID, ...]
    published_by_id: UUID | None
    occurred_at: datetime
    recorded_at: datetime
    published_at: datetime | None = None
    archived_at: datetime | None = None
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """What one rule did: whether it matched (None: undetermined), its points, and what is left of them after the caps."""

    rule_code: str
    axis: Axis
    kind: Kind
    group: str | None
    matched: bool | None
    points_before_caps: PlainDecimal
    points: PlainDecimal


class RuleSetNotDraft(Conflict):
    """Only a draft can be changed or published; what was published never changes."""


class RuleSetInForce(Conflict):
    """The rule set that decides is replaced by publishing another, never archived by itself."""


class RuleSetArchived(Conflict):
    """The rule set is archived already."""


class SelfApproval(Forbidden):
    """A rule set is published by somebody who did not write it."""


def draft(rule_set_id: UUID, *, name: str, rules: Sequence[Rule], terms: Terms, by: Actor, at: datetime, recorded_at: datetime) -> RuleSet:
    """A new draft, written at `at`. Raises Invalid naming every field at fault (conditions are checked apart)."""
    check(rules, terms)
    return RuleSet(
        rule_set_id=rule_set_id,
        name=name,
        status="draft",
        number=None,
        rules=tuple(rules),
        terms=terms,
        author_ids=(by.user_id,) if by.user_id else (),
        published_by_id=None,
        occurred_at=at,
        recorded_at=recorded_at,
    )


def revise(rule_set: RuleSet, *, name: str, rules: Sequence[Rule], terms: Terms, by: Actor) -> RuleSet:
    """The draft with other content; whoever revises it is one of its authors. Raises RuleSetNotDraft, Invalid."""
    if rule_set.status != "draft":
        raise RuleSetNotDraft(rule_set_id=rule_set.rule_set_id, status=rule_set.status)
    check(rules, terms)
    authors = rule_set.author_ids if by.user_id is None or by.user_id in rule_set.author_ids else (*rule_set.author_ids, by.user_id)
    return replace(rule_set, name=name, rules=tuple(rules), terms=terms, author_ids=authors)


def publish(rule_set: RuleSet, *, number: int, by: Actor, at: datetime) -> RuleSet:
    """The rule set in force from `at` on, as published version `number`. Raises RuleSetNotDraft, SelfApproval."""
    if rule_set.status != "draft":
        raise RuleSetNotDraft(rule_set_id=rule_set.rule_set_id, status=rule_set.status)
    if by.user_id is not None and by.user_id in rule_set.author_ids:
        raise SelfApproval(rule_set_id=rule_set.rule_set_id)
    return replace(rule_set, status="published", number=number, published_by_id=by.user_id, published_at=at)


def supersede(rule_set: RuleSet, *, at: datetime) -> RuleSet:
    """The published rule set after another took its place at `at`."""
    return replace(rule_set, status="archived", archived_at=at)


def archive(rule_set: RuleSet, *, at: datetime) -> RuleSet:
    """A draft that is given up at `at`. Raises RuleSetInForce, RuleSetArchived."""
    if rule_set.status == "published":
        raise RuleSetInForce(rule_set_id=rule_set.rule_set_id)
    if rule_set.status == "archived":
        raise RuleSetArchived(rule_set_id=rule_set.rule_set_id)
    return replace(rule_set, status="archived", archived_at=at)


def check(rules: Sequence[Rule], terms: Terms) -> None:
    """Raises Invalid with everything that is wrong in form; conditions are not read here."""
    errors = [*_faults_of_rules(rules), *_faults_of_terms(terms)]
    if errors:
        raise Invalid(errors=errors)


def contributions(rules: Sequence[Rule], terms: Terms, verdicts: Verdicts) -> tuple[Contribution, ...]:
    """What every rule gives, in the order of the rules; per axis the points add up to the score exactly.

    A group's sum is cut to ±`group_cap`, an axis' sum to 0 … `axis_cap`; what is cut is taken from the last rules that caused it.
    """
    before = [rule.points if rule.kind == "points" and verdicts.get(rule.code) else Decimal(0) for rule in rules]
    after = list(before)
    for group in dict.fromkeys((rule.axis, rule.group) for rule in rules if rule.group is not None):
        _cut(after, [i for i, rule in enumerate(rules) if (rule.axis, rule.group) == group], -terms.group_cap, terms.group_cap)
    for axis in ("fit", "engagement"):
        _cut(after, [i for i, rule in enumerate(rules) if rule.axis == axis], Decimal(0), terms.axis_cap)
    return tuple(
        Contribution(
            rule_code=rule.code,
            axis=rule.axis,
            kind=rule.kind,
            group=rule.group,
            matched=verdicts.get(rule.code),
            points_before_caps=given,
            points=left,
        )
        for rule, given, left in zip(rules, before, after, strict=True)
    )


def score(given: Sequence[Contribution], axis: Axis) -> Decimal:
    """The sum of an axis."""
    return sum((part.points for part in given if part.axis == axis), Decimal(0))


def grade(terms: Terms, *, fit: Decimal, engagement: Decimal) -> str:
    """A1 (best) to C3 from the two scores."""
    return "ABC"[_band(terms, fit)] + "123"[_band(terms, engagement)]


def readiness(terms: Terms, *, engagement: Decimal, bant_met: int) -> Readiness:
    """How far the lead is on its way to a purchase: by engagement, one step further where enough of budget, authority, need and
    timeline are met."""
    cuts = (terms.curious_from, terms.considering_from, terms.ready_from)
    level = sum(engagement >= cut for cut in cuts) + (bant_met >= terms.bant_needed)
    return READINESS[min(level, len(READINESS) - 1)]


def _band(terms: Terms, points: Decimal) -> int:
    return 0 if points >= terms.upper_cut else 1 if points >= terms.lower_cut else 2


def _cut(points: list[Decimal], members: Sequence[int], low: Decimal, high: Decimal) -> None:
    total = sum((points[i] for i in members), Decimal(0))
    excess = total - min(max(total, low), high)
    if not excess:
        return
    for i in reversed(members):
        taken = min(max(points[i], Decimal(0)), excess) if excess > 0 else max(min(points[i], Decimal(0)), excess)
        points[i] -= taken
        excess -= taken


def _faults_of_rules(rules: Sequence[Rule]) -> Iterator[FieldError]:
    if not 1 <= len(rules) <= MAX_RULES:
        yield FieldError(code="RULE_COUNT", field="/rules", message=f"A rule set has 1 to {MAX_RULES} rules.")
    seen: set[str] = set()
    for place, rule in enumerate(rules):
        if rule.code in seen:
            yield _fault(place, rule, "code", "RULE_CODE_REPEATED", "Another rule has this code.")
        if not _CODE.fullmatch(rule.code):
            yield _fault(place, rule, "code", "MALFORMED_CODE", _CODE_FORM)
        if rule.group is not None and not _CODE.fullmatch(rule.group):
            yield _fault(place, rule, "group", "MALFORMED_CODE", _CODE_FORM)
        seen.add(rule.code)
        if rule.kind == "points" and not 0 < abs(rule.points) <= MAX_POINTS:
            yield _fault(place, rule, "points", "POINTS_OUT_OF_RANGE", f"A rule that gives points gives between 0 and ±{MAX_POINTS}.")
        if rule.kind != "points" and (rule.points or rule.group is not None):
            yield _fault(place, rule, "points", "POINTS_NOT_ALLOWED", "A disqualifier or gate has neither points nor group.")


def _faults_of_terms(terms: Terms) -> Iterator[FieldError]:
    rising = (
        ("upper_cut", Decimal(0) < terms.lower_cut < terms.upper_cut <= terms.axis_cap),
        ("ready_from", Decimal(0) < terms.curious_from < terms.considering_from < terms.ready_from),
        ("group_cap", Decimal(0) < terms.group_cap <= terms.axis_cap <= MAX_POINTS),
        ("key_account_value", Decimal(0) < terms.enterprise_value < terms.key_account_value),
        ("key_account_units", Decimal(0) < terms.enterprise_units < terms.key_account_units),
        ("bant_needed", 1 <= terms.bant_needed <= 4),
        ("policy/acceptance_hours", 1 <= terms.policy.acceptance_hours <= 24 * 365),
        ("policy/response_hours", 1 <= terms.policy.response_hours <= 24 * 365),
    )
    for field, fits in rising:
        if not fits:
            yield FieldError(code="TERMS_OUT_OF_RANGE", field=f"/terms/{field}", message="The figures are out of range or out of order.")
    grades = set(terms.qualifying_grades)
    if not grades or not grades <= set(GRADES) or len(grades) < len(terms.qualifying_grades):
        yield FieldError(code="UNKNOWN_GRADE", field="/terms/qualifying_grades", message="Grades are A1 to C3, at least one, each once.")
    if not _CODE.fullmatch(terms.policy.policy_code):
        yield FieldError(code="MALFORMED_CODE", field="/terms/policy/policy_code", message=_CODE_FORM)
    if not re.fullmatch("[A-Z]{3}", terms.currency):
        yield FieldError(code="UNKNOWN_CURRENCY", field="/terms/currency", message="A currency has three capital letters.")


def _fault(place: int, rule: Rule, field: str, code: str, message: str) -> FieldError:
    return FieldError(code=code, field=f"/rules/{place}/{field}", message=message, details={"rule": rule.code})


def _rule(code: str, axis: Axis, when: str, points: int = 0, *, group: str | None = None, kind: Kind = "points") -> Rule:
    return Rule(code=code, axis=axis, when=when, points=Decimal(points), group=group, kind=kind)


_COMPARABLE = 'lead.currency in ["EUR", "USD", "GBP", "CHF"]'

DEFAULT_NAME = "Default criteria"
DEFAULT_RULES = (
    _rule("machine_made", "engagement", 'lead.verification == "bot"', kind="disqualifier"),
    _rule(
        "buying_evidence",
        "engagement",
        'lead.customer_initiated || lead.touch_intent == "transactional" || lead.journey_stage in ["consideration", "purchase"]',
        kind="gate",
    ),
    _rule("country_known", "fit", 'lead.country != ""', 5),
    _rule("industry_known", "fit", "has(text.industry)", 5),
    _rule("organisation_known", "fit", "lead.has_organisation", 10, group="organisation"),
    _rule("company_smb", "fit", 'has(text.company_size) && text.company_size == "smb"', 5, group="organisation"),
    _rule("company_large", "fit", 'has(text.company_size) && text.company_size in ["enterprise", "key_account"]', 25, group="organisation"),
    _rule("need_stated", "fit", "lead.need_codes.size() > 0", 10, group="need"),
    _rule("needs_several", "fit", "lead.need_codes.size() > 1", 5, group="need"),
    _rule("value_from_5000", "fit", f"{_COMPARABLE} && lead.expected_value >= 5000.0", 10, group="value"),
    _rule("value_from_25000", "fit", f"{_COMPARABLE} && lead.expected_value >= 25000.0", 10, group="value"),
    _rule("value_from_100000", "fit", f"{_COMPARABLE} && lead.expected_value >= 100000.0", 10, group="value"),
    _rule("units_from_100", "fit", "lead.expected_units >= 100.0", 10, group="value"),
    _rule("possible_duplicate", "fit", "lead.possible_duplicate", -10),
    _rule("customer_initiated", "engagement", "lead.customer_initiated", 15),
    _rule("two_way", "engagement", 'lead.interaction_mode == "two_way"', 10),
    _rule("individual_audience", "engagement", 'lead.audience == "individual"', 5),
    _rule("intent_transactional", "engagement", 'lead.touch_intent == "transactional"', 15, group="intent"),
    _rule("intent_informational", "engagement", 'lead.touch_intent == "informational"', 5, group="intent"),
    _rule("stage_consideration", "engagement", 'lead.journey_stage == "consideration"', 20, group="stage"),
    _rule("stage_purchase", "engagement", 'lead.journey_stage == "purchase"', 30, group="stage"),
    _rule("medium_personal", "engagement", 'lead.medium in ["event", "partner", "referral"]', 10, group="medium"),
    _rule("medium_searching", "engagement", 'lead.medium in ["search", "web", "content", "email"]', 5, group="medium"),
)
"""What is in force until somebody publishes rules of their own. A lead of which nothing is known scores nothing and stays in nurture."""
