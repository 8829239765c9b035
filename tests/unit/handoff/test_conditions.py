"""The language of conditions: typed when saved, bounded when run."""

from typing import Any

import pytest

from services.handoff.leads.domain import inputs_of
from services.handoff.rulesets import conditions
from services.handoff.rulesets.domain import DEFAULT_RULES
from shared.errors import FieldError, Invalid
from tests.unit.handoff.factories import NOON, make_fact, make_lead, make_promising, make_rule


def fault(when: str) -> FieldError:
    with pytest.raises(Invalid) as refused:
        conditions.check([make_rule("good"), make_rule("bad", when=when)])
    (error,) = refused.value.errors
    assert error.field == "/rules/1/when"
    assert error.details is not None
    assert error.details["rule"] == "bad"
    return error


def holds(when: str, **inputs: Any) -> bool | None:
    return conditions.judge([make_rule(when=when)], inputs)["rule"]


@pytest.mark.parametrize(
    ("when", "code", "line", "column"),
    [
        ('lead.country == "DE" &&', "CONDITION_SYNTAX", 1, 24),
        ("", "CONDITION_SYNTAX", 1, 1),
        ("lead.shoe_size > 40.0", "CONDITION_UNKNOWN_NAME", 1, 5),
        ('lead.country == "DE" &&\n  nothing == 1', "CONDITION_UNKNOWN_NAME", 2, 3),
        ("lead.expected_value > 5000", "CONDITION_TYPES", 1, 21),
        ("lead.country", "CONDITION_NOT_BOOLEAN", 1, 1),
        ("1 + 1", "CONDITION_NOT_BOOLEAN", 1, 1),
        ('text.industry == "retail"', "CONDITION_FAILS", 1, 1),
        ("1 / lead.age_days > 0", "CONDITION_FAILS", 1, 1),
        ('lead.origin.matches("((")', "CONDITION_FAILS", 1, 1),
        ("(" * 400 + "true" + ")" * 400, "CONDITION_REFUSED", 1, 1),
        ('lead.country == "\x00"', "CONDITION_SYNTAX", 1, 1),
        ("true || " * 200 + "true", "CONDITION_TOO_LONG", 1, 1),
    ],
)
def test_a_condition_that_cannot_be_used_is_refused_with_rule_line_and_column(when: str, code: str, line: int, column: int):
    error = fault(when)
    assert error.details is not None
    assert (error.code, error.details["line"], error.details["column"]) == (code, line, column)


@pytest.mark.parametrize(
    "when",
    [
        'lead.need_codes.map(code, code).size() > 0 && lead.country == ""',
        'lead.need_codes.filter(code, code == "x").size() > 0',
        "dyn(1) == 1",
        'lead.country + lead.region == "x"',
        "[1] + [2] == [1, 2]",
        'bytes("a") + bytes("b") == bytes("ab")',
    ],
)
def test_what_could_build_large_values_is_not_part_of_the_language(when: str):
    assert fault(when).code in {"CONDITION_UNKNOWN_NAME", "CONDITION_TYPES"}


def test_every_condition_at_fault_is_named():
    with pytest.raises(Invalid) as refused:
        conditions.check([make_rule("one", when="nope"), make_rule("two"), make_rule("three", when="1")])
    assert [error.field for error in refused.value.errors] == ["/rules/0/when", "/rules/2/when"]


def test_what_is_not_known_has_a_value_that_says_nothing():
    assert holds('lead.country == "" && lead.expected_value == 0.0 && !lead.customer_initiated && lead.need_codes.size() == 0')
    assert holds('!("lead.country" in known) && !has(text.industry) && !has(number.seats) && !has(flag.bant_need)')


def test_what_is_known_can_be_asked_for():
    inputs = inputs_of(make_lead(make_promising(facts=(make_fact("seats", 40), make_fact("bant_need", True)))), as_of=NOON)
    given = dict(inputs)
    assert conditions.judge([make_rule(when='"lead.country" in known && lead.country == "DE"')], given)["rule"] is True
    assert conditions.judge([make_rule(when="has(number.seats) && number.seats >= 40.0 && flag.bant_need")], given)["rule"] is True
    assert conditions.judge([make_rule(when='lead.need_codes.exists(code, code == "planning")')], given)["rule"] is True


def test_a_condition_that_fails_at_run_time_is_undetermined():
    assert holds("100 / (lead.age_days - 5) > 0", **{"lead.age_days": 5}) is None
    assert holds("100 / (lead.age_days - 5) > 0", **{"lead.age_days": 6}) is True


def test_a_condition_that_takes_too_many_steps_is_undetermined():
    needs = [f"need {place}" for place in range(200)]
    nested = "lead.need_codes.exists(a, lead.need_codes.exists(b, lead.need_codes.exists(c, a == b && b == c && c == 'none')))"
    assert holds(nested, **{"lead.need_codes": needs}) is None


def test_a_condition_that_never_compiled_is_undetermined():
    assert holds("nope(") is None


def test_the_default_rules_compile():
    conditions.check(DEFAULT_RULES)
