"""The way to the four services over HTTP: addresses, tokens, retries, problems.

Where they are: `BATON_URL_<SERVICE>` (and `BATON_TOKEN_<SERVICE>`) for any deployment, else a profile: a state folder with `profile.json`,
in which each service has its `url` and, where another issuer signs, a `token_file`; and with the keys that sign tokens, where Baton has
its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import httpx2

from baton import ISSUER, PROFILE, CommandError
from shared.ids import new_id

SERVICES = ("marketing", "handoff", "sales", "distribution")
LOCAL = Path(__file__).resolve().parents[1] / ".baton"
"""The state folder of this machine."""
TOKEN_SECONDS = 900
RENEW_SECONDS = 120
PASSING = frozenset({429, 502, 503, 504})
FIRST_WAIT, LONGEST_WAIT = 0.1, 5.0
LONGEST_RETRY_AFTER = 60.0

Answer = dict[str, Any]
"""A JSON object."""
Content = Mapping[str, object] | bytes
Parameters = Mapping[str, str | int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One field at fault, or one sentence about the whole: never the value itself."""

    code: str
    field: str
    message: str


class ApiError(CommandError):
    """A service refused: which, what it was asked, and its problem document."""

    def __init__(self, *, service: str, request: str, status: int, problem: Mapping[str, Any], retry_after: float | None = None) -> None:
        self.service = service
        self.request = request
        self.status = status
        self.faults = faults(problem)
        self.code = code_of(problem)
        self.retry_after = retry_after
        told = "; ".join(f"{fault.message} ({fault.code}{f' at {fault.field}' if fault.field else ''})" for fault in self.faults)
        super().__init__(f"{service} refused {request} with {status}: {told}")


class UnreachableError(CommandError):
    """A service did not answer, or was not able to, for as long as the caller was willing to wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where the services are and how to sign in: fixed tokens, or keys to sign short ones with."""

    addresses: Mapping[str, str]
    tokens: Mapping[str, str] = field(default_factory=dict)
    keys: Path | None = None
    issuer: str = ISSUER


def state_folder(option: Path | None = None) -> Path:
    """The state folder: the option, else BATON_STATE, else `.baton` in the project's folder."""
    named = option or os.environ.get("BATON_STATE")
    return Path(named).expanduser().resolve() if named else LOCAL


def find_site(state: Path | None = None, environ: Mapping[str, str] | None = None) -> Site:
    """The site that the environment names, completed by the profile of the state folder. CommandError if neither names any address."""
    environ = os.environ if environ is None else environ
    folder = state_folder(state)
    profile = read_profile(folder)
    addresses = _addresses(profile) | _named(environ, "BATON_URL_")
    if not addresses:
        raise CommandError(
            f"no services are known: there is no {folder / PROFILE}, and no BATON_URL_MARKETING and so on in the environment. "
            "Start them here with `make run`, or name where they are: baton --profile NAME, or --state FOLDER."
        )
    keys = folder / "keys"
    issuer = profile.get("issuer")
    return Site(
        addresses=addresses,
        tokens=_tokens(folder, profile) | _named(environ, "BATON_TOKEN_"),
        keys=keys if keys.is_dir() else None,
        issuer=issuer if isinstance(issuer, str) else ISSUER,
    )


def code_of(problem: Mapping[str, Any]) -> str:
    """The code of a problem document: its member `code`, else the last part of its `type`."""
    named = str(problem.get("code") or str(problem.get("type") or "").rstrip("/").rpartition("/")[2])
    return named.upper().replace("-", "_").replace(":", "_") or "REFUSED"


def faults(problem: Mapping[str, Any]) -> tuple[Fault, ...]:
    """What a problem document says is wrong, field by field; one fault without a field if it names none."""
    listed = problem.get("errors")
    found = tuple(
        Fault(code=str(each.get("code") or code_of(problem)), field=str(each.get("field") or ""), message=str(each.get("message") or ""))
        for each in (listed if isinstance(listed, list) else [])
        if isinstance(each, Mapping)
    )
    whole = Fault(code=code_of(problem), field="", message=str(problem.get("detail") or problem.get("title") or "no reason given"))
    return found or (whole,)


