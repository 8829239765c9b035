"""What a deployment in containers needs before its first start: settings, passwords, keys, and a profile for `baton`.

The env file holds what is not secret and may be edited; the home folder that it names holds `secrets/` (one value a file), `keys/` and
`profile.json`. What exists is kept: running this again changes nothing, and a missing piece is made anew.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from baton import ISSUER, PROFILE, CommandError
from baton.local import state
from baton.ops import tokens

GROUP = "BATON_SECRETS_GROUP"
SERVICE_GROUP = 10001
"""The group of the user that the images run as."""

DEFAULTS: Final = {
    "COMPOSE_PROJECT_NAME": "baton",
    "BATON_HOME": ".baton-compose",
    "BATON_VERSION": "local",
    "BATON_PORT_MARKETING": "8001",
    "BATON_PORT_HANDOFF": "8002",
    "BATON_PORT_SALES": "8003",
    "BATON_PORT_DISTRIBUTION": "8004",
    "BATON_PORT_KAFKA": "29092",
}
_LINE = re.compile(r"\s*(?:export\s+)?([A-Z_][A-Z0-9_]*)\s*=\s*(.*?)\s*")


class DeploymentError(CommandError):
    """The env file or the home folder cannot be what a deployment needs; `str()` says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What there is now: the settings in force, the home folder, and the files that were missing before."""

    settings: Mapping[str, str]
    home: Path
    new: tuple[Path, ...]


def make(env: Path) -> Made:
    """A complete env file and home folder. Raises DeploymentError, and never overwrites a secret that is there.

    As docker compose has it, an empty value is the default and a relative home lies in the project.
    """
    settings = _settings(env)
    home = (state.project() / settings["BATON_HOME"]).resolve()
    group = _group(settings)
    new: list[Path] = []
    try:
        for folder in (home, home / "secrets"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone_in(home):
            for name in ("postgres_password", *(f"{service}_database_password" for service in state.SERVICES)):
                new += _secret(home / "secrets" / name, group)
            for service in state.SERVICES:
                new += _secret(home / "secrets" / f"{service}_cursor_secret", group)
            new += [] if (home / "keys" / tokens.KEY).exists() else [home / "keys" / tokens.KEY]
            tokens.keygen(home / "keys")
            _write(home / PROFILE, json.dumps(_profile(settings, home / PROFILE, env), indent=1), 0o644)
    except OSError as error:
        raise DeploymentError(
            f"{error.filename or home} cannot be written ({error.strerror}): BATON_HOME in {env} names the folder"
        ) from error
    return Made(settings=settings, home=home, new=tuple(new))


@contextmanager
def _alone_in(home: Path) -> Iterator[None]:
    # Two at once would each make a password, and the database would get the one that is not kept.
    with os.fdopen(os.open(home / ".lock", os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _settings(env: Path) -> dict[str, str]:
    """The settings in force; a file that is missing is written, with the group of the secrets in it."""
    if not env.exists():
        _write_settings(env)
    try:
        lines = env.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DeploymentError(f"{env} cannot be read as settings ({getattr(error, 'strerror', 'it is not UTF-8 text')})") from error
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            setting = _LINE.fullmatch(line)
            if setting is None:
                raise DeploymentError(f"{env}, line {number} is not NAME=VALUE")
            found[setting[1]] = setting[2].strip("\"'")
    settings = {**DEFAULTS, **{name: value for name, value in found.items() if value}}
    _require_ports(env, {name: value for name, value in settings.items() if name in DEFAULTS and "_PORT_" in name})
    if settings["BATON_HOME"].startswith("~"):
        raise DeploymentError(f"BATON_HOME in {env} must be written out, without `~`")
    return settings


def _write_settings(env: Path) -> None:
    given = {name: os.environ.get(name, value) for name, value in DEFAULTS.items()}
    given[GROUP] = os.environ.get(GROUP) or str(SERVICE_GROUP if os.geteuid() == 0 else os.getegid())
    text = "".join(f"{name}={value}\n" for name, value in given.items())
    draft = env.with_name(f".{env.name}.{os.getpid()}")
    try:
        _write(draft, f"# Settings of the deployment in containers; none of them is secret.\n{text}", 0o644)
        with suppress(FileExistsError):  # somebody else was faster
            os.link(draft, env)
        draft.unlink()
    except OSError as error:
        raise DeploymentError(f"{env} cannot be written: {error.strerror}") from error


def _require_ports(env: Path, ports: Mapping[str, str]) -> None:
    names: dict[int, str] = {}
    for name, port in ports.items():
        if not (port.isascii() and port.isdecimal()) or not 0 < int(port) < 65_536:
            raise DeploymentError(f"{name} in {env} must be a number from 1 to 65535, not `{port}`")
        if (other := names.setdefault(int(port), name)) != name:
            raise DeploymentError(f"{other} and {name} in {env} are both {port}: each needs a port of its own")


def _group(settings: Mapping[str, str]) -> int:
    named = settings.get(GROUP, str(SERVICE_GROUP))
    if not (named.isascii() and named.isdecimal()):
        raise DeploymentError(f"{GROUP} is the number of a group, not `{named}`")
    own = {os.getegid(), *os.getgroups()}
    if os.geteuid() != 0 and int(named) not in own:
        raise DeploymentError(f"{GROUP} is {named}, and only root may give files to a group that is not one of its own ({sorted(own)})")
    return int(named)


def _secret(file: Path, group: int) -> list[Path]:
    """The file, if it had to be made. Whoever runs this owns it, and the containers' group may read it: nobody else."""
    if file.exists():
        return []
    _write(file, secrets.token_hex(24), 0o440, group)
    return [file]


def _write(file: Path, text: str, mode: int, group: int = -1) -> None:
    draft = file.with_name(f".{file.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as handle:
        handle.write(text)
        os.fchown(handle.fileno(), -1, group)
        os.fchmod(handle.fileno(), mode)
        handle.flush()
        os.fsync(handle.fileno())
    draft.replace(file)


def _profile(settings: Mapping[str, str], file: Path, env: Path) -> dict[str, object]:
    """Where everything is now; what else somebody wrote into the file, as a token's place, stays."""
    services = {name: {"url": f"http://127.0.0.1:{settings[f'BATON_PORT_{name.upper()}']}"} for name in state.SERVICES}
    try:
        before = json.loads(file.read_bytes())
        services = {name: {**before["services"][name], **service} for name, service in services.items()}
    except (OSError, ValueError, KeyError, TypeError):
        before = {}
    return {
        **before,
        "services": services,
        "kafka": f"127.0.0.1:{settings['BATON_PORT_KAFKA']}",
        "issuer": ISSUER,
        "containers": settings["COMPOSE_PROJECT_NAME"],
        "settings": str(env),
    }
