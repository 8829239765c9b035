"""What `baton token` makes is what a service believes, and what it withdraws a service refuses."""

from __future__ import annotations

import json
import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.testing import CliRunner

from baton import ISSUER
from baton.ops import commands, tokens
from shared.auth.failures import InvalidToken
from shared.auth.tokens import TrustedIssuer, Verifier
from tests.integration.auth.mint import bearer

NOW = 1_800_000_000.0


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def service(folder: Path, clock: Clock | None = None) -> Verifier:
    issuer = TrustedIssuer(issuer=ISSUER, jwks=str(folder / "public" / "jwks.json"), algorithms=frozenset(("ES256",)), max_lifetime=86_400)
    return Verifier([issuer], audience="sales", revoked_file=folder / "public" / "revoked.json", clock=clock or Clock())


def issue(folder: Path, *, sub: str = "alice", now: float = NOW, ttl_seconds: int = 900) -> str:
    return tokens.issue(folder, issuer=ISSUER, roles=["ops", "auditor"], sub=sub, aud="sales", ttl_seconds=ttl_seconds, now=now)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tokens.keygen(tmp_path / "keys")
    return tmp_path / "keys"


async def test_an_issued_token_passes(folder: Path):
    caller = await service(folder).verify(bearer(issue(folder)))
    assert (caller.subject, caller.roles, caller.expires_at.timestamp()) == ("alice", {"ops", "auditor"}, NOW + 900)


@pytest.mark.parametrize("now", [NOW + 0.1, NOW + 1 / 3, NOW + 0.999_999_9, NOW + 1e8 + 0.7])
async def test_a_token_of_a_day_is_not_too_long_by_a_rounding(folder: Path, now: float):
    await service(folder, Clock(now)).verify(bearer(issue(folder, now=now, ttl_seconds=86_400)))


def test_the_private_key_is_for_its_owner_alone(folder: Path):
    assert stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o600
    assert b"PRIVATE KEY" in (folder / "key.pem").read_bytes()
    assert '"d"' not in (folder / "public" / "jwks.json").read_text()


def test_making_a_key_again_keeps_the_first(folder: Path):
    before = (folder / "key.pem").read_bytes(), (folder / "public" / "jwks.json").read_bytes()
    tokens.keygen(folder)
    assert ((folder / "key.pem").read_bytes(), (folder / "public" / "jwks.json").read_bytes()) == before


def test_a_lost_public_half_is_written_again(folder: Path):
    before = (folder / "public" / "jwks.json").read_bytes()
    (folder / "public" / "jwks.json").unlink()
    tokens.keygen(folder)
    assert (folder / "public" / "jwks.json").read_bytes() == before


@pytest.fixture
def earlier(folder: Path) -> Path:
    """A folder as earlier versions kept it: what services read lies beside the key."""
    tokens.revoke(folder, issuer=ISSUER, jti="token-1", now=NOW)
    for file in (folder / "public").iterdir():
        file.replace(folder / file.name)
    (folder / "public").rmdir()
    return folder


def revoked(folder: Path) -> list[str]:
    return [entry["jti"] for entry in json.loads((folder / "public" / "revoked.json").read_bytes())["revoked"]]


async def test_what_services_read_moves_to_the_folder_that_is_theirs(earlier: Path):
    token = issue(earlier)
    tokens.keygen(earlier)
    assert sorted(os.listdir(earlier)) == [".lock", "issued.jsonl", "key.pem", "public"]
    assert revoked(earlier) == ["token-1"]
    await service(earlier).verify(bearer(token))


async def test_a_rotation_or_revocation_forgets_nothing_of_the_earlier_folder(earlier: Path):
    token = issue(earlier)
    assert tokens.rotate(earlier, now=NOW) == 1
    tokens.revoke(earlier, issuer=ISSUER, jti="token-2", now=NOW)
    assert revoked(earlier) == ["token-1", "token-2"]
    await service(earlier).verify(bearer(token))


def test_what_services_read_is_open_to_their_users_whatever_the_mask(tmp_path: Path):
    before = os.umask(0o077)
    try:
        tokens.keygen(tmp_path / "keys")
        tokens.revoke(tmp_path / "keys", issuer=ISSUER, sub="alice")
    finally:
        os.umask(before)
    public = tmp_path / "keys" / "public"
    assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in (public, *public.iterdir())} == {
        "public": 0o755,
        "jwks.json": 0o644,
        "revoked.json": 0o644,
    }
    assert stat.S_IMODE((tmp_path / "keys" / "key.pem").stat().st_mode) == 0o600


def test_many_processes_make_one_key(tmp_path: Path):
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(tokens.keygen, [tmp_path] * 16))
    assert len(json.loads((tmp_path / "public" / "jwks.json").read_bytes())["keys"]) == 1


def test_the_record_tells_who_got_what_and_holds_no_token(folder: Path):
    token = issue(folder)
    record = (folder / "issued.jsonl").read_text()
    entry = json.loads(record)
    assert (entry["sub"], entry["roles"], entry["aud"], entry["exp"]) == ("alice", ["ops", "auditor"], "sales", NOW + 900)
    assert entry["jti"]
    assert not any(segment in record for segment in token.split("."))
    assert stat.S_IMODE((folder / "issued.jsonl").stat().st_mode) == 0o600


