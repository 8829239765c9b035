"""The public keys of one issuer, from a file or an HTTPS address, kept fresh and never open.

A bad set never replaces a good one. When the source is away, the keys of its last good answer serve for a day;
after that there is no key, and every token is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2
import structlog
from joserfc import errors, jwk, util

from shared.auth import claims
from shared.auth.failures import InvalidToken, Misconfigured

MAX_SET_BYTES = 256 * 1024
FETCH_SECONDS = 3
FILE_CHECK_SECONDS = 60
URL_CHECK_SECONDS = 600
UNKNOWN_KEY_SECONDS = 60
SERVES_SECONDS = 24 * 3600
MIN_RSA_BITS = 2048

_PUBLIC_MEMBERS: Final = ("kty", "crv", "x", "y", "n", "e")
_SECRET_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_ALGORITHM_OF: Final = {("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA", ("RSA", None): "RS256"}
_NAMES_IN_A_KEY: Final = {"ES256": {"ES256"}, "EdDSA": {"EdDSA", "Ed25519"}, "RS256": {"RS256"}}

log = structlog.get_logger(__name__)

Clock = Callable[[], float]
"""Seconds since 1970, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyingKey:
    """A public key and the one algorithm it verifies."""

    kid: str
    algorithm: str
    key: jwk.Key


class BadKeySet(Exception):  # noqa: N818  a fact about the source
    """The document is no set of public keys that could serve. `str()` says why, without key material."""


def read_key_set(text: bytes, algorithms: Collection[str]) -> dict[str, VerifyingKey]:
    """The usable keys of a JWKS document by `kid`: those for signatures by one of `algorithms`, RSA from 2,048 bits.

    Keys for other purposes are passed over. A private or symmetric key anywhere, a `kid` that stands twice, a broken key,
    or no usable key at all makes the whole set bad: raises BadKeySet.
    """
    if len(text) > MAX_SET_BYTES:
        raise BadKeySet("larger than 256 KiB")
    try:
        members = claims.read_object(text)
    except InvalidToken as error:
        raise BadKeySet(str(error)) from None
    listed = members.get("keys")
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise BadKeySet("no list of keys")
    if any(each.get("kty") == "oct" or _SECRET_MEMBERS & each.keys() for each in listed):
        raise BadKeySet("holds a private key")
    usable = [key for each in listed if (key := _read_key(each, algorithms))]
    keys = {key.kid: key for key in usable}
    if len(keys) != len(usable):
        raise BadKeySet("a key id stands twice")
    if not keys:
        raise BadKeySet("no usable key")
    return keys


