"""The list of tokens and subjects that an operator has withdrawn before their time, read from a file whenever it changes."""

from __future__ import annotations

from pathlib import Path

import pydantic
import structlog

from shared.auth.failures import Misconfigured

log = structlog.get_logger(__name__)


class Revocation(pydantic.BaseModel):
    """One token (`jti`), or all of a subject's tokens issued up to `issued_before` (seconds since 1970, UTC)."""

    model_config = pydantic.ConfigDict(frozen=True)

    issuer: str
    jti: str | None = None
    sub: str | None = None
    issued_before: float | None = None

    @pydantic.model_validator(mode="after")
    def _names_one(self) -> Revocation:
        if (self.jti is None) == (self.sub is None) or (self.sub is None) != (self.issued_before is None):
            raise ValueError("names a jti, or a sub with issued_before")
        return self


class _Revoked(pydantic.BaseModel):
    revoked: list[Revocation]


class Revocations:
    """What the file says. A file that is not there revokes nothing, as long as none has been there.

    A file that is bad at construction raises Misconfigured. One that turns bad or vanishes later is reported
    in the log, and what it said before stays in force.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._seen: tuple[int, ...] | None = None
        self._tokens: frozenset[tuple[str, str]] = frozenset()
        self._subjects: dict[tuple[str, str], float] = {}
        try:
            self._take_changes()
        except (ValueError, OSError):
            raise Misconfigured(f"BATON_REVOKED_FILE: {path} is not a readable revocation list") from None

    def covers(self, *, issuer: str, token_id: str, subject: str, issued_at: float) -> bool:
        """Whether the token is revoked, by its own id or by its subject and time of issue."""
        try:
            self._take_changes()
        except (ValueError, OSError) as error:
            log.error("revocation_list_refused", path=str(self._path), reason=type(error).__name__)
        return (issuer, token_id) in self._tokens or issued_at <= self._subjects.get((issuer, subject), -1.0)

    def _take_changes(self) -> None:
        if self._path is None:
            return
        try:
            status = self._path.stat()
        except FileNotFoundError:
            if self._seen is None:
                return
            raise
        seen = (status.st_ino, status.st_size, status.st_mtime_ns)
        if seen == self._seen:
            return
        entries = _Revoked.model_validate_json(self._path.read_bytes()).revoked
        subjects: dict[tuple[str, str], float] = {}
        for entry in entries:
            if entry.sub is not None and entry.issued_before is not None:
                who = (entry.issuer, entry.sub)
                subjects[who] = max(entry.issued_before, subjects.get(who, 0.0))
        self._tokens = frozenset((entry.issuer, entry.jti) for entry in entries if entry.jti is not None)
        self._subjects = subjects
        self._seen = seen
