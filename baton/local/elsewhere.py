"""A profile of services elsewhere, as in containers: what can be seen of them from here. Starting and stopping them is another's."""

import http.client
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

from baton import client
from baton.local.errors import LocalError

SECONDS = 5
ANY_ANSWER_PATH = "/openapi.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A service as its callers see it. `state`: answers, or why not."""

    name: str
    ready: bool
    state: str
    url: str


def project(folder: Path) -> str | None:
    """The compose project that the profile in this folder is of, if it is of one."""
    named = client.read_profile(folder).get("containers")
    return named if isinstance(named, str) else None


def is_elsewhere(folder: Path) -> bool:
    """Whether the folder holds a profile of services that do not run as processes of `baton up`, which notes its databases."""
    profile = client.read_profile(folder)
    return "services" in profile and "postgres" not in profile


def refuse(folder: Path, instead: str) -> None:
    """Raises LocalError, naming what to run instead, if what the folder is of is not started and stopped from here."""
    if project(folder):
        raise LocalError(f"{folder} is of services in containers, which Docker starts and stops: {instead}")
    if is_elsewhere(folder):
        raise LocalError(f"{folder} names services of another place: they are not started and stopped from here")


def inspect(folder: Path) -> list[Part]:
    """Whether each service of the profile answers."""
    return [_inspect(name, address) for name, address in client.find_site(folder).addresses.items()]


def _inspect(name: str, address: str) -> Part:
    where = urllib.parse.urlsplit(address)
    kind = http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
    try:
        connection = kind(where.hostname or "", where.port, timeout=SECONDS)
    except ValueError as error:
        return Part(name=name, ready=False, state=f"not an address ({error})", url=address)
    try:
        connection.request("GET", where.path + ANY_ANSWER_PATH)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return Part(name=name, ready=False, state=f"no answer ({type(error).__name__})", url=address)
    finally:
        connection.close()
    answers = status < http.client.INTERNAL_SERVER_ERROR
    return Part(name=name, ready=answers, state="answers" if answers else f"answers with {status}", url=address)
