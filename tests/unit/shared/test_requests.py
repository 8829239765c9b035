"""The depth of a body is known before anything parses it."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.http import requests

texts = st.text(alphabet='[]{}"\\ab,:\n') | st.sampled_from(['"', "\\", '\\"', "[" * 40, '"]' * 40])
values = st.recursive(
    texts | st.integers() | st.none(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


@given(values, st.integers(min_value=25, max_value=36))
def test_brackets_inside_of_texts_are_no_depth(value: Any, around: int):
    for place in range(around):
        value = {'"[': value} if place % 2 else [value, "]\\"]
    assert requests.is_too_deep(json.dumps(value).encode()) == (depth(value) > requests.JSON_DEPTH)


@pytest.mark.parametrize("body", [b'["' + b'\\"[' * 80_000, b'"' * 250_000 + b"[" * 33, b"\\" * 250_000 + b"[" * 33, b"[" * 250_000])
def test_a_body_made_to_be_slow_is_not(body: bytes):
    started = time.process_time()
    requests.is_too_deep(body)
    assert time.process_time() - started < 1
