"""Pure guards: what is read alike by every reader, and where the limits lie."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.auth import claims
from shared.auth.claims import Times
from shared.auth.failures import InvalidToken

NOW = 1_800_000_000.0
# A small alphabet: what JSON treats specially, and a character of each length in UTF-8.
TEXT = st.text('ab"\\{[\né€😀', max_size=6)
JSON = st.none() | st.booleans() | st.integers(0, 2**53) | TEXT | st.lists(TEXT, max_size=3)


@given(st.dictionaries(TEXT, JSON, max_size=6))
def test_an_object_is_read_as_it_was_written(members: dict[str, object]):
    assert claims.read_object(json.dumps(members).encode()) == members


@given(st.binary(max_size=300))
def test_whatever_arrives_the_only_answer_is_a_refusal(token: bytes):
    with pytest.raises(InvalidToken):
        claims.take_apart(claims.read_bearer([b"Bearer " + token]))


@given(st.dictionaries(TEXT, JSON, min_size=1, max_size=4), st.data())
def test_a_member_that_stands_twice_is_refused(members: dict[str, object], data: st.DataObject):
    again = data.draw(st.sampled_from(sorted(members)))
    text = json.dumps(members)[:-1] + f", {json.dumps(again)}: 1}}"
    with pytest.raises(InvalidToken):
        claims.read_object(text.encode())


@given(st.floats(0, 2e9), st.floats(0.001, 86_400), st.floats(0, 2e9))
def test_a_token_lives_from_issue_to_expiry_give_or_take_a_minute(issued_at: float, life: float, now: float):
    times = Times(issued_at=issued_at, expires_at=issued_at + life, not_before=None)
    if issued_at - 60 <= now < issued_at + life + 60:
        claims.refuse_outside_life(times, now)
    else:
        with pytest.raises(InvalidToken):
            claims.refuse_outside_life(times, now)


def test_a_token_does_not_work_before_its_not_before():
    times = Times(issued_at=NOW, expires_at=NOW + 900, not_before=NOW + 60)
    claims.refuse_outside_life(times, NOW)
    with pytest.raises(InvalidToken):
        claims.refuse_outside_life(times, NOW - 0.001)


def test_an_authorization_header_holds_at_most_8_kib():
    assert len(claims.read_bearer([b"Bearer " + b"x" * (8192 - 7)])) == 8185
    with pytest.raises(InvalidToken):
        claims.read_bearer([b"Bearer " + b"x" * (8192 - 6)])
