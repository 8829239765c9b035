"""Who is calling: bearer access tokens, checked here against the public keys of the issuers this site trusts."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

import pydantic
from joserfc import errors, jws

from shared import ids
from shared.auth import claims, keys
from shared.auth.failures import InvalidToken, Misconfigured
from shared.auth.revocations import Revocations

__all__ = ["InvalidToken", "Misconfigured", "Principal", "TrustedIssuer", "Verifier", "user_id_of"]

MAX_REMEMBERED = 4096


class TrustedIssuer(pydantic.BaseModel):
    """An identity provider and what its word is worth here. Keys of one issuer never verify tokens of another."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    issuer: Annotated[str, pydantic.Field(min_length=1, max_length=256)]
    """Exactly the text of `iss`."""
    jwks: Annotated[str, pydantic.Field(min_length=1)]
    """File path or HTTPS URL of the public keys."""
    algorithms: Annotated[frozenset[Literal["ES256", "EdDSA", "RS256"]], pydantic.Field(min_length=1)]
    max_lifetime: Annotated[int, pydantic.Field(gt=0, le=86_400)] = 900
    """Longest `exp` - `iat` in seconds."""
    role_claim: Annotated[str, pydantic.Field(min_length=1)] = "roles"
    role_map: dict[str, str] = {}
    """The issuer's role to ours; empty: the same names."""

    @pydantic.field_validator("jwks")
    @classmethod
    def _is_path_or_https(cls, jwks: str) -> str:
        address = urlsplit(jwks)
        is_https = jwks.startswith("https://") and address.hostname and "@" not in address.netloc
        if "://" in jwks and not is_https:
            raise ValueError("jwks is a file path or an https:// address without credentials")
        return jwks


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A caller whose token has passed. `roles` are Baton's; what they permit is the access table's business."""

    issuer: str
    subject: str
    token_id: str
    roles: frozenset[str]
    user_id: UUID
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verified:
    """What no later request can change about a token: its signature by that very key, and what it says."""

    key: keys.VerifyingKey
    principal: Principal
    times: claims.Times


def user_id_of(issuer: str, subject: str) -> UUID:
    """The id under which facts name this person or system: a UUIDv5, the same in every service."""
    return ids.derived_id(issuer, "staff", subject)


class Verifier:
    """Checks access tokens for one service, the `audience`, without asking anybody but the key sources.

    Refuses to be built without an issuer, with an issuer twice, or with a file of keys or revocations that is not good: Misconfigured.
    `clock` gives seconds since 1970, UTC.
    """

    def __init__(
        self, issuers: Sequence[TrustedIssuer], audience: str, revoked_file: Path | None = None, clock: keys.Clock = time.time
    ) -> None:
        if not issuers:
            raise Misconfigured("BATON_ISSUERS: no trusted issuer")
        if not audience:
            raise Misconfigured("the audience is empty")
        self._issuers = {each.issuer: each for each in issuers}
        if len(self._issuers) != len(issuers):
            raise Misconfigured("BATON_ISSUERS: an issuer stands twice")
        self._audience = audience
        self._clock = clock
        self._keys = {each.issuer: keys.KeySource(each.jwks, each.algorithms, clock) for each in issuers}
        self._revocations = Revocations(revoked_file)
        self._remembered: dict[bytes, _Verified] = {}

    async def open(self) -> None:
        """Has the keys of every issuer at hand, or raises Misconfigured naming the source: call it at the start of the process."""
        for source in self._keys.values():
            await source.open()

    async def close(self) -> None:
        """Ends what is under way in the background."""
        for source in self._keys.values():
            await source.close()

    async def verify(self, authorization: Sequence[bytes]) -> Principal:
        """The caller behind the values of all Authorization headers of one request; raises InvalidToken and nothing else."""
        token = claims.read_bearer(authorization)
        digest = hashlib.sha256(token).digest()
        verified = await self._recall(digest)
        if verified is None:
            verified = await self._check(token)
            self._remember(digest, verified)
        claims.refuse_outside_life(verified.times, self._clock())
        who = verified.principal
        issued_at = verified.times.issued_at
        if self._revocations.covers(issuer=who.issuer, token_id=who.token_id, subject=who.subject, issued_at=issued_at):
            raise InvalidToken("revoked")
        return who

    async def _check(self, token: bytes) -> _Verified:
        stated = claims.take_apart(token)
        name = stated.claims.get("iss")
        issuer = self._issuers.get(name) if isinstance(name, str) else None
        if issuer is None:
            raise InvalidToken("unknown issuer")
        algorithm = claims.require_algorithm(stated.header, issuer.algorithms)
        claims.require_access_token_type(stated.header)
        kid = claims.require_key_id(stated.header)
        claims.refuse_header_members(stated.header)
        key = await self._keys[issuer.issuer].find(kid)
        if key is None:
            raise InvalidToken("unknown key")
        require_signature(token, key, algorithm)
        claims.require_audience(stated.claims, self._audience)
        subject = claims.require_text(stated.claims, "sub")
        token_id = claims.require_text(stated.claims, "jti")
        times = claims.require_times(stated.claims)
        claims.refuse_long_life(times, issuer.max_lifetime)
        principal = Principal(
            issuer=issuer.issuer,
            subject=subject,
            token_id=token_id,
            roles=claims.read_roles(stated.claims, issuer.role_claim, issuer.role_map),
            user_id=user_id_of(issuer.issuer, subject),
            expires_at=datetime.fromtimestamp(times.expires_at, UTC),
        )
        return _Verified(key=key, principal=principal, times=times)

    async def _recall(self, digest: bytes) -> _Verified | None:
        verified = self._remembered.get(digest)
        if verified is None:
            return None
        # A key that was removed or replaced takes its signatures with it.
        if await self._keys[verified.principal.issuer].find(verified.key.kid) is verified.key:
            return verified
        self._remembered.pop(digest, None)
        return None

    def _remember(self, digest: bytes, verified: _Verified) -> None:
        if len(self._remembered) >= MAX_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[digest] = verified


def require_signature(token: bytes, key: keys.VerifyingKey, algorithm: str) -> None:
    """The token is signed by that one key with that one algorithm, which is the key's own."""
    if algorithm != key.algorithm:
        raise InvalidToken("algorithm does not fit the key")
    try:
        jws.deserialize_compact(token, key.key, registry=_OneAlgorithm(algorithms=[algorithm]))
    except (errors.JoseError, ValueError):
        raise InvalidToken("bad signature") from None


class _OneAlgorithm(jws.JWSRegistry):
    """The library's own check, without its warning at each token that EdDSA has been given a newer name."""

    def get_alg(self, name: str) -> Any:
        if name not in (self.allowed or ()):
            raise errors.UnsupportedAlgorithmError(name)
        return self.algorithms[name]
