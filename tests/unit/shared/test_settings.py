"""What the settings of a process make of what they are given."""

from __future__ import annotations

import string
from typing import Any
from urllib.parse import unquote, urlsplit

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from shared.runtime.settings import Settings

PRINTABLE = st.characters(codec="utf-8", exclude_categories=("C", "Z"))


def settings(**given: Any) -> Settings:
    issuer = {"issuer": "https://id.example", "jwks": "keys.json", "algorithms": ["ES256"]}
    stated: dict[str, Any] = {
        "env": "production",
        "database_url": "postgresql+asyncpg://sales@postgres:5432/sales",
        "kafka": "kafka:9092",
        "issuers": [issuer],
        "cursor_secret": "c" * 32,
    }
    return Settings(**stated | given)


@given(st.text(PRINTABLE | st.sampled_from(string.punctuation), min_size=16, max_size=40))
def test_a_password_reaches_both_drivers_as_it_was_given(password: str) -> None:
    dsn = settings(database_password=password).dsn
    assert make_url(dsn).password == password
    assert unquote(urlsplit(dsn).password or "") == password
    assert urlsplit(dsn).path == "/sales"


def test_a_password_in_the_address_stays_what_it_is() -> None:
    url = "postgresql+asyncpg://sales:seventeen%40letters@postgres/sales"
    assert settings(database_url=url).dsn == url


@pytest.mark.parametrize(
    "wrong",
    [
        {"database_password": "fifteen letters"},
        {"database_password": None},
        {"database_url": "postgresql+asyncpg://sales:short@postgres/sales"},
        {"database_url": "postgresql+asyncpg://sales:seventeen%40letters@postgres/sales", "database_password": "p" * 16},
        {"database_url": "postgresql://sales@postgres/sales", "database_password": "p" * 16},
        {"database_url": "postgresql+asyncpg://postgres/sales", "database_password": "p" * 16},
        {"database_url": "postgresql+asyncpg://sales@postgres", "database_password": "p" * 16},
        {"database_url": "postgresql+asyncpg://sales:secret@postgres:secret/sales"},
        {"database_url": "nothing"},
        {"database_password": "p" * 16, "cursor_secret": "c" * 31},
    ],
)
def test_what_no_process_should_start_with_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError):
        settings(**wrong)


def test_nothing_secret_shows_in_what_is_printed() -> None:
    assert "p" * 16 not in repr(settings(database_password="p" * 16))
    assert "c" * 32 not in repr(settings(database_password="p" * 16))
