"""Files that hold one secret each, as containers get them: where they lie, and which of them are not fit to be read."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from pathlib import Path

DEFAULT_FOLDER = "/run/secrets"
OPEN_TO_ALL = 0o006


def folder() -> Path:
    """Where the files lie: BATON_SECRETS, else /run/secrets."""
    return Path(os.environ.get("BATON_SECRETS") or DEFAULT_FOLDER)


def refusals(where: Path, names: Collection[str]) -> list[str]:
    """What is wrong with the files of those names, each with its remedy and without its content; files of other names are not looked at.

    A folder that is not there is a fault only if BATON_SECRETS asks for it.
    """
    try:
        found = sorted(path for path in where.iterdir() if path.name.lower() in names)
    except FileNotFoundError:
        asked = bool(os.environ.get("BATON_SECRETS"))
        return [f"BATON_SECRETS: there is no folder {where}: make it, or name the one that holds the secrets"] if asked else []
    except OSError as error:
        return [f"BATON_SECRETS: the folder {where} cannot be read ({error.strerror}) by {_reader()}"]
    return [f"{path} {fault}" for path in found if (fault := _fault(path))]


def _fault(path: Path) -> str | None:
    if path.is_dir():
        return (
            "is a folder, which Docker makes where a file to be mounted is missing: remove it, put the file there, make the container anew"
        )
    if not path.is_file():
        return "is not a file that can be read: put the secret itself there"
    if not path.resolve().is_relative_to(path.parent.resolve()):
        return f"leads out of its folder to {path.resolve()}: put the secret itself there"
    status = path.stat()
    mode = stat.S_IMODE(status.st_mode)
    if mode & OPEN_TO_ALL:
        return f"is open to everybody (mode {mode:04o}): give it mode 0440 and a group of {_reader()}"
    try:
        content = path.read_bytes()
    except OSError as error:
        of_whom = f"it belongs to user {status.st_uid} and group {status.st_gid} with mode {mode:04o}"
        return f"cannot be read ({error.strerror}) by {_reader()}, {of_whom}: give it one of those groups and mode 0440"
    return _fault_of_content(content)


def _fault_of_content(content: bytes) -> str | None:
    try:
        text = content.decode().rstrip("\n")
    except UnicodeDecodeError:
        return "is not UTF-8 text: write the secret anew, as one line"
    if not text:
        return "is empty: put the secret into it, as one line"
    if text != text.strip() or not text.isprintable():
        return "holds more than one line, or blanks around the secret: write it anew, as one line"
    return None


def _reader() -> str:
    groups = sorted({os.getegid(), *os.getgroups()})
    return f"user {os.geteuid()} (in groups {', '.join(map(str, groups))})"
