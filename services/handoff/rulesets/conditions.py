"""Conditions of rules in CEL: typed when they are saved, bounded when they run.

What a condition may read:

    lead.origin .source .medium .country .region .language .journey_stage .interaction_mode .audience .touch_intent .verification
        .currency                           text, "" where it is not known
    lead.customer_initiated .has_organisation .has_campaign .possible_duplicate
                                            true or false, false where it is not known
    lead.expected_units .expected_value     numbers with a decimal point (5000.0), 0.0 where they are not known
    lead.age_days                           whole days since the capture
    lead.need_codes lead.consents           lists of codes; purposes with consent granted
    text, number, flag                      further facts by code: has(text.industry) && text.industry == "retail"
    known                                   names of what is known: "lead.country" in known

There is no clock, no random value and no input but these. Functions that could build large values are not part of the language, and the
library gives up on a condition that takes too many steps.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from cel_expr_python import cel

from services.handoff.rulesets.domain import Rule, Verdicts
from shared.errors import FieldError, Invalid

MAX_LENGTH = 1_000

_READABLE = re.compile(r"[^\x00\ud800-\udfff]*")  # JSON can say halves of characters, which no text has

_TEXTS = (
    "lead.origin",
    "lead.source",
    "lead.medium",
    "lead.country",
    "lead.region",
    "lead.language",
    "lead.journey_stage",
    "lead.interaction_mode",
    "lead.audience",
    "lead.touch_intent",
    "lead.verification",
    "lead.currency",
)
_FLAGS = ("lead.customer_initiated", "lead.has_organisation", "lead.has_campaign", "lead.possible_duplicate")
_NUMBERS = ("lead.expected_units", "lead.expected_value")
_LISTS = ("lead.need_codes", "lead.consents", "known")

_LANGUAGE = """
stdlib:
  exclude_macros: [map, filter]
  exclude_functions:
    - name: dyn
    - name: "_+_"
      overloads: [{id: add_string}, {id: add_bytes}, {id: add_list}]
"""

_SENTENCES = (
    ("Syntax error", "CONDITION_SYNTAX", "The condition cannot be read at this place."),
    ("undeclared reference", "CONDITION_UNKNOWN_NAME", "There is no such fact or function."),
    ("no matching overload", "CONDITION_TYPES", "Values of these types cannot be combined."),
)


def check(rules: Sequence[Rule]) -> None:
    """Raises Invalid naming every condition that does not compile, is not true or false, or fails on a lead of which nothing is known;
    each with rule, line and column."""
    errors = [error for place, rule in enumerate(rules) for error in _faults(place, rule)]
    if errors:
        raise Invalid(errors=errors)


def judge(rules: Sequence[Rule], inputs: Mapping[str, Any]) -> Verdicts:
    """Whether each rule's condition holds for these inputs; None where its value cannot be determined. Never raises for the inputs."""
    activation = _environment().Activation(_data(inputs))
    return {rule.code: _holds(rule.when, activation) for rule in rules}


def _holds(when: str, activation: cel.Activation) -> bool | None:
    try:
        value = _compiled(when).eval(activation).value()
    except RuntimeError:  # the library's word for a budget that ran out, or for text that never compiled
        return None
    return value if isinstance(value, bool) else None


def _faults(place: int, rule: Rule) -> Iterator[FieldError]:
    if len(rule.when) > MAX_LENGTH:
        yield _fault(place, rule, "CONDITION_TOO_LONG", f"A condition has at most {MAX_LENGTH} characters.")
        return
    if not _READABLE.fullmatch(rule.when):
        yield _fault(place, rule, "CONDITION_SYNTAX", "A condition is readable text.")
        return
    try:
        kind = _compiled(rule.when).return_type()
    except RuntimeError as error:
        yield _uncompiled(place, rule, str(error))
        return
    if kind != cel.Type.BOOL:
        yield _fault(place, rule, "CONDITION_NOT_BOOLEAN", "A condition is true or false.", returns=kind.name().lower())
    elif _holds(rule.when, _environment().Activation(_data({}))) is None:
        sentence = "The condition fails where its facts are not known; ask first, as in has(text.industry) && …"
        yield _fault(place, rule, "CONDITION_FAILS", sentence)


def _uncompiled(place: int, rule: Rule, diagnosis: str) -> FieldError:
    where = re.search(r"<input>:(\d+):(\d+): ([^\n]*)", diagnosis)
    line, column, reason = (int(where[1]), int(where[2]), where[3]) if where else (1, 1, "too deeply nested")
    code, sentence = next(
        ((code, sentence) for mark, code, sentence in _SENTENCES if mark in reason),
        ("CONDITION_REFUSED", "The condition is not part of the language."),
    )
    return _fault(place, rule, code, sentence, line=line, column=column, reason=reason[:200])


def _fault(place: int, rule: Rule, code: str, message: str, **details: str | int) -> FieldError:
    position: dict[str, str | int] = {"rule": rule.code, "line": 1, "column": 1}
    return FieldError(code=code, field=f"/rules/{place}/when", message=message, details=position | details)


def _data(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return (
        dict.fromkeys(_TEXTS, "")
        | dict.fromkeys(_FLAGS, False)
        | {name: [] for name in _LISTS}
        | {"lead.age_days": 0, "text": {}, "flag": {}}
        | {name: value for name, value in inputs.items() if name not in _NUMBERS}
        | {name: float(inputs.get(name, 0)) for name in _NUMBERS}
        | {"number": {code: float(value) for code, value in inputs.get("number", {}).items()}, "known": sorted(inputs)}
    )


@cache
def _environment() -> cel.Env:
    kinds = cel.Type
    variables: dict[str, cel.Type] = {
        **dict.fromkeys(_TEXTS, kinds.STRING),
        **dict.fromkeys(_FLAGS, kinds.BOOL),
        **dict.fromkeys(_NUMBERS, kinds.DOUBLE),
        **dict.fromkeys(_LISTS, kinds.List(kinds.STRING)),
        "lead.age_days": kinds.INT,
        "text": kinds.Map(kinds.STRING, kinds.STRING),
        "number": kinds.Map(kinds.STRING, kinds.DOUBLE),
        "flag": kinds.Map(kinds.STRING, kinds.BOOL),
    }
    return cel.NewEnv(config=cel.NewEnvConfigFromYaml(_LANGUAGE), variables=variables)


@lru_cache(maxsize=4096)
def _compiled(when: str) -> cel.Expression:
    return _environment().compile(when)
