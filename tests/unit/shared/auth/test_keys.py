"""Which keys of a published set may verify a token."""

from __future__ import annotations

import json
from typing import Any

import pytest
from joserfc import jwk

from shared.auth.keys import BadKeySet, read_key_set
from shared.auth.tokens import TrustedIssuer

EC = {**jwk.ECKey.generate_key("P-256").as_dict(private=False), "kid": "ec"}
ED = {**jwk.OKPKey.generate_key("Ed25519").as_dict(private=False), "kid": "ed"}
P384 = {**jwk.ECKey.generate_key("P-384").as_dict(private=False), "kid": "p384"}
X25519 = {**jwk.OKPKey.generate_key("X25519").as_dict(private=False), "kid": "x"}
# Moduli of the right size are enough to tell a key by its length.
RSA_2048 = {"kty": "RSA", "kid": "rsa", "e": "AQAB", "n": "_" * 341 + "w"}
RSA_1024 = {"kty": "RSA", "kid": "short", "e": "AQAB", "n": "_" * 170 + "w"}
ALL = frozenset({"ES256", "EdDSA", "RS256"})


def read(*keys: dict[str, Any], algorithms: frozenset[str] = ALL) -> dict[str, str]:
    return {kid: key.algorithm for kid, key in read_key_set(json.dumps({"keys": keys}).encode(), algorithms).items()}


def test_each_key_verifies_one_algorithm():
    assert read(EC, ED, RSA_2048) == {"ec": "ES256", "ed": "EdDSA", "rsa": "RS256"}


def test_keys_of_other_algorithms_than_the_issuer_has_are_passed_over():
    assert read(EC, ED, RSA_2048, algorithms=frozenset({"ES256"})) == {"ec": "ES256"}


@pytest.mark.parametrize(
    "key",
    [
        P384,
        X25519,
        RSA_1024,
        {**EC, "kid": "enc", "use": "enc"},
        {**EC, "kid": "other", "alg": "ES384"},
        {**RSA_2048, "kid": "pss", "alg": "PS256"},
        {name: value for name, value in EC.items() if name != "kid"},
        {"kty": "AKP", "kid": "new", "alg": "ML-DSA-44"},
        {"kty": ["EC"], "crv": "P-256", "kid": "list"},
    ],
)
def test_a_key_for_something_else_is_passed_over(key: dict[str, Any]):
    assert read(ED, key) == {"ed": "EdDSA"}
    with pytest.raises(BadKeySet, match="no usable key"):
        read(key)


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "s"},
        {**EC, "kid": "private", "d": "AAAA"},
        {**P384, "d": "AAAA"},
        {**RSA_2048, "kid": "private", "p": "AAAA"},
    ],
)
def test_a_secret_anywhere_makes_the_whole_set_bad(key: dict[str, Any]):
    with pytest.raises(BadKeySet, match="private"):
        read(ED, key)


@pytest.mark.parametrize(
    "key",
    [
        {**EC, "kid": "off", "x": EC["y"], "y": EC["x"]},
        {**EC, "x": 1},
        {"kty": "EC", "crv": "P-256", "kid": "e"},
        {**ED, "kid": "e", "x": "AA"},
    ],
)
def test_a_broken_key_makes_the_whole_set_bad(key: dict[str, Any]):
    with pytest.raises(BadKeySet, match="broken"):
        read(ED, {**key, "kid": "other"})


def test_an_id_that_stands_twice_makes_the_whole_set_bad():
    with pytest.raises(BadKeySet, match="twice"):
        read(EC, {**ED, "kid": "ec"})


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{}", b'{"keys": {}}', b'{"keys": [1]}', b'{"keys": [], "keys": []}', b"\xff", b" " * 262_145]
)
def test_what_is_no_set_of_keys_is_bad(text: bytes):
    with pytest.raises(BadKeySet):
        read_key_set(text, ALL)


@pytest.mark.parametrize(
    "wrong",
    [
        {"algorithms": []},
        {"algorithms": ["HS256"]},
        {"algorithms": ["none"]},
        {"max_lifetime": 86_401},
        {"max_lifetime": 0},
        {"jwks": "http://id.example/jwks.json"},
        {"jwks": "https://user:secret@id.example/jwks.json"},
        {"jwks": "HTTPS://id.example/jwks.json"},
        {"jwks": "https:///jwks.json"},
        {"jwks": ""},
        {"issuer": ""},
        {"leeway": 3600},
    ],
)
def test_an_issuer_cannot_be_trusted_carelessly(wrong: dict[str, Any]):
    stated = {"issuer": "https://id.example", "jwks": "/keys/jwks.json", "algorithms": ["ES256"]}
    assert TrustedIssuer.model_validate(stated).max_lifetime == 900
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TrustedIssuer.model_validate(stated | wrong)
