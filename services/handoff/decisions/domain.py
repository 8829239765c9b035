"""A decision about a lead: a pure function of rule-set version, facts and instant, kept with the trace that explains it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, TypeAlias, cast
from uuid import UUID

from services.handoff.leads.domain import Input, Inputs, LeadFacts, inputs_of
from services.handoff.routing.domain import Routing
from services.handoff.rulesets import domain as rulesets
from services.handoff.rulesets.domain import Contribution, Rule, RuleSet, Terms, Verdicts
from shared.events.handoff.decisions import (
    CustomerType,
    DecidedBy,
    LeadDisqualified,
    LeadQualified,
    QualifyingDecision,
    Readiness,
    ResponseClock,
    RoutePath,
)
from shared.ids import derived_id

Outcome = Literal["qualified", "nurture", "disqualified", "undetermined"]
Judge: TypeAlias = Callable[[Sequence[Rule], Inputs], Verdicts]
"""How conditions are evaluated: a pure function that gives every rule's verdict."""

BANT = ("bant_budget", "bant_authority", "bant_need", "bant_timeline")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided about a lead, when, by which rule-set version, from which inputs, and why.

    `as_of`: facts recorded up to here were used. `decided_at` is when it was decided, which is also when it occurred. Written once: a
    later decision names the one it supersedes. `reason_codes` are codes of reasons, then of the rules behind them.
    """

    decision_id: UUID
    lead_id: UUID
    supersedes_decision_id: UUID | None
    outcome: Outcome
    reason_codes: tuple[str, ...]
    rule_codes: tuple[str, ...]
    decided_by: DecidedBy
    rule_set_id: UUID
    rule_set_version: int
    as_of: datetime
    decided_at: datetime
    recorded_at: datetime
    input_hash: str
    inputs: Inputs
    fit_score: Decimal
    engagement_score: Decimal
    grade: str
    readiness: Readiness
    customer_type: CustomerType | None
    route_path: RoutePath
    contributions: tuple[Contribution, ...]
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedRule:
    """A rule of the rule set that decided: its condition, whether it held (None: undetermined), its points before and after caps."""

    rule_code: str
    axis: str
    kind: str
    group: str | None
    when: str
    matched: bool | None
    points_before_caps: Decimal
    points: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedInput:
    """A fact that the conditions read, the event it came with, and when it occurred."""

    name: str
    value: Input
    source_event_id: UUID
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Everything behind the standing decision on a lead; where nothing was decided or routed, a code that says why."""

    lead_id: UUID
    decision: Decision | None
    nothing_decided_because: str | None
    rules: tuple[ExplainedRule, ...]
    inputs: tuple[ExplainedInput, ...]
    terms: Terms | None
    routing: Routing | None
    not_routed_because: str | None


def qualify(
    lead: LeadFacts, rule_set: RuleSet, *, as_of: datetime, judge: Judge
) -> tuple[Decision, LeadQualified | LeadDisqualified | None]:
    """Decides on a lead as known at `as_of` (aware, UTC), and what to tell of it: nothing for nurture and undetermined.

    A disqualifier that matches ends in `disqualified`; otherwise one rule that cannot be determined makes the whole `undetermined`. To
    be `qualified` a lead needs a qualifying grade, every gate and the readiness of the rule set. The same rule-set version and inputs
    always give the same decision and id.
    """
    inputs = inputs_of(lead, as_of=as_of)
    given = rulesets.contributions(rule_set.rules, rule_set.terms, judge(rule_set.rules, inputs))
    fit, engagement = rulesets.score(given, "fit"), rulesets.score(given, "engagement")
    grade = rulesets.grade(rule_set.terms, fit=fit, engagement=engagement)
    ready = rulesets.readiness(rule_set.terms, engagement=engagement, bant_met=bant_met(inputs))
    outcome, reasons, rules = _outcome(rule_set.terms, given, grade, ready)
    customer_type = customer_type_of(rule_set.terms, inputs)
    number = rule_set.number or 0
    input_hash = hash_of(rule_set.rule_set_id, number, inputs)
    decision = Decision(
        decision_id=derived_id("handoff", "decision", f"{lead.lead_id}:{input_hash}"),
        lead_id=lead.lead_id,
        supersedes_decision_id=None,
        outcome=outcome,
        reason_codes=reasons,
        rule_codes=rules,
        decided_by="rule",
        rule_set_id=rule_set.rule_set_id,
        rule_set_version=number,
        as_of=as_of,
        decided_at=as_of,
        recorded_at=as_of,
        input_hash=input_hash,
        inputs=inputs,
        fit_score=fit,
        engagement_score=engagement,
        grade=grade,
        readiness=ready,
        customer_type=customer_type,
        route_path="key_account" if customer_type == "key_account" else "transactional",
        contributions=given,
    )
    return decision, _announcement(decision, lead, rule_set.terms)


