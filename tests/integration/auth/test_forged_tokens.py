"""No forged token passes, good ones do, and each guard is shown to be what stops its forgeries."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from shared.auth import claims, tokens
from shared.auth.failures import InvalidToken
from shared.auth.revocations import Revocations
from shared.auth.tokens import Verifier
from tests.integration.auth import forged
from tests.integration.auth.forged import ED, ISSUER, NOW, RSA, Forgery, token
from tests.integration.auth.mint import bearer

FORGERIES = forged.forgeries()


def nothing(*_: object, **__: object) -> None:
    """What stands where a guard has been taken away."""


BY_NAME = {forgery.name: forgery for forgery in FORGERIES}
GUARDS = [
    (claims, "require_access_token_type", nothing, ["typ-JWT", "typ-missing", "identity-token"]),
    (claims, "refuse_header_members", nothing, ["jku-well-signed", "x5u-well-signed", "x5c-well-signed", "cty"]),
    (claims, "require_audience", nothing, ["aud-of-a-neighbour", "aud-0", "aud-missing"]),
    (claims, "refuse_long_life", nothing, ["lives-too-long", "lives-a-year", "issued-in-1970"]),
    (claims, "refuse_outside_life", nothing, ["expired", "nbf-in-the-future", "iat-in-the-future"]),
    (claims, "_members_once", dict, ["typ-twice", "alg-twice", "aud-twice", "twice-further-down"]),
    (tokens, "require_signature", nothing, ["signature-empty", "attacker-with-our-key-id", "rs256-with-ec-key-id"]),
    (Revocations, "covers", nothing, ["jti-revoked", "sub-revoked"]),
]


@pytest.fixture
def sales(tmp_path: Path) -> Verifier:
    return forged.site(tmp_path)


def test_every_kind_of_forgery_is_tried():
    assert {forgery.kind for forgery in FORGERIES} == set(range(1, 27))
    assert len(BY_NAME) == len(FORGERIES) > 120


@pytest.mark.parametrize("forgery", FORGERIES, ids=str)
async def test_a_forged_token_is_refused(sales: Verifier, forgery: Forgery):
    with pytest.raises(InvalidToken):
        await sales.verify(forgery.headers)


async def test_no_forgery_passes_beside_good_tokens(sales: Verifier):
    good = bearer(token())
    for forgery in FORGERIES:
        assert (await sales.verify(good)).subject == "alice"
        with pytest.raises(InvalidToken):
            await sales.verify(forgery.headers)


@pytest.mark.parametrize("defect", GUARDS, ids=lambda defect: defect[1])
async def test_without_its_guard_a_forgery_gets_through(
    sales: Verifier, monkeypatch: pytest.MonkeyPatch, defect: tuple[Any, str, Any, list[str]]
):
    place, guard, gap, names = defect
    monkeypatch.setattr(place, guard, gap)
    for name in names:
        assert (await sales.verify(BY_NAME[name].headers)).roles == {"sales_rep"}


async def test_a_token_changed_in_any_one_character_is_refused(sales: Verifier):
    good = token()
    for position, character in enumerate(good):
        other = good[:position] + ("A" if character != "A" else "B") + good[position + 1 :]
        with pytest.raises(InvalidToken):
            await sales.verify(bearer(other))


async def test_a_refusal_repeats_nothing_of_the_token(sales: Verifier):
    for forgery in FORGERIES:
        with pytest.raises(InvalidToken) as refused:
            await sales.verify(forgery.headers)
        assert not any(text in str(refused.value) for text in ("alice", "mallory", "evil", "stolen", "neighbour"))


@pytest.mark.parametrize(
    "good",
    [
        token(),
        token({}, ED),
        token({}, RSA),
        token(aud=["sales"]),
        token(iat=NOW + 50, exp=NOW + 650),
        token(iat=NOW - 850, exp=NOW - 50),
        token(iat=NOW - 59.5, exp=NOW + 840.5),
        token(iat=int(NOW), exp=int(NOW) + 900),
        token(nbf=NOW + 50),
        token({"x5t": "dGh1bWI"}),
        token(roles=["sales_rep"], scope="openid", realm={"a": [{"b": 1}]}),
        token(sub="mallory", iat=NOW + 1, exp=NOW + 600),
        token(sub="zoë"),
    ],
    ids=itertools.count(1),
)
async def test_a_good_token_passes(sales: Verifier, good: str):
    caller = await sales.verify(bearer(good))
    assert (caller.issuer, caller.roles) == (ISSUER, {"sales_rep"})
    assert await sales.verify(bearer(good)) == caller
    assert await sales.verify([b"bearer " + good.encode()]) == caller


async def test_a_person_has_one_id_per_issuer(sales: Verifier):
    alice = await sales.verify(bearer(token()))
    again = await sales.verify(bearer(token(jti="token-2")))
    namesake = await sales.verify(bearer(token({}, forged.OTHER, iss=forged.OTHER_ISSUER)))
    assert alice.user_id == again.user_id != namesake.user_id
    assert alice.user_id.version == 5
    assert alice.user_id == tokens.user_id_of(ISSUER, "alice")


async def test_roles_are_translated_and_unknown_ones_count_for_nothing(tmp_path: Path):
    sales = forged.site(tmp_path, role_claim="groups", role_map={"crm-sales": "sales_rep"})
    caller = await sales.verify(bearer(token(groups=["crm-sales", "crm-admin", "ops"], roles=["ops"])))
    assert caller.roles == {"sales_rep"}
    assert (await sales.verify(bearer(token(jti="token-2")))).roles == frozenset()


async def test_a_token_seen_before_still_expires(tmp_path: Path):
    now = NOW
    sales = forged.site(tmp_path, clock=lambda: now)
    good = bearer(token(exp=NOW + 100))
    await sales.verify(good)
    now = NOW + 159
    await sales.verify(good)
    now = NOW + 160
    with pytest.raises(InvalidToken):
        await sales.verify(good)


async def test_what_is_remembered_is_bounded(sales: Verifier, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tokens, "MAX_REMEMBERED", 5)
    for number in range(20):
        await sales.verify(bearer(token(jti=f"token-{number}")))
    assert len(sales._remembered) == 5
