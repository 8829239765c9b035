"""Where everything is that is driven, watched and read, as a JSON file tells it; and the tokens to be let in."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joserfc import jwk, jwt

from tests.chaos.checker.evidence import SERVICES

ROLES: Mapping[str, Sequence[str]] = {
    "marketing": ("importer",),
    "handoff": ("rules_editor",),
    "sales": ("importer",),
    "distribution": ("importer",),
}
TOKEN_SECONDS = 900.0
RENEW_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Addresses of one service: of its replicas for clients, and of the ports on which processes tell how they are."""

    urls: tuple[str, ...]
    internal: tuple[str, ...]
    spare: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """One installation of Baton."""

    services: Mapping[str, Service]
    databases: Mapping[str, str]
    kafka: str
    topic_prefix: str
    key_file: Path
    issuer: str
    logs: tuple[Path, ...] = ()
    secrets: tuple[str, ...] = ()


def read(file: Path) -> Targets:
    """The targets that a file names. KeyError for what it lacks."""
    told = json.loads(file.read_bytes())
    return Targets(
        services={name: _service(told["services"][name]) for name in SERVICES},
        databases={name: told["databases"][name] for name in SERVICES},
        kafka=told["kafka"],
        topic_prefix=told.get("topic_prefix", ""),
        key_file=Path(told["tokens"]["key_file"]),
        issuer=told["tokens"]["issuer"],
        logs=tuple(Path(log) for log in told.get("logs", ())),
        secrets=tuple(told.get("secrets", ())),
    )


@dataclass(slots=True, kw_only=True)
class Signer:
    """Signs short tokens for callers, by caller and service, and renews them. `issued`: all of them, as secrets."""

    targets: Targets
    issued: list[str] = field(default_factory=list)
    _held: dict[tuple[str, str, tuple[str, ...]], tuple[str, float]] = field(default_factory=dict)
    _key: jwk.ECKey | None = None

    def token(self, subject: str, service: str, roles: Sequence[str] = ()) -> str:
        """A token that lives for some minutes yet."""
        asked = (subject, service, tuple(roles or ROLES[service]))
        held, until = self._held.get(asked, ("", 0.0))
        if time.time() > until - RENEW_SECONDS:
            held, until = self._sign(*asked), time.time() + TOKEN_SECONDS
            self._held[asked] = (held, until)
            self.issued.append(held)
        return held

    def _sign(self, subject: str, service: str, roles: Sequence[str]) -> str:
        if self._key is None:
            self._key = jwk.ECKey.import_key(self.targets.key_file.read_bytes())
            self._key.ensure_kid()
        now = time.time()
        claims = {
            "iss": self.targets.issuer,
            "sub": subject,
            "aud": service,
            "iat": now,
            "exp": now + TOKEN_SECONDS,
            "jti": secrets.token_urlsafe(16),
            "roles": list(roles),
        }
        return jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": self._key.kid}, claims, self._key, algorithms=["ES256"])


def _service(told: Mapping[str, Any]) -> Service:
    return Service(urls=_many(told["url"]), internal=_many(told["internal_url"]), spare=_many(told.get("spare_internal_url", ())))


def _many(told: str | Sequence[str]) -> tuple[str, ...]:
    return (told.rstrip("/"),) if isinstance(told, str) else tuple(each.rstrip("/") for each in told)