def explain(
    lead: LeadFacts, decision: Decision | None, rule_set: RuleSet | None, routing: Routing | None, *, as_of: datetime
) -> Explanation:
    """Why `decision` (made by `rule_set`) is what it is. Without one the inputs are those known at `as_of` (aware)."""
    inputs = decision.inputs if decision else inputs_of(lead, as_of=as_of)
    conditions = {rule.code: rule.when for rule in rule_set.rules} if rule_set else {}
    return Explanation(
        lead_id=lead.lead_id,
        decision=decision,
        nothing_decided_because=None if decision else "no_rule_set_was_in_force",
        rules=tuple(
            ExplainedRule(
                rule_code=part.rule_code,
                axis=part.axis,
                kind=part.kind,
                group=part.group,
                when=conditions.get(part.rule_code, ""),
                matched=part.matched,
                points_before_caps=part.points_before_caps,
                points=part.points,
            )
            for part in (decision.contributions if decision else ())
        ),
        inputs=tuple(
            ExplainedInput(name=name, value=value, source_event_id=lead.event_id, occurred_at=lead.occurred_at)
            for name, value in sorted(inputs.items())
        ),
        terms=rule_set.terms if rule_set else None,
        routing=routing,
        not_routed_because=None if routing else "not_qualified" if decision else "nothing_decided",
    )


def hash_of(rule_set_id: UUID, number: int, inputs: Inputs) -> str:
    """SHA-256 (hexadecimal) over the canonical JSON of rule-set version and inputs: sorted names, no spaces, decimals as plain text."""
    content = {"rule_set_id": str(rule_set_id), "rule_set_version": number, "inputs": inputs}
    written = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(written.encode()).hexdigest()


def bant_met(inputs: Inputs) -> int:
    """How many of budget, authority, need and timeline are met, told by the flags bant_budget … bant_timeline."""
    flags = inputs.get("flag")
    return sum(flags.get(criterion) is True for criterion in BANT) if isinstance(flags, dict) else 0


def customer_type_of(terms: Terms, inputs: Inputs) -> CustomerType | None:
    """Key account by expected volume, else as the stated company size says, else by volume and organisation; None if nothing tells."""
    value = _amount(inputs.get("lead.expected_value")) if inputs.get("lead.currency") == terms.currency else None
    units = _amount(inputs.get("lead.expected_units"))
    text = inputs.get("text")
    stated = text.get("company_size") if isinstance(text, dict) else None
    if (value or 0) >= terms.key_account_value or (units or 0) >= terms.key_account_units:
        return "key_account"
    if stated in ("key_account", "enterprise", "smb", "consumer"):
        return cast(CustomerType, stated)
    if (value or 0) >= terms.enterprise_value or (units or 0) >= terms.enterprise_units:
        return "enterprise"
    if inputs.get("lead.has_organisation"):
        return "smb"
    return None if value is None and units is None else "consumer"


def _outcome(terms: Terms, given: Sequence[Contribution], grade: str, ready: Readiness) -> tuple[Outcome, tuple[str, ...], tuple[str, ...]]:
    disqualifiers = tuple(part.rule_code for part in given if part.kind == "disqualifier" and part.matched)
    if disqualifiers:
        return "disqualified", ("disqualifier_matched",), disqualifiers
    unknown = tuple(part.rule_code for part in given if part.matched is None)
    if unknown:
        return "undetermined", ("rule_undetermined",), unknown
    closed_gates = tuple(part.rule_code for part in given if part.kind == "gate" and not part.matched)
    lacking = {
        "grade_below_bar": grade not in terms.qualifying_grades,
        "readiness_below_gate": rulesets.READINESS.index(ready) < rulesets.READINESS.index(terms.readiness_gate),
        "gate_not_met": bool(closed_gates),
    }
    reasons = tuple(code for code, lacks in lacking.items() if lacks)
    return ("nurture", reasons, closed_gates) if reasons else ("qualified", ("criteria_met",), ())


def _announcement(decision: Decision, lead: LeadFacts, terms: Terms) -> LeadQualified | LeadDisqualified | None:
    if decision.outcome == "qualified":
        return LeadQualified(lead_id=lead.lead_id, decision=_qualifying(decision), lead=lead.lead, clock=_clock(decision, lead, terms))
    if decision.outcome == "disqualified":
        return LeadDisqualified(
            lead_id=lead.lead_id,
            decision_id=decision.decision_id,
            supersedes_decision_id=decision.supersedes_decision_id,
            rule_set_id=decision.rule_set_id,
            rule_set_version=decision.rule_set_version,
            decided_at=decision.decided_at,
            as_of=decision.as_of,
            decided_by="rule",
            reason_codes=decision.reason_codes,
            disqualifier_rule_codes=decision.rule_codes,
            fit_score=decision.fit_score,
            engagement_score=decision.engagement_score,
            reopen_allowed=True,
        )
    return None


def _qualifying(decision: Decision) -> QualifyingDecision:
    return QualifyingDecision(
        decision_id=decision.decision_id,
        supersedes_decision_id=decision.supersedes_decision_id,
        outcome="qualified",
        decided_at=decision.decided_at,
        as_of=decision.as_of,
        rule_set_id=decision.rule_set_id,
        rule_set_version=decision.rule_set_version,
        input_hash=decision.input_hash,
        decided_by=decision.decided_by,
        override_reason_code=None,
        fit_score=decision.fit_score,
        engagement_score=decision.engagement_score,
        grade=decision.grade,
        readiness=decision.readiness,
        customer_type=decision.customer_type,
        route_path=decision.route_path,
    )


def _clock(decision: Decision, lead: LeadFacts, terms: Terms) -> ResponseClock | None:
    if lead.is_history:
        return None
    started = min(lead.captured_at, decision.decided_at) if lead.customer_initiated else decision.decided_at
    return ResponseClock(policy_code=terms.policy.policy_code, kind="wall", clock_started_at=started)


def _amount(value: Input | None) -> Decimal | None:
    return Decimal(value) if isinstance(value, str) else None
