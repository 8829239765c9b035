"""Access tokens for sites without an identity provider: a key pair in a folder, the tokens it signs, and their revocation.

The folder holds `key.pem` (private, never for a service) and `issued.jsonl` (who got what, not the tokens). What services read lies in
its folder `public`: `jwks.json` and `revoked.json`, replaced as a whole. Times are seconds since 1970, UTC.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from joserfc import jwk, jwt

from baton import CommandError

KEY, ISSUED = "key.pem", "issued.jsonl"
PUBLIC, KEY_SET, REVOKED = "public", "public/jwks.json", "public/revoked.json"
LONGEST_LIFE_SECONDS = 24 * 3600
LEEWAY_SECONDS = 60

Entry = dict[str, object]


class TokenError(CommandError):
    """A command about tokens cannot do what was asked; `str()` says why and what to do."""


def keygen(folder: Path) -> None:
    """The folder has a key pair: a new one with mode 0600, or the one it had, whose public half is written again if it is missing.

    What an earlier version kept beside the key for services is moved to where they look for it now.
    """
    with _alone_in(folder, make=True):
        _gather_public(folder)
        if (folder / KEY).exists():
            key = _read_key(folder)
        else:
            key = _new_key()
            _write(folder / KEY, key.as_pem(private=True), mode=0o600)
        public = _read_public(folder)
        if key.kid not in {each.get("kid") for each in public}:
            _write_public(folder, [_public(key), *public])


def issue(folder: Path, *, issuer: str, roles: Sequence[str], sub: str, aud: str, ttl_seconds: int = 900, now: float | None = None) -> str:
    """One signed token for one service, valid from now for `ttl_seconds` (at most a day), recorded without the token itself."""
    if not 0 < ttl_seconds <= LONGEST_LIFE_SECONDS:
        raise TokenError("a token lives between one second and 24 hours")
    if not (roles and all(roles) and sub and sub.isprintable() and aud):
        raise TokenError("a token needs a role, a subject and an audience")
    # Not cut to the second: a token issued right after its subject was revoked is newer than the revocation.
    issued_at = time.time() if now is None else now
    claims = {
        "iss": issuer,
        "sub": sub,
        "aud": aud,
        "iat": issued_at,
        "exp": issued_at + ttl_seconds,
        "jti": secrets.token_urlsafe(16),
        "roles": list(roles),
    }
    with _alone_in(folder):
        key = _read_key(folder)
        with _open(folder / ISSUED, os.O_APPEND, mode=0o600) as file:
            file.write(json.dumps({"kid": key.kid, **claims}).encode() + b"\n")
    return jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": key.kid}, claims, key, algorithms=["ES256"])


def rotate(folder: Path, *, at_once: bool = False, now: float | None = None) -> int:
    """A new key signs from now on. Returns how many old public keys stay: those with tokens that have not expired yet.

    `at_once` keeps none, so that every token issued so far is refused: for a key that has become known.
    """
    now = time.time() if now is None else now
    with _alone_in(folder):
        _read_key(folder)
        _gather_public(folder)
        old = _read_public(folder)
        latest = _latest_expiries(folder)
        needed = [] if at_once else [each for each in old if latest.get(str(each.get("kid")), 0.0) + LEEWAY_SECONDS > now]
        key = _new_key()
        # Whichever write is the last before a power cut, the key that signs is in the set.
        _write_public(folder, [_public(key), *old])
        _write(folder / KEY, key.as_pem(private=True), mode=0o600)
        _write_public(folder, [_public(key), *needed])
    return len(needed)


def revoke(folder: Path, *, issuer: str, jti: str | None = None, sub: str | None = None, now: float | None = None) -> int:
    """Withdraws one token, or all tokens a subject holds now; tokens issued later are not touched.

    Returns how many living tokens on record this ends. Entries older than the longest life of a token are dropped:
    they refuse nothing any more.
    """
    if (jti is None) == (sub is None):
        raise TokenError("name either a token by --jti or a subject by --sub")
    now = time.time() if now is None else now
    entry: Entry = {"issuer": issuer, "revoked_at": now}
    entry.update({"jti": jti} if jti is not None else {"sub": sub, "issued_before": now})
    with _alone_in(folder):
        _gather_public(folder)
        path = folder / REVOKED
        listed: list[Entry] = json.loads(path.read_bytes())["revoked"] if path.exists() else []
        oldest = now - LONGEST_LIFE_SECONDS - 2 * LEEWAY_SECONDS
        kept = [each for each in listed if _number(each, "revoked_at") > oldest]
        _write(path, json.dumps({"revoked": [*kept, entry]}, indent=1).encode(), mode=0o644)
        return sum(
            each["jti"] == jti or (each["sub"] == sub and _number(each, "iat") <= now)
            for each in _issued(folder)
            if each["iss"] == issuer and _number(each, "exp") > now
        )


@contextmanager
def _alone_in(folder: Path, *, make: bool = False) -> Iterator[None]:
    if not (make or folder.exists()):
        raise _no_key(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = _open(folder / ".lock", 0, mode=0o600)
    except OSError as error:
        raise TokenError(f"the folder {folder} cannot be written ({error.strerror}): give another by --keys") from error
    with lock as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _gather_public(folder: Path) -> None:
    # Readable by the services' users, whatever the mask of whoever runs this: mounted into containers, it is all they see.
    public = folder / PUBLIC
    if not public.exists():
        public.mkdir()
        public.chmod(0o755)
    for name in (KEY_SET, REVOKED):
        before = folder / Path(name).name
        if before.exists() and not (folder / name).exists():
            before.replace(folder / name)
            (folder / name).chmod(0o644)


def _open(path: Path, flags: int, *, mode: int) -> BinaryIO:
    # The mode at creation: a private file is never readable by others, not even for a moment.
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | flags, mode), "wb")


def _write(path: Path, content: bytes, *, mode: int) -> None:
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with _open(new, os.O_EXCL, mode=mode) as file:
        file.write(content)
        os.fchmod(file.fileno(), mode)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _new_key() -> jwk.ECKey:
    return jwk.ECKey.generate_key("P-256", auto_kid=True)


def parse_key(text: bytes) -> jwk.ECKey:
    """The private key in this text, which is in PEM form. Raises ValueError if it holds none."""
    return jwk.ECKey.import_key(text)


def _read_key(folder: Path) -> jwk.ECKey:
    try:
        key = parse_key((folder / KEY).read_bytes())
    except FileNotFoundError:
        raise _no_key(folder) from None
    except ValueError:
        raise TokenError(f"{folder / KEY} is not a private key in PEM form") from None
    key.ensure_kid()
    return key


def _no_key(folder: Path) -> TokenError:
    return TokenError(f"there is no key in {folder}: make one with `baton token keygen`")


def _public(key: jwk.ECKey) -> Entry:
    return {**key.as_dict(private=False), "kid": key.kid, "use": "sig", "alg": "ES256"}


def _read_public(folder: Path) -> list[Entry]:
    path = folder / KEY_SET
    return json.loads(path.read_bytes())["keys"] if path.exists() else []


def _write_public(folder: Path, keys: Sequence[Entry]) -> None:
    _write(folder / KEY_SET, json.dumps({"keys": list(keys)}, indent=1).encode(), mode=0o644)


def _issued(folder: Path) -> Iterator[Entry]:
    path = folder / ISSUED
    if path.exists():
        with path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def _latest_expiries(folder: Path) -> dict[str, float]:
    latest: dict[str, float] = {}
    for each in _issued(folder):
        kid = str(each["kid"])
        latest[kid] = max(_number(each, "exp"), latest.get(kid, 0.0))
    return latest


def _number(entry: Entry, name: str) -> float:
    value = entry.get(name)
    return float(value) if isinstance(value, int | float) else 0.0
