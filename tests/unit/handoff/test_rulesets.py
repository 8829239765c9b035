"""How rule sets come into force, and how points become scores."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.handoff.rulesets import domain
from services.handoff.rulesets.domain import ResponsePolicy, Terms
from shared.cause import Actor
from shared.errors import Invalid
from tests.unit.handoff.factories import NOON, an_id, make_rule, make_rule_set

AUTHOR = Actor(principal="author", user_id=an_id("author"))
APPROVER = Actor(principal="approver", user_id=an_id("approver"))


def drafted(by: Actor = AUTHOR) -> domain.RuleSet:
    return domain.draft(an_id("draft"), name="New", rules=[make_rule()], terms=Terms(), by=by, at=NOON, recorded_at=NOON)


def faults(rules: list[domain.Rule], terms: Terms | None = None) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as refused:
        domain.check(rules, terms or Terms())
    return [(error.field, error.code) for error in refused.value.errors]


def test_a_draft_is_published_by_somebody_else_and_gets_a_number():
    published = domain.publish(drafted(), number=7, by=APPROVER, at=NOON)
    assert (published.status, published.number, published.published_by_id) == ("published", 7, APPROVER.user_id)


def test_an_author_cannot_publish_the_own_draft():
    with pytest.raises(domain.SelfApproval):
        domain.publish(drafted(), number=1, by=AUTHOR, at=NOON)


def test_whoever_revises_a_draft_cannot_publish_it_either():
    revised = domain.revise(drafted(), name="Newer", rules=[make_rule("other")], terms=Terms(), by=APPROVER)
    with pytest.raises(domain.SelfApproval):
        domain.publish(revised, number=1, by=APPROVER, at=NOON)


@pytest.mark.parametrize("status", ["published", "archived"])
def test_only_a_draft_can_be_revised_or_published(status: domain.Status):
    fixed = make_rule_set(status=status)
    with pytest.raises(domain.RuleSetNotDraft):
        domain.revise(fixed, name="Other", rules=[make_rule()], terms=Terms(), by=AUTHOR)
    with pytest.raises(domain.RuleSetNotDraft):
        domain.publish(fixed, number=9, by=APPROVER, at=NOON)


def test_the_rule_set_in_force_is_not_archived_by_itself():
    with pytest.raises(domain.RuleSetInForce):
        domain.archive(make_rule_set(status="published"), at=NOON)


def test_a_draft_is_archived_once():
    archived = domain.archive(drafted(), at=NOON)
    assert (archived.status, archived.archived_at) == ("archived", NOON)
    with pytest.raises(domain.RuleSetArchived):
        domain.archive(archived, at=NOON)


def test_a_superseded_rule_set_keeps_its_number():
    superseded = domain.supersede(make_rule_set(number=3), at=NOON)
    assert (superseded.status, superseded.number, superseded.archived_at) == ("archived", 3, NOON)


def test_every_fault_of_a_rule_set_is_named_at_once():
    rules = [
        make_rule("twice"),
        make_rule("twice", points=Decimal(0)),
        make_rule("Bad Code"),
        make_rule("gate", kind="gate"),
        make_rule("group", group="No Code"),
    ]
    assert faults(rules, Terms(upper_cut=Decimal(30), qualifying_grades=("A9",), currency="euro")) == [
        ("/rules/1/code", "RULE_CODE_REPEATED"),
        ("/rules/1/points", "POINTS_OUT_OF_RANGE"),
        ("/rules/2/code", "MALFORMED_CODE"),
        ("/rules/3/points", "POINTS_NOT_ALLOWED"),
        ("/rules/4/group", "MALFORMED_CODE"),
        ("/terms/upper_cut", "TERMS_OUT_OF_RANGE"),
        ("/terms/qualifying_grades", "UNKNOWN_GRADE"),
        ("/terms/currency", "UNKNOWN_CURRENCY"),
    ]


@pytest.mark.parametrize(
    ("field", "terms"),
    [
        ("/terms/ready_from", Terms(ready_from=Decimal(40))),
        ("/terms/group_cap", Terms(group_cap=Decimal(0))),
        ("/terms/key_account_value", Terms(key_account_value=Decimal(1))),
        ("/terms/key_account_units", Terms(enterprise_units=Decimal(20_000))),
        ("/terms/bant_needed", Terms(bant_needed=5)),
        ("/terms/policy/acceptance_hours", Terms(policy=ResponsePolicy(acceptance_hours=0))),
        ("/terms/policy/response_hours", Terms(policy=ResponsePolicy(response_hours=99_999))),
    ],
)
def test_figures_out_of_range_or_order_are_refused(field: str, terms: Terms):
    assert faults([make_rule()], terms) == [(field, "TERMS_OUT_OF_RANGE")]


def test_a_rule_set_has_at_least_one_rule_and_not_too_many():
    assert faults([]) == [("/rules", "RULE_COUNT")]
    assert faults([make_rule(f"rule_{place}") for place in range(201)]) == [("/rules", "RULE_COUNT")]


def test_the_default_rules_are_well_formed():
    domain.check(domain.DEFAULT_RULES, Terms())


def test_a_group_gives_no_more_than_its_cap_and_the_last_rules_lose():
    rules = [make_rule(code, points=Decimal(25), group="size") for code in ("one", "two", "three")]
    given_points = domain.contributions(rules, Terms(), {"one": True, "two": True, "three": True})
    assert [part.points for part in given_points] == [Decimal(25), Decimal(15), Decimal(0)]
    assert [part.points_before_caps for part in given_points] == [Decimal(25)] * 3


def test_an_axis_gives_no_more_than_its_cap_and_nothing_below_zero():
    high = [make_rule(f"rule_{place}", points=Decimal(60)) for place in range(2)]
    low = [make_rule("minus", axis="engagement", points=Decimal(-30)), make_rule("plus", axis="engagement", points=Decimal(10))]
    parts = domain.contributions([*high, *low], Terms(), dict.fromkeys(["rule_0", "rule_1", "minus", "plus"], True))
    assert domain.score(parts, "fit") == 100
    assert domain.score(parts, "engagement") == 0


def test_a_rule_that_does_not_match_gives_nothing_but_is_listed():
    (part,) = domain.contributions([make_rule()], Terms(), {"rule": False})
    assert (part.matched, part.points) == (False, 0)


@pytest.mark.parametrize(
    ("fit", "engagement", "expected"), [(70, 70, "A1"), (69, 40, "B2"), (39, 39, "C3"), (100, 0, "A3"), (0, 100, "C1"), (40, 70, "B1")]
)
def test_grades_follow_the_cuts(fit: int, engagement: int, expected: str):
    assert domain.grade(Terms(), fit=Decimal(fit), engagement=Decimal(engagement)) == expected


@pytest.mark.parametrize(
    ("engagement", "bant", "expected"),
    [(0, 0, "unaware"), (1, 2, "curious"), (1, 3, "considering"), (40, 0, "considering"), (70, 0, "ready"), (70, 4, "ready")],
)
def test_readiness_follows_engagement_and_answers(engagement: int, bant: int, expected: str):
    assert domain.readiness(Terms(), engagement=Decimal(engagement), bant_met=bant) == expected


Case = tuple[list[domain.Rule], dict[str, bool | None]]
AXES, GROUPS, VERDICTS = st.sampled_from(["fit", "engagement"]), st.sampled_from([None, "one", "two"]), st.sampled_from([True, False, None])
CASES = st.lists(st.tuples(AXES, st.integers(-10_000, 10_000), GROUPS, VERDICTS), min_size=1, max_size=10)


def rules_and_verdicts(cases: list[Any]) -> Case:
    rules = [
        make_rule(f"rule_{place}", axis=axis, points=Decimal(cents) / 100, group=group)
        for place, (axis, cents, group, _) in enumerate(cases)
    ]
    return rules, {rule.code: matched for rule, (_, _, _, matched) in zip(rules, cases, strict=True)}


@settings(max_examples=60)
@given(CASES)
def test_contributions_add_up_to_a_score_that_is_the_capped_sum(cases: list[Any]):
    rules, verdicts = rules_and_verdicts(cases)
    terms = Terms()
    parts = domain.contributions(rules, terms, verdicts)
    assert [part.rule_code for part in parts] == [rule.code for rule in rules]
    for axis in ("fit", "engagement"):
        matched = [rule for rule in rules if rule.axis == axis and verdicts[rule.code]]
        alone = sum((rule.points for rule in matched if rule.group is None), Decimal(0))
        grouped = [sum((rule.points for rule in matched if rule.group == group), Decimal(0)) for group in ("one", "two")]
        expected = alone + sum((max(-terms.group_cap, min(terms.group_cap, part)) for part in grouped), Decimal(0))
        assert domain.score(parts, axis) == max(Decimal(0), min(terms.axis_cap, expected))
    assert all(abs(part.points) <= abs(part.points_before_caps) for part in parts)
    assert all(part.points == 0 for part in parts if part.matched is not True)


@settings(max_examples=60)
@given(CASES)
def test_scores_do_not_depend_on_the_order_of_rules(cases: list[Any]):
    rules, verdicts = rules_and_verdicts(cases)
    shuffled = sorted(rules, key=lambda rule: (rule.points, rule.code))
    one, other = (domain.contributions(order, Terms(), verdicts) for order in (rules, shuffled))
    assert [domain.score(one, axis) for axis in ("fit", "engagement")] == [domain.score(other, axis) for axis in ("fit", "engagement")]


def test_a_rule_set_that_was_replaced_differs_only_in_its_end():
    rule_set = make_rule_set()
    assert domain.supersede(rule_set, at=NOON) == replace(rule_set, status="archived", archived_at=NOON)