async def test_after_a_rotation_old_and_new_tokens_pass(folder: Path):
    sales, old = service(folder), issue(folder)
    assert tokens.rotate(folder, now=NOW) == 1
    new = issue(folder)
    for token in (old, new, old):
        await sales.verify(bearer(token))


async def test_an_old_key_goes_with_its_last_token(folder: Path):
    old = issue(folder)
    assert tokens.rotate(folder, now=NOW + 959) == 1
    assert tokens.rotate(folder, now=NOW + 960) == 0
    with pytest.raises(InvalidToken):
        await service(folder).verify(bearer(old))


async def test_a_rotation_at_once_ends_every_token(folder: Path):
    clock = Clock()
    sales, old = service(folder, clock), issue(folder)
    await sales.verify(bearer(old))
    assert tokens.rotate(folder, at_once=True, now=NOW) == 0
    clock.now += 60
    with pytest.raises(InvalidToken):
        await sales.verify(bearer(old))
    await sales.verify(bearer(issue(folder)))


async def test_a_revoked_token_ends_alone(folder: Path):
    sales, first, second = service(folder), issue(folder), issue(folder)
    jti = json.loads((folder / "issued.jsonl").read_text().splitlines()[0])["jti"]
    assert tokens.revoke(folder, issuer=ISSUER, jti=jti, now=NOW) == 1
    with pytest.raises(InvalidToken):
        await sales.verify(bearer(first))
    await sales.verify(bearer(second))


async def test_a_revoked_subject_may_get_a_new_token(folder: Path):
    sales, old, other = service(folder), issue(folder), issue(folder, sub="bob")
    assert tokens.revoke(folder, issuer=ISSUER, sub="alice", now=NOW) == 1
    with pytest.raises(InvalidToken):
        await sales.verify(bearer(old))
    await sales.verify(bearer(other))
    await sales.verify(bearer(issue(folder, now=NOW + 0.01)))


def test_the_list_forgets_what_has_expired_anyway(folder: Path):
    for day in range(5):
        tokens.revoke(folder, issuer=ISSUER, jti=f"token-{day}", now=NOW + day * 86_400)
    listed = json.loads((folder / "public" / "revoked.json").read_bytes())["revoked"]
    assert [entry["jti"] for entry in listed] == ["token-3", "token-4"]


@pytest.mark.parametrize(
    "wrong", [{"ttl_seconds": 0}, {"ttl_seconds": -1}, {"ttl_seconds": 86_401}, {"roles": []}, {"roles": [""]}, {"sub": ""}, {"aud": ""}]
)
def test_a_token_that_no_service_would_take_is_not_issued(folder: Path, wrong: dict[str, object]):
    stated: dict[str, object] = {"issuer": ISSUER, "roles": ["ops"], "sub": "alice", "aud": "sales"} | wrong
    with pytest.raises(tokens.TokenError):
        tokens.issue(folder, **stated)  # pyright: ignore[reportArgumentType]
    assert not (folder / "issued.jsonl").exists()


def test_without_a_key_the_commands_say_what_to_do(tmp_path: Path):
    for act in (lambda: issue(tmp_path), lambda: tokens.rotate(tmp_path)):
        with pytest.raises(tokens.TokenError, match="baton token keygen"):
            act()


def test_a_mistyped_folder_is_not_made(tmp_path: Path):
    missing = tmp_path / "keyz"
    for act in (lambda: issue(missing), lambda: tokens.rotate(missing), lambda: tokens.revoke(missing, issuer=ISSUER, sub="alice")):
        with pytest.raises(tokens.TokenError, match="baton token keygen"):
            act()
    assert not missing.exists()


def test_a_token_for_nobody_is_not_issued(folder: Path):
    asked = ["issue", "--role", "ops", "--sub", "alice", "--aud", "slaes", "--keys", str(folder)]
    refused = CliRunner().invoke(commands.token_app, asked)
    assert "choose one of marketing, handoff, sales, distribution" in str(refused.exception)
    assert not (folder / "issued.jsonl").exists()


def test_a_revocation_names_one_of_token_and_subject(folder: Path):
    for jti, sub in ((None, None), ("a", "b")):
        with pytest.raises(tokens.TokenError):
            tokens.revoke(folder, issuer=ISSUER, jti=jti, sub=sub)


async def test_the_terminal_prints_one_token_and_nothing_else(tmp_path: Path):
    run = CliRunner().invoke
    keys = ["--keys", str(tmp_path)]
    assert run(commands.token_app, ["keygen", *keys]).exit_code == 0
    made = run(commands.token_app, ["issue", "--role", "ops", "--sub", "alice", "--aud", "sales", "--ttl", "2h", *keys])
    caller = await service(tmp_path, Clock(time.time())).verify(bearer(made.stdout.removesuffix("\n")))
    assert 7190 < caller.expires_at.timestamp() - time.time() <= 7200
    assert run(commands.token_app, ["revoke", "--sub", "alice", *keys]).stdout == "revoked; 1 living token(s) on record end with it\n"
    assert run(commands.token_app, ["rotate", *keys]).exit_code == 0
    assert run(commands.token_app, ["issue", "--role", "ops", "--sub", "a", "--aud", "sales", "--ttl", "2w", *keys]).exit_code == 2
