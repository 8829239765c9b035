"""The steps of checking a bearer token that need neither key nor file: pure functions, each one guard.

A guard returns what it has established or raises `InvalidToken`. Each stands alone, so that a test can take one away
and show which forged token would then get through.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from shared.auth.failures import InvalidToken

MAX_AUTHORIZATION_BYTES = 8 * 1024
LEEWAY_SECONDS = 60
# Tokens of large identity providers hold a list per client; a bomb holds thousands.
MAX_BRACKETS = 256
LATEST_TIME = 253_402_300_799  # the end of the year 9999, where datetime ends
FORBIDDEN_HEADER_MEMBERS = frozenset({"crit", "jwk", "jku", "x5u", "x5c", "cty", "zip", "b64"})

_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

Members = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unverified:
    """A token taken apart. Nothing in it is to be believed yet."""

    header: Members
    claims: Members


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds since 1970 in UTC, as the token states them."""

    issued_at: float
    expires_at: float
    not_before: float | None


def read_bearer(authorization: Sequence[bytes]) -> bytes:
    """The token in the values of all Authorization headers of a request: exactly one value, scheme Bearer, at most 8 KiB."""
    if len(authorization) != 1:
        raise InvalidToken("no Authorization header" if not authorization else "more than one Authorization header")
    if len(authorization[0]) > MAX_AUTHORIZATION_BYTES:
        raise InvalidToken("oversize Authorization header")
    scheme, _, token = authorization[0].partition(b" ")
    if scheme.lower() != b"bearer" or not token:
        raise InvalidToken("not a bearer token")
    return token


def take_apart(token: bytes) -> Unverified:
    """Header and claims of a compact token of three segments; other shapes, other spellings and repeated members are refused."""
    segments = token.split(b".")
    if len(segments) != 3:
        raise InvalidToken("not three segments")
    header, claims = (read_object(_decode(segment)) for segment in segments[:2])
    return Unverified(header=header, claims=claims)


def read_object(text: bytes) -> Members:
    """A JSON object that every reader reads alike: UTF-8, no member twice at any depth, no NaN or infinity, of bounded depth."""
    if text.count(b"{") + text.count(b"[") > MAX_BRACKETS:
        raise InvalidToken("nested too deeply")
    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=_members_once, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InvalidToken("not JSON") from None
    if not isinstance(value, dict):
        raise InvalidToken("not a JSON object")
    return value


def refuse_header_members(header: Members) -> None:
    """No member by which a token names its own key, its own extensions or another content than claims."""
    if FORBIDDEN_HEADER_MEMBERS & header.keys():
        raise InvalidToken("forbidden header member")


def require_algorithm(header: Members, algorithms: Collection[str]) -> str:
    """`alg` is one of the issuer's, letter by letter."""
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        raise InvalidToken("algorithm not allowed")
    return algorithm


def require_access_token_type(header: Members) -> None:
    """`typ` says that this is an access token: identity tokens of the same issuer carry the same signature."""
    if header.get("typ") != "at+jwt":
        raise InvalidToken("not an access token")


def require_key_id(header: Members) -> str:
    """`kid` is present and harmless in a path, a query and a log line."""
    kid = header.get("kid")
    if not isinstance(kid, str) or not _KEY_ID.fullmatch(kid):
        raise InvalidToken("no usable key id")
    return kid


def require_audience(claims: Members, audience: str) -> None:
    """`aud` is this service and nobody else, as text or as a list of one."""
    if claims.get("aud") not in (audience, [audience]):
        raise InvalidToken("for another audience")


def require_text(claims: Members, name: str) -> str:
    """A claim that identifies somebody or something: printable text of 1 to 256 characters."""
    value = claims.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 256 or not value.isprintable():
        raise InvalidToken(f"no usable {name}")
    return value


def require_times(claims: Members) -> Times:
    """`iat` and `exp` are there and, like `nbf` if present, finite numbers."""
    return Times(
        issued_at=_seconds(claims, "iat"),
        expires_at=_seconds(claims, "exp"),
        not_before=_seconds(claims, "nbf") if "nbf" in claims else None,
    )


def refuse_long_life(times: Times, max_lifetime: float) -> None:
    """The token lives longer than nothing and at most `max_lifetime` seconds."""
    if not 0 < times.expires_at - times.issued_at <= max_lifetime:
        raise InvalidToken("lifetime above the limit")


def refuse_outside_life(times: Times, now: float) -> None:
    """`now` (seconds since 1970, UTC) lies in the token's life; clocks may differ by up to a minute."""
    if now >= times.expires_at + LEEWAY_SECONDS:
        raise InvalidToken("expired")
    if max(times.issued_at, times.not_before or 0) > now + LEEWAY_SECONDS:
        raise InvalidToken("not valid yet")


def read_roles(claims: Members, role_claim: str, role_map: Mapping[str, str]) -> frozenset[str]:
    """The roles of Baton that the issuer's role claim stands for. An empty map means that both speak the same names.

    A role that the map does not know counts for nothing, and so does a missing claim.
    """
    stated = claims.get(role_claim, [])
    if not isinstance(stated, list) or not all(isinstance(role, str) for role in stated):
        raise InvalidToken("roles are not a list of text")
    return frozenset(role_map[role] for role in stated if role in role_map) if role_map else frozenset(stated)


def _decode(segment: bytes) -> bytes:
    try:
        decoded = base64.urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))
    except (binascii.Error, ValueError):
        raise InvalidToken("not base64url") from None
    # The decoder skips foreign characters and ignores spare bits: only the one spelling that encodes back is taken.
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != segment:
        raise InvalidToken("not base64url")
    return decoded


def _members_once(pairs: list[tuple[str, object]]) -> Members:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise InvalidToken("a member stands twice")
    return members


def _refuse_constant(_: str) -> NoReturn:
    raise InvalidToken("a number that is none")


def _seconds(claims: Members, name: str) -> float:
    value = claims.get(name)
    # bool is an int to Python; the comparison is False for NaN and needs no conversion of huge integers.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LATEST_TIME:
        raise InvalidToken(f"{name} is no usable time")
    return float(value)
