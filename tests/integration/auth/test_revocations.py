"""A revoked token ends at the next request, and a damaged list forgives nobody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.auth.failures import InvalidToken, Misconfigured
from shared.auth.revocations import Revocations
from tests.integration.auth import forged
from tests.integration.auth.forged import ISSUER, NOW, OTHER_ISSUER, token
from tests.integration.auth.mint import bearer


def write(path: Path, *entries: dict[str, object]) -> None:
    path.write_text(json.dumps({"revoked": entries}))


def covers(revocations: Revocations, issuer: str = ISSUER, jti: str = "t", subject: str = "alice", issued_at: float = NOW) -> bool:
    return revocations.covers(issuer=issuer, token_id=jti, subject=subject, issued_at=issued_at)


async def test_a_token_seen_before_ends_when_it_is_revoked(tmp_path: Path):
    sales = forged.site(tmp_path)
    good = bearer(token())
    await sales.verify(good)
    write(tmp_path / "revoked.json", {"issuer": ISSUER, "jti": "token-1"})
    with pytest.raises(InvalidToken):
        await sales.verify(good)
    await sales.verify(bearer(token(jti="token-2")))


def test_a_subject_is_revoked_up_to_a_time(tmp_path: Path):
    path = tmp_path / "revoked.json"
    write(path, *({"issuer": ISSUER, "sub": "alice", "issued_before": NOW - back} for back in (50, 0, 90)))
    revocations = Revocations(path)
    assert covers(revocations, issued_at=NOW)
    assert not covers(revocations, issued_at=NOW + 0.001)
    assert not covers(revocations, subject="bob")


def test_another_issuer_has_its_own_subjects_and_tokens(tmp_path: Path):
    path = tmp_path / "revoked.json"
    write(path, {"issuer": ISSUER, "sub": "alice", "issued_before": NOW}, {"issuer": ISSUER, "jti": "t"})
    assert not covers(Revocations(path), issuer=OTHER_ISSUER)


def test_without_a_list_nothing_is_revoked_until_one_appears(tmp_path: Path):
    path = tmp_path / "revoked.json"
    revocations = Revocations(path)
    assert not covers(revocations)
    assert not covers(Revocations(None))
    write(path, {"issuer": ISSUER, "jti": "t"})
    assert covers(revocations)


def test_a_list_that_turns_bad_or_vanishes_forgives_nobody(tmp_path: Path):
    path = tmp_path / "revoked.json"
    write(path, {"issuer": ISSUER, "jti": "t"})
    revocations = Revocations(path)
    for content in ("", "{", '{"revoked": [{"issuer": "x"}]}', '{"revoked": [{"issuer": "x", "sub": "y"}]}'):
        path.write_text(content)
        assert covers(revocations)
    path.unlink()
    assert covers(revocations)
    write(path)
    assert not covers(revocations)


def test_a_process_does_not_start_with_a_bad_list(tmp_path: Path):
    path = tmp_path / "revoked.json"
    path.write_text("[]")
    with pytest.raises(Misconfigured, match="BATON_REVOKED_FILE"):
        Revocations(path)
