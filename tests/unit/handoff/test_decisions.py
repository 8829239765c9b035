"""Decisions: pure, explained to the last point, the same for the same facts."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.handoff.decisions import domain
from services.handoff.leads.domain import Inputs, LeadFacts
from services.handoff.rulesets import conditions
from services.handoff.rulesets.domain import DEFAULT_RULES, Rule, RuleSet, Terms
from shared.events import language
from shared.events.handoff.decisions import LeadDisqualified, LeadQualified
from shared.money import Money
from tests.unit.handoff.factories import NOON, a_market, an_id, euros, make_fact, make_lead, make_promising, make_rule, make_rule_set

DEFAULTS = make_rule_set(DEFAULT_RULES)


def decide(lead: LeadFacts, rule_set: RuleSet = DEFAULTS) -> domain.Decision:
    decision, _ = domain.qualify(lead, rule_set, as_of=NOON, judge=conditions.judge)
    return decision


def verdicts(**given_verdicts: bool | None) -> domain.Judge:
    def judge(rules: Sequence[Rule], inputs: Inputs) -> Mapping[str, bool | None]:
        return given_verdicts

    return judge


HOT = [make_rule("fit", points=Decimal(80)), make_rule("hot", axis="engagement", points=Decimal(80))]
GATE = make_rule("gate", kind="gate", points=Decimal(0))
BOT = make_rule("bot", kind="disqualifier", points=Decimal(0))


def test_a_lead_of_which_nothing_is_known_stays_in_nurture():
    decision = decide(make_lead())
    assert (decision.outcome, decision.grade, decision.readiness) == ("nurture", "C3", "unaware")
    assert decision.reason_codes == ("grade_below_bar", "readiness_below_gate", "gate_not_met")
    assert decision.rule_codes == ("buying_evidence",)
    assert decision.customer_type is None


def test_a_promising_lead_qualifies():
    decision = decide(make_lead(make_promising()))
    assert (decision.outcome, decision.grade, decision.readiness, decision.reason_codes) == ("qualified", "A1", "ready", ("criteria_met",))


def test_a_qualified_lead_is_announced_with_its_decision_and_clock():
    lead = make_lead(make_promising(captured_at=NOON - timedelta(minutes=3)))
    decision, told = domain.qualify(lead, DEFAULTS, as_of=NOON, judge=conditions.judge)
    assert isinstance(told, LeadQualified)
    assert (told.decision.decision_id, told.decision.input_hash) == (decision.decision_id, decision.input_hash)
    assert told.clock is not None
    assert (told.clock.kind, told.clock.clock_started_at) == ("wall", NOON - timedelta(minutes=3))
    assert language.read(LeadQualified, language.write(told)) == told


def test_no_clock_runs_for_history():
    _, told = domain.qualify(make_lead(make_promising(origin="import")), DEFAULTS, as_of=NOON, judge=conditions.judge)
    assert isinstance(told, LeadQualified)
    assert told.clock is None


def test_the_clock_of_a_lead_that_we_approached_starts_with_the_decision():
    rule_set = make_rule_set(HOT)
    lead = make_lead(make_promising(customer_initiated=False, captured_at=NOON - timedelta(days=1)))
    _, told = domain.qualify(lead, rule_set, as_of=NOON, judge=verdicts(fit=True, hot=True))
    assert isinstance(told, LeadQualified)
    assert told.clock is not None
    assert told.clock.clock_started_at == NOON


def test_a_disqualifier_ends_in_disqualified_whatever_the_score():
    decision, told = domain.qualify(make_lead(make_promising(verification="bot")), DEFAULTS, as_of=NOON, judge=conditions.judge)
    assert (decision.outcome, decision.reason_codes, decision.rule_codes) == (
        "disqualified",
        ("disqualifier_matched",),
        ("machine_made",),
    )
    assert isinstance(told, LeadDisqualified)
    assert told.disqualifier_rule_codes == ("machine_made",)
    assert language.read(LeadDisqualified, language.write(told)) == told


def test_nurture_and_undetermined_are_stored_but_told_to_nobody():
    for told_verdicts in ({"fit": False, "hot": False}, {"fit": None, "hot": True}):
        _, told = domain.qualify(make_lead(), make_rule_set(HOT), as_of=NOON, judge=verdicts(**told_verdicts))
        assert told is None


@pytest.mark.parametrize(
    ("given_verdicts", "outcome", "reasons", "rules"),
    [
        ({"fit": True, "hot": True, "gate": True, "bot": False}, "qualified", ("criteria_met",), ()),
        ({"fit": True, "hot": True, "gate": False, "bot": False}, "nurture", ("gate_not_met",), ("gate",)),
        ({"fit": True, "hot": False, "gate": True, "bot": False}, "nurture", ("grade_below_bar", "readiness_below_gate"), ()),
        ({"fit": False, "hot": True, "gate": True, "bot": False}, "nurture", ("grade_below_bar",), ()),
        ({"fit": True, "hot": None, "gate": True, "bot": False}, "undetermined", ("rule_undetermined",), ("hot",)),
        ({"fit": None, "hot": True, "gate": True, "bot": True}, "disqualified", ("disqualifier_matched",), ("bot",)),
        ({"fit": True, "hot": True, "gate": True, "bot": None}, "undetermined", ("rule_undetermined",), ("bot",)),
    ],
)
def test_an_outcome_names_its_reasons(
    given_verdicts: dict[str, bool | None], outcome: str, reasons: tuple[str, ...], rules: tuple[str, ...]
):
    decision, _ = domain.qualify(make_lead(), make_rule_set([*HOT, GATE, BOT]), as_of=NOON, judge=verdicts(**given_verdicts))
    assert (decision.outcome, decision.reason_codes, decision.rule_codes) == (outcome, reasons, rules)


def test_enough_answers_lift_readiness_one_step():
    rules = [make_rule("fit", points=Decimal(80)), make_rule("warm", axis="engagement", points=Decimal(20))]
    answers = tuple(make_fact(code, True) for code in domain.BANT[:3])
    terms = Terms(qualifying_grades=("A3",))
    cold, warm = (make_lead(facts=facts) for facts in ((), answers))
    judge = verdicts(fit=True, warm=True)
    outcomes = [domain.qualify(lead, make_rule_set(rules, terms=terms), as_of=NOON, judge=judge)[0] for lead in (cold, warm)]
    assert [(one.readiness, one.outcome) for one in outcomes] == [("curious", "nurture"), ("considering", "qualified")]


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({}, None),
        ({"expected_value": euros(300_000)}, "key_account"),
        ({"expected_units": Decimal(10_000)}, "key_account"),
        ({"expected_value": euros(25_000)}, "enterprise"),
        ({"expected_value": Money(amount=Decimal(300_000), currency="JPY")}, None),
        ({"expected_value": euros(10)}, "consumer"),
        ({"expected_value": euros(10), "organisation_id": an_id("organisation")}, "smb"),
        ({"facts": (make_fact("company_size", "enterprise"),)}, "enterprise"),
        ({"facts": (make_fact("company_size", "gigantic"),)}, None),
        ({"facts": (make_fact("company_size", "smb"),), "expected_value": euros(300_000)}, "key_account"),
    ],
)
def test_the_customer_type_follows_volume_then_size(known: dict[str, Any], expected: str | None):
    decision = decide(make_lead(**known))
    assert decision.customer_type == expected
    assert decision.route_path == ("key_account" if expected == "key_account" else "transactional")


def test_the_same_facts_and_version_give_the_same_decision():
    assert decide(make_lead(make_promising())) == decide(make_lead(make_promising()))


def test_another_version_or_another_fact_gives_another_hash():
    lead = make_lead(make_promising())
    hashes = {
        decide(lead).input_hash,
        decide(lead, make_rule_set(DEFAULT_RULES, number=4)).input_hash,
        decide(make_lead(make_promising(country="FR"))).input_hash,
    }
    assert len(hashes) == 3


def test_the_hash_of_known_inputs_never_changes():
    known: Inputs = {"lead.origin": "form", "lead.age_days": 3, "text": {"industry": "café"}}
    assert domain.hash_of(an_id("rule set"), 3, known) == "7408a472276352e5d4d01212f6621ca5a0cce79c8e5c3b1fb4c915a1aea5051e"


def test_a_later_instant_of_the_same_day_decides_alike():
    lead = make_lead(make_promising())
    one, other = (
        domain.qualify(lead, DEFAULTS, as_of=NOON + later, judge=conditions.judge)[0] for later in (timedelta(), timedelta(hours=9))
    )
    assert (one.input_hash, one.decision_id) == (other.input_hash, other.decision_id)


def test_about_a_third_of_a_sensible_market_qualifies():
    outcomes = [decide(make_lead(generated)).outcome for generated in a_market(250, seed=7)]
    assert 0.25 <= outcomes.count("qualified") / len(outcomes) <= 0.42


def test_an_explanation_lists_every_rule_with_its_condition():
    lead = make_lead(make_promising())
    explained = domain.explain(lead, decide(lead), DEFAULTS, None, as_of=NOON)
    assert [(rule.rule_code, rule.when) for rule in explained.rules] == [(rule.code, rule.when) for rule in DEFAULT_RULES]
    assert {part.name for part in explained.inputs} == decide(lead).inputs.keys()
    assert {part.source_event_id for part in explained.inputs} == {lead.event_id}


def test_an_explanation_says_why_nothing_was_decided():
    explained = domain.explain(make_lead(), None, None, None, as_of=NOON)
    assert (explained.nothing_decided_because, explained.not_routed_because) == ("no_rule_set_was_in_force", "nothing_decided")
    assert explained.inputs


CASE = st.tuples(
    st.sampled_from(["fit", "engagement"]),
    st.integers(-9000, 9000),
    st.sampled_from([None, "one", "two"]),
    st.sampled_from([True, False, None]),
)


@settings(max_examples=50)
@given(st.lists(CASE, min_size=1, max_size=12))
def test_the_contributions_of_any_decision_add_up_to_its_scores(cases: list[tuple[Any, int, str | None, bool | None]]):
    rules = [
        make_rule(f"rule_{place}", axis=axis, points=Decimal(cents) / 100, group=group)
        for place, (axis, cents, group, _) in enumerate(cases)
    ]
    told = {f"rule_{place}": matched for place, (_, _, _, matched) in enumerate(cases)}
    decision, _ = domain.qualify(make_lead(), make_rule_set(rules), as_of=NOON, judge=verdicts(**told))
    for axis, score in (("fit", decision.fit_score), ("engagement", decision.engagement_score)):
        assert sum((part.points for part in decision.contributions if part.axis == axis), Decimal(0)) == score
    assert len(decision.contributions) == len(rules)