class Client:
    """One caller of the services, with a role per service; to be used as an async context manager.

    A command keeps its Idempotency-Key over all retries. Retried, with growing jittered waits and for at most `patience` seconds: no
    connection or a broken one, 429, 502, 503, 504, and 409 that carries Retry-After. Everything else that is not 2xx is an ApiError.
    Numbers with a fraction come back as Decimal.
    """

    def __init__(
        self,
        site: Site,
        *,
        roles: Mapping[str, Sequence[str]],
        subject: str,
        patience: float = 30.0,
        transport: httpx2.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.site = site
        self.patience = patience
        self._roles = roles
        self._subject = subject
        self._sleep = sleep
        self._clock = clock
        self._chance = chance
        self._tokens: dict[str, tuple[str, float]] = {}
        self._http = httpx2.AsyncClient(transport=transport, timeout=httpx2.Timeout(70.0, connect=5.0), trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._http.aclose()

    async def get(self, service: str, path: str, parameters: Parameters | None = None, *, patience: float | None = None) -> Answer:
        """The JSON object at that path; parameters that are None are left out."""
        return await self._ask("GET", service, path, parameters=parameters, patience=patience)

    async def pages(self, service: str, path: str, parameters: Parameters | None = None) -> AsyncIterator[dict[str, Any]]:
        """Every page of a list, following `next`."""
        asked: dict[str, str | int | None] = dict(parameters or {})
        while True:
            page = await self.get(service, path, asked)
            yield page
            if not page.get("next"):
                return
            asked["cursor"] = page["next"]

    async def put(
        self, service: str, path: str, content: Content, *, if_match: int | str | None = None, patience: float | None = None
    ) -> dict[str, Any]:
        """Store what is at that path."""
        return await self._ask("PUT", service, path, content=content, headers=_if_match(if_match), patience=patience)

    async def post(
        self,
        service: str,
        path: str,
        content: Content,
        *,
        key: UUID | None = None,
        if_match: int | str | None = None,
        patience: float | None = None,
    ) -> dict[str, Any]:
        """One command. `key` is its Idempotency-Key, a new one if none is given; `if_match` the version it is meant for."""
        headers = {"Idempotency-Key": str(key or new_id())} | _if_match(if_match)
        return await self._ask("POST", service, path, content=content, headers=headers, patience=patience)

    async def _ask(self, method: str, service: str, path: str, *, patience: float | None = None, **parts: Any) -> dict[str, Any]:
        until = self._clock() + (self.patience if patience is None else patience)
        attempt = 0
        while True:
            try:
                return await self._try(method, service, path, **parts)
            except (ApiError, UnreachableError) as error:
                wait = self._wait(attempt, error)
                if wait is None or self._clock() + wait > until:
                    raise
            await self._sleep(wait)
            attempt += 1

    async def _try(
        self,
        method: str,
        service: str,
        path: str,
        *,
        parameters: Parameters | None = None,
        content: Content | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        address = self._address(service) + path
        asked = f"{method} {path}"
        body = content if isinstance(content, bytes | None) else json.dumps(content, default=str).encode()
        given = {name: value for name, value in (parameters or {}).items() if value is not None}
        for fresh in (False, True):
            signed = {"Content-Type": "application/json", **(headers or {}), **self._authorization(service, fresh=fresh)}
            try:
                answer = await self._http.request(method, address, params=given, content=body, headers=signed)
            except (httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
                raise CommandError(f"the address of {service} cannot be used: {address}: {error}") from error
            except httpx2.TransportError as error:
                trouble = f"{type(error).__name__}: {error}".rstrip(": ")
                raise UnreachableError(
                    f"{service} does not answer at {self._address(service)} ({trouble}): `baton status` shows what runs"
                ) from error
            if answer.is_success:
                return _object(answer, service, asked)
            if answer.status_code != 401 or service in self.site.tokens:
                break
        raise _refusal(answer, service, asked)

    def _wait(self, attempt: int, error: ApiError | UnreachableError) -> float | None:
        asked = error.retry_after if isinstance(error, ApiError) else None
        if isinstance(error, ApiError) and error.status not in PASSING and not (error.status == 409 and asked is not None):
            return None
        # Jitter, so that callers that failed together do not come back together.
        grown = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempt, 16)) * (0.5 + self._chance() / 2)
        return grown if asked is None else min(asked, LONGEST_RETRY_AFTER) + self._chance() * FIRST_WAIT

    def _address(self, service: str) -> str:
        try:
            return self.site.addresses[service].rstrip("/")
        except KeyError:
            raise CommandError(f"the address of {service} is not known: set BATON_URL_{service.upper()}") from None

    def _authorization(self, service: str, *, fresh: bool) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.site.tokens.get(service) or self._signed(service, fresh=fresh)}"}

    def _signed(self, service: str, *, fresh: bool) -> str:
        from baton.ops import tokens

        token, good_until = self._tokens.get(service, ("", 0.0))
        if fresh or not token or good_until < self._clock() + RENEW_SECONDS:
            if self.site.keys is None:
                raise CommandError(
                    f"no token for {service}: set BATON_TOKEN_{service.upper()}, or start the services here, which makes keys"
                )
            roles = self._roles.get(service, ())
            try:
                token = tokens.issue(
                    self.site.keys, issuer=self.site.issuer, roles=roles, sub=self._subject, aud=service, ttl_seconds=TOKEN_SECONDS
                )
            except OSError as trouble:
                raise CommandError(f"no token for {service}: {trouble}") from trouble
            self._tokens[service] = (token, self._clock() + TOKEN_SECONDS)
        return token


def read_profile(folder: Path) -> dict[str, Any]:
    """What `profile.json` of a state folder says; nothing if there is none. CommandError if it cannot be read."""
    file = folder / PROFILE
    try:
        profile = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise CommandError(f"{file} cannot be read: {error}") from error
    return profile if isinstance(profile, dict) else {}


def _addresses(profile: Mapping[str, Any]) -> dict[str, str]:
    listed = profile.get("services")
    found: dict[str, str] = {}
    for name, where in (listed if isinstance(listed, Mapping) else {}).items():
        address = where.get("url") if isinstance(where, Mapping) else where
        if isinstance(address, str):
            found[str(name)] = address
    return found


def _tokens(folder: Path, profile: Mapping[str, Any]) -> dict[str, str]:
    """The fixed tokens that a profile names by file, relative to its folder."""
    found: dict[str, str] = {}
    for name, where in dict(profile.get("services") or {}).items():
        if isinstance(where, Mapping) and isinstance(named := where.get("token_file"), str):
            try:
                found[str(name)] = (folder / named).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise CommandError(f"the token of {name} cannot be read from {folder / named}: {error}") from error
    return found


def _named(environ: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name: environ[prefix + name.upper()] for name in SERVICES if environ.get(prefix + name.upper())}


def _if_match(version: int | str | None) -> dict[str, str]:
    if version is None:
        return {}
    return {"If-Match": version if isinstance(version, str) else f'"v{version}"'}


def _object(answer: httpx2.Response, service: str, asked: str) -> dict[str, Any]:
    if not answer.content:
        return {}
    try:
        # Decimal, so that a figure is shown as it was sent.
        content = json.loads(answer.content, parse_float=Decimal)
    except ValueError as error:
        raise CommandError(f"{service} answered {asked} with {answer.status_code} and something that is not JSON") from error
    return content if isinstance(content, dict) else {"items": content}


def _refusal(answer: httpx2.Response, service: str, asked: str) -> ApiError:
    try:
        problem = json.loads(answer.content)
    except ValueError:
        problem = {}
    named = problem if isinstance(problem, dict) and problem else {"code": f"HTTP_{answer.status_code}", "detail": answer.reason_phrase}
    return ApiError(
        service=service, request=asked, status=answer.status_code, problem=named, retry_after=_seconds(answer.headers.get("Retry-After"))
    )


def _seconds(header: str | None) -> float | None:
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        # An HTTP date is allowed too; whoever sends one wants us to come back, and a second is a fair guess.
        return 1.0
