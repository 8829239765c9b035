"""One site with two issuers, what a good token of it looks like, and every kind of forgery by number and name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.auth.tokens import TrustedIssuer, Verifier
from tests.integration.auth import mint
from tests.integration.auth.mint import REMOVE, bearer, changed, compact

NOW = 1_800_000_000.0
US, NEIGHBOUR = "sales", "distribution"
ISSUER, OTHER_ISSUER = "https://id.example", "https://other.example"

EC = mint.ec_signer("ec-1")
ED = mint.ed_signer("ed-1")
RSA = mint.rsa_signer("rsa-1")
OTHER = mint.ec_signer("other-1")
ATTACKER = mint.ec_signer("ec-1")
REMOVED = mint.ec_signer("removed-1")

HEADER: dict[str, Any] = {"alg": "ES256", "typ": "at+jwt", "kid": "ec-1"}
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "alice",
    "aud": US,
    "iat": NOW - 10,
    "exp": NOW + 600,
    "jti": "token-1",
    "roles": ["sales_rep"],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgery:
    """What the attacker sends in Authorization headers. `kind` is its number in the list of kinds, 26 for what has none."""

    kind: int
    name: str
    headers: list[bytes]

    def __str__(self) -> str:
        return f"{self.kind:02}-{self.name}"


def token(header: dict[str, Any] | None = None, signer: mint.Signer = EC, **claims: Any) -> str:
    """A good token, but for the changes."""
    stated = {**HEADER, "alg": signer.alg, "kid": signer.kid}
    return compact(changed(stated, header or {}), changed(CLAIMS, claims), signer.sign)


def site(folder: Path, clock: Any = lambda: NOW, **issuer: Any) -> Verifier:
    """The sales service of that site; its files lie in the folder."""
    (folder / "a.json").write_bytes(mint.key_set(EC, ED, RSA))
    (folder / "b.json").write_bytes(mint.key_set(OTHER))
    (folder / "revoked.json").write_text(
        json.dumps({"revoked": [{"issuer": ISSUER, "jti": "stolen"}, {"issuer": ISSUER, "sub": "mallory", "issued_before": NOW}]})
    )
    return Verifier(
        [
            TrustedIssuer(issuer=ISSUER, jwks=str(folder / "a.json"), algorithms=frozenset(("ES256", "EdDSA", "RS256")), **issuer),
            TrustedIssuer(issuer=OTHER_ISSUER, jwks=str(folder / "b.json"), algorithms=frozenset(("ES256",))),
        ],
        audience=US,
        revoked_file=folder / "revoked.json",
        clock=clock,
    )


def forgeries() -> list[Forgery]:
    kinds = {1: unsigned, 2: odd_algorithms, 3: symmetric, 5: mixed_up_keys, 8: odd_key_ids, 9: own_key_named, 12: extensions}
    kinds |= {13: other_types, 15: issuers, 17: audiences, 19: times, 22: lifetimes, 23: repeated_members, 24: shapes}
    kinds |= {25: signatures_and_revocation, 26: transports}
    return [
        Forgery(kind=kind, name=name, headers=bearer(what) if isinstance(what, str) else what)
        for make in kinds.values()
        for kind, name, what in make()
    ]


Listed = list[tuple[int, str, str | list[bytes]]]


def unsigned() -> Listed:
    nothing = compact({**HEADER, "alg": "none"}, CLAIMS, lambda _: b"")
    return [(1, "none", nothing), (1, "none-with-our-signature", compact({**HEADER, "alg": "none"}, CLAIMS, EC.sign))]


def odd_algorithms() -> Listed:
    odd: Listed = [
        (2, f"alg-{alg!r}", token({"alg": alg})) for alg in ("None", "nOnE", "NONE", "es256", "ES384", "PS256", "", None, 1, ["ES256"])
    ]
    return [*odd, (2, "alg-missing", token({"alg": REMOVE}))]


def symmetric() -> Listed:
    header = {**HEADER, "alg": "HS256"}
    forged: Listed = []
    for signer in (EC, RSA):
        named = {**header, "kid": signer.kid}
        forged += [(3, f"hs256-pem-{signer.kid}", compact(named, CLAIMS, mint.hs256(signer.pem())))]
        forged += [(4, f"hs256-jwk-{signer.kid}", compact(named, CLAIMS, mint.hs256(json.dumps(signer.jwk()).encode())))]
    return [*forged, (4, "hs256-key-set", compact(header, CLAIMS, mint.hs256(mint.key_set(EC, ED, RSA))))]


def mixed_up_keys() -> Listed:
    return [
        (5, "rs256-with-ec-key-id", token({"kid": "ec-1"}, RSA)),
        (5, "rs256-header-ec-signature", token({"alg": "RS256"}, EC)),
        (5, "es256-with-rsa-key-id", token({"kid": "rsa-1"}, EC)),
        (5, "es256-header-rsa-signature", token({"alg": "ES256"}, RSA)),
        (5, "eddsa-with-ec-key-id", token({"kid": "ec-1"}, ED)),
        (6, "attacker-no-key-id", token({"kid": REMOVE}, ATTACKER)),
        (6, "ours-no-key-id", token({"kid": REMOVE})),
        (7, "unknown-key-id", token({"kid": "ec-2"}, ATTACKER)),
    ]


def odd_key_ids() -> Listed:
    odd = [
        "../../../../dev/null",
        "ec-1' OR '1'='1",
        "https://evil.example/jwks.json",
        "",
        "ec-1\n",
        "ec-1\x00",
        "e" * 65,
        ["ec-1"],
        1,
        None,
    ]
    return [(8, f"kid-{number}", token({"kid": kid}, ATTACKER)) for number, kid in enumerate(odd)]


def own_key_named() -> Listed:
    address = "https://evil.example/jwks.json"
    return [
        (9, "jwk-embedded", token({"jwk": ATTACKER.jwk()}, ATTACKER)),
        (9, "jwk-embedded-ours", token({"jwk": EC.jwk()})),
        (10, "jku", token({"jku": address}, ATTACKER)),
        (10, "jku-well-signed", token({"jku": address})),
        (11, "x5u-well-signed", token({"x5u": address})),
        (11, "x5c", token({"x5c": ["MIIB"]}, ATTACKER)),
        (11, "x5c-well-signed", token({"x5c": ["MIIB"]})),
    ]


def extensions() -> Listed:
    plain = mint.b64(json.dumps({**HEADER, "b64": False, "crit": ["b64"]}).encode())
    content = f"{plain}.{json.dumps(CLAIMS, separators=(',', ':'))}"
    return [
        (12, "crit-unknown", token({"crit": ["exp"]})),
        (12, "crit-empty", token({"crit": []})),
        (12, "b64-false", token({"b64": False, "crit": ["b64"]})),
        (12, "b64-false-without-crit", token({"b64": False})),
        (12, "b64-false-plain-claims", f"{content}.{mint.b64(EC.sign(content.encode()))}"),
    ]


def other_types() -> Listed:
    typed: Listed = [(13, f"typ-{typ}", token({"typ": typ})) for typ in ("JWT", "jwt", "logout+jwt", "at+JWTx", "", None, ["at+jwt"])]
    identity = token({"typ": "JWT"}, nonce="n", at_hash="h", email="alice@example.com")
    return [*typed, (13, "typ-missing", token({"typ": REMOVE})), (14, "identity-token", identity)]


def issuers() -> Listed:
    odd = ["https://evil.example", ISSUER.upper(), ISSUER + "/", " " + ISSUER, [ISSUER], {ISSUER: 1}, None, 1, ""]
    return [
        *[(15, f"iss-{number}", token(iss=iss)) for number, iss in enumerate(odd)],
        (15, "iss-missing", token(iss=REMOVE)),
        (16, "claims-of-a-signed-by-b", token({"kid": OTHER.kid}, OTHER)),
        (16, "claims-of-b-signed-by-a", token(iss=OTHER_ISSUER)),
        (16, "claims-of-a-signed-by-b-with-key-id-of-a", token({"kid": "ec-1"}, OTHER)),
    ]


def audiences() -> Listed:
    odd = [[US, NEIGHBOUR], [US, US], [], "", None, US.upper(), f"{US} {NEIGHBOUR}", {US: True}, [[US]], True]
    return [
        (17, "aud-of-a-neighbour", token(aud=NEIGHBOUR)),
        (17, "aud-list-of-a-neighbour", token(aud=[NEIGHBOUR])),
        *[(18, f"aud-{number}", token(aud=aud)) for number, aud in enumerate(odd)],
        (18, "aud-missing", token(aud=REMOVE)),
    ]


def times() -> Listed:
    raw = json.dumps(CLAIMS)
    odd = ["1800000600", True, None, [NOW + 600], -1, 10**400, {}]
    written = ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5000]
    return [
        (19, "expired", token(iat=NOW - 700, exp=NOW - 61)),
        (19, "expired-at-the-leeway", token(iat=NOW - 700, exp=NOW - 60)),
        (20, "nbf-in-the-future", token(nbf=NOW + 61)),
        (20, "iat-in-the-future", token(iat=NOW + 61, exp=NOW + 600)),
        (20, "nbf-is-text", token(nbf="0")),
        (20, "nbf-is-null", token(nbf=None)),
        (21, "exp-missing", token(exp=REMOVE)),
        (21, "iat-missing", token(iat=REMOVE)),
        *[(21, f"exp-{number}", token(exp=exp)) for number, exp in enumerate(odd)],
        *[(21, f"exp-{text[:9]}", compact(HEADER, raw.replace(str(NOW + 600), text), EC.sign)) for text in written],
        (21, "iat-is-text", token(iat=str(NOW))),
    ]


def lifetimes() -> Listed:
    return [
        (22, "lives-too-long", token(iat=NOW, exp=NOW + 901)),
        (22, "lives-a-year", token(exp=NOW + 365 * 86_400)),
        (22, "issued-in-1970", token(iat=0)),
        (22, "expires-before-issue", token(iat=NOW + 10, exp=NOW)),
    ]


def repeated_members() -> Listed:
    header, claims = json.dumps(HEADER), json.dumps(CLAIMS)
    return [
        (23, "typ-twice", compact('{"typ": "JWT", ' + header[1:], CLAIMS, EC.sign)),
        (23, "alg-twice", compact('{"alg": "none", ' + header[1:], CLAIMS, EC.sign)),
        (23, "aud-twice", compact(HEADER, f'{{"aud": "{NEIGHBOUR}", ' + claims[1:], EC.sign)),
        (23, "sub-twice-alike", compact(HEADER, '{"sub": "alice", ' + claims[1:], EC.sign)),
        (23, "sub-twice-escaped", compact(HEADER, '{"\\u0073ub": "root", ' + claims[1:], EC.sign)),
        (23, "twice-further-down", compact(HEADER, '{"x": {"y": 1, "y": 2}, ' + claims[1:], EC.sign)),
    ]


def shapes() -> Listed:
    good = token()
    header, claims, signature = good.split(".")
    deep = "[" * 3000 + "]" * 3000
    # 64 bytes of signature leave four spare bits in the last character: another spelling of the same bytes.
    spare = signature[:-1] + {"A": "B", "Q": "R", "g": "h", "w": "x"}[signature[-1]]
    return [
        (24, "oversize", token(padding="x" * 9000)),
        (24, "oversize-not-a-token", "x" * 200_000),
        (24, "deep-nesting", compact(HEADER, '{"x": ' + deep + ", " + json.dumps(CLAIMS)[1:], EC.sign)),
        (24, "deep-nesting-in-header", compact('{"x": ' + deep + ", " + json.dumps(HEADER)[1:], CLAIMS, EC.sign)),
        (24, "two-segments", f"{header}.{claims}"),
        (24, "four-segments", f"{good}.{signature}"),
        (24, "five-segments", f"{header}.{claims}.{claims}.{claims}.{signature}"),
        (24, "empty-segments", ".."),
        (24, "zip", token({"zip": "DEF"})),
        (24, "cty", token({"cty": "JWT"})),
        (24, "unknown-header-member", token({"foo": "bar"})),
        (24, "padded", f"{header}.{claims}.{signature}=="),
        (24, "spare-bits", f"{header}.{claims}.{spare}"),
        (24, "foreign-alphabet", good.replace("-", "+").replace("_", "/") + "+"),
        (24, "line-break", f"{header}.{claims}\n.{signature}"),
        (24, "nul", f"{header}.{claims}.{signature}\x00"),
        (24, "space", f"{header}.{claims}.{signature} "),
        (24, "header-no-object", compact([HEADER], CLAIMS, EC.sign)),
        (24, "claims-no-object", compact(HEADER, [CLAIMS], EC.sign)),
        (24, "claims-null", compact(HEADER, None, EC.sign)),
        (24, "claims-no-json", compact(HEADER, "{'iss': 1}", EC.sign)),
        (24, "sub-surrogate", compact(HEADER, json.dumps(CLAIMS).replace("alice", "\\ud800"), EC.sign)),
        (24, "sub-line-break", token(sub="alice\nbob")),
        (24, "sub-missing", token(sub=REMOVE)),
        (24, "jti-missing", token(jti=REMOVE)),
        (24, "jti-empty", token(jti="")),
        (24, "roles-as-text", token(roles="ops")),
        (24, "roles-of-numbers", token(roles=[1])),
    ]


def signatures_and_revocation() -> Listed:
    header, claims, signature = token().split(".")
    r_as_n = mint.number(0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551, 32)
    return [
        (25, "signature-empty", f"{header}.{claims}."),
        (25, "signature-zero", f"{header}.{claims}.{mint.b64(bytes(64))}"),
        (25, "signature-order", f"{header}.{claims}.{r_as_n}{r_as_n}"),
        (25, "signature-short", f"{header}.{claims}.{mint.b64(bytes(63))}"),
        (25, "signature-der", f"{header}.{claims}.{mint.b64(b'0' * 70)}"),
        (25, "signature-transplanted", f"{header}.{claims}.{token(sub='bob').split('.')[2]}"),
        (25, "claims-transplanted", f"{header}.{token(roles=['ops']).split('.')[1]}.{signature}"),
        (25, "key-removed", token({}, REMOVED)),
        (25, "attacker-with-our-key-id", token({}, ATTACKER)),
        (25, "jti-revoked", token(jti="stolen")),
        (25, "sub-revoked", token(sub="mallory", iat=NOW - 1, jti="fresh")),
    ]


def transports() -> Listed:
    good = bearer(token())[0]
    return [
        (26, "no-header", []),
        (26, "two-headers-alike", [good, good]),
        (26, "two-headers", [good, b"Bearer x"]),
        (26, "basic", [b"Basic YWxpY2U6c2VjcmV0"]),
        (26, "no-scheme", [token().encode()]),
        (26, "scheme-only", [b"Bearer"]),
        (26, "empty", [b""]),
        (26, "joined-by-comma", [good + b", " + good]),
        (26, "not-ascii", ["Bearer schlüssel.ü.ü".encode()]),
        (26, "not-utf-8", [b"Bearer \xff\xfe.\xff.\xff"]),
    ]