class KeySource:
    """The keys of one issuer. `jwks` is a file path or an HTTPS URL.

    A file must be good at construction (raises Misconfigured), is looked at again at most once a minute and read when it has changed.
    A URL is asked by `open` or at the first token, then every ten minutes beside the traffic, which goes on with the keys at hand.
    An unknown `kid` causes one more look at once, at most once a minute.
    """

    def __init__(self, jwks: str, algorithms: Collection[str], clock: Clock, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._name = jwks
        self._algorithms = frozenset(algorithms)
        self._clock = clock
        self._transport = transport
        self._path = None if jwks.startswith("https://") else Path(jwks)
        self._period = FILE_CHECK_SECONDS if self._path else URL_CHECK_SECONDS
        self._seen: tuple[int, ...] | None = None
        self._keys: dict[str, VerifyingKey] = {}
        self._looked_at: float | None = None
        self._asked_at: float | None = None
        self._succeeded_at: float | None = None
        self._look: asyncio.Task[None] | None = None
        if self._path:
            self._looked_at = clock()
            try:
                self._take_file(self._path)
            except (BadKeySet, OSError) as error:
                raise Misconfigured(f"BATON_ISSUERS: key set {jwks}: {_reason(error)}") from None

    async def open(self) -> None:
        """Has the keys at hand, or raises Misconfigured: for the start of a process."""
        if not self._keys:
            await asyncio.shield(self._start_look())
        if not self._keys:
            raise Misconfigured(f"BATON_ISSUERS: key set {self._name}: not to be had")

    async def find(self, kid: str) -> VerifyingKey | None:
        """The key of that id, or None: unknown, removed, or the source has been away for more than a day."""
        now = self._clock()
        if _is_due(now, self._looked_at, self._period):
            look = self._start_look()
            if self._path:
                await asyncio.shield(look)
        if kid not in self._keys:
            await self._look_once_more(now)
        if self._succeeded_at is None or self._clock() - self._succeeded_at > SERVES_SECONDS:
            return None
        return self._keys.get(kid)

    async def close(self) -> None:
        """Ends a look that is under way."""
        if self._look and not self._look.done():
            self._look.cancel()
            await asyncio.gather(self._look, return_exceptions=True)

    async def _look_once_more(self, now: float) -> None:
        if self._look and not self._look.done():
            await asyncio.shield(self._look)
        elif _is_due(now, self._asked_at, UNKNOWN_KEY_SECONDS):
            self._asked_at = now
            await asyncio.shield(self._start_look())

    def _start_look(self) -> asyncio.Task[None]:
        if self._look is None or self._look.done():
            self._looked_at = self._clock()
            self._look = asyncio.create_task(self._take())
        return self._look

    async def _take(self) -> None:
        try:
            if self._path:
                self._take_file(self._path)
            else:
                self._keys = read_key_set(await _fetch(self._name, self._transport), self._algorithms)
                self._succeeded_at = self._clock()
        except (BadKeySet, OSError, httpx2.HTTPError, httpx2.InvalidURL) as error:
            log.error("key_set_refused", source=self._name, reason=_reason(error))

    def _take_file(self, path: Path) -> None:
        status = path.stat()
        seen = (status.st_ino, status.st_size, status.st_mtime_ns)
        if seen != self._seen:
            with path.open("rb") as file:
                self._keys = read_key_set(file.read(MAX_SET_BYTES + 1), self._algorithms)
            self._seen = seen
        self._succeeded_at = self._clock()


async def _fetch(url: str, transport: httpx2.AsyncBaseTransport | None) -> bytes:
    # Uncompressed, so that the limit counts what arrives and not what it unfolds to.
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    client = httpx2.AsyncClient(transport=transport, timeout=FETCH_SECONDS, follow_redirects=False, headers=headers)
    async with asyncio.timeout(FETCH_SECONDS), client, client.stream("GET", url) as response:
        if response.status_code != 200:
            raise BadKeySet(f"status {response.status_code}")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise BadKeySet("compressed")
        text = bytearray()
        async for chunk in response.aiter_raw():
            text += chunk
            if len(text) > MAX_SET_BYTES:
                raise BadKeySet("larger than 256 KiB")
        return bytes(text)


def _read_key(members: dict[str, object], algorithms: Collection[str]) -> VerifyingKey | None:
    kty, crv, kid = members.get("kty"), members.get("crv"), members.get("kid")
    algorithm = _ALGORITHM_OF.get((kty, crv)) if isinstance(kty, str) and isinstance(crv, str | None) else None
    if algorithm is None or algorithm not in algorithms or not isinstance(kid, str):
        return None
    if members.get("use", "sig") != "sig" or members.get("alg", algorithm) not in _NAMES_IN_A_KEY[algorithm]:
        return None
    # Only what makes the key: certificates and addresses beside it are not ours to follow.
    public: jwk.DictKey = {name: value for name in _PUBLIC_MEMBERS if isinstance(value := members.get(name), str)}
    try:
        if kty == "RSA" and util.base64_to_int(str(public["n"])).bit_length() < MIN_RSA_BITS:
            return None
        return VerifyingKey(kid=kid, algorithm=algorithm, key=jwk.import_key(public))
    except (errors.JoseError, ValueError, KeyError, TypeError):
        raise BadKeySet("a broken key") from None


def _is_due(now: float, last: float | None, period: float) -> bool:
    # A clock that was set back must not silence the source until it has caught up.
    return last is None or not 0 <= now - last < period


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:  # of a file: `baton token keygen` makes it, a deployment mounts its folder
        return f"{error.strerror}: it is the public/jwks.json of the folder of keys"
    return str(error) if isinstance(error, BadKeySet) else type(error).__name__
