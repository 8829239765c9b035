"""What is in an image, told by the engine, and commands in it without any right."""

from __future__ import annotations

import json
import struct
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any, cast

from tests import compose
from tests.stack import PROJECT

PYC_HEADER = 16
USER = 10001
PACKAGES = PurePosixPath("/opt/baton/lib/python3.13/site-packages")
CODE = PurePosixPath("/baton")
BUILDERS = frozenset({"gcc", "cc", "g++", "c++", "cpp", "as", "ld", "make", "cmake", "strip", "objdump", "java"})
FETCHERS = frozenset({"pip", "pip3", "uv", "git", "curl", "wget", "ssh", "docker"})
TESTERS = frozenset({"pytest", "ruff", "basedpyright", "psql", "baton"})
PACKAGES_FOR_US = frozenset({"pip", "setuptools", "wheel", "pytest", "hypothesis", "testcontainers", "typer", "rich"})
OF_A_CLONE = frozenset({".git", ".env", ".dockerignore", "Dockerfile", "docker-compose.yml", "Makefile", "pyproject.toml", ".baton"})
KINDS = frozenset({".py", ".yaml"})
SHARED_FOLDERS = frozenset(PurePosixPath("/", path) for path in ("tmp", "var/tmp", "run/lock", "dev/shm"))
"""Open to all in every Debian, with the sticky bit, and read-only when the image runs."""
WITHOUT_RIGHTS = ("--read-only", "--user", str(USER), "--cap-drop", "ALL", "--network", "none", "--security-opt", "no-new-privileges")


Contents = Mapping[PurePosixPath, "Entry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file, folder or link of an image. `changed` in seconds since 1970; `head` are a compiled file's first bytes."""

    mode: int
    owner: int
    size: int
    changed: int
    kind: str
    head: bytes = b""


def contents(image: str) -> dict[PurePosixPath, Entry]:
    """Everything in the image by its path, seen from outside, whatever its rights are."""
    container = compose.docker("create", image).strip()
    try:
        with subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE) as export:
            assert export.stdout is not None
            with tarfile.open(fileobj=cast("IO[bytes]", export.stdout), mode="r|") as archive:
                found = {PurePosixPath("/", member.name): _entry(archive, member) for member in archive}
        assert export.returncode == 0
    finally:
        compose.docker("rm", container)
    assert len(found) > 1000
    return found


def described(image: str) -> dict[str, Any]:
    """What the engine knows about an image."""
    return json.loads(compose.docker("image", "inspect", image))[0]


def run(image: str, *command: str, options: tuple[str, ...] = WITHOUT_RIGHTS) -> subprocess.CompletedProcess[str]:
    """A command in a new container, which may fail; without options it may do nothing but compute."""
    return subprocess.run(
        ["docker", "run", "--rm", "--init", *options, image, *command],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def expected(service: str) -> set[PurePosixPath]:
    """The code that the image of a service must hold, by its path inside."""
    folders = (PROJECT / "shared", PROJECT / "services" / service)
    sources = [path.relative_to(PROJECT) for folder in folders for path in folder.rglob("*") if path.suffix in KINDS]
    assert len(sources) > 50
    return {CODE / path for path in sources} | {CODE / "services" / "__init__.py"}


def strays(contents: Contents, service: str) -> set[PurePosixPath]:
    """What lies there though it belongs to another service, to the tests or to the clone; and what is missing."""
    sources = {path for path, entry in contents.items() if CODE in path.parents and entry.kind == "file" and path.suffix != ".pyc"}
    return (sources ^ expected(service)) | {path for path in contents if path.name in OF_A_CLONE}


def tools(contents: Contents) -> set[PurePosixPath]:
    """Programs and packages to build, to fetch or to test."""
    programs = {path for path in contents if path.parent.name in {"bin", "sbin"} and path.name in BUILDERS | FETCHERS | TESTERS}
    return programs | {path for path in contents if path.parent.name.endswith("-packages") and path.name in PACKAGES_FOR_US}


def rights(contents: Contents) -> set[PurePosixPath]:
    """What raises rights, what the user of the image or everybody may change, and code that this user cannot read."""
    raising = {path for path, entry in contents.items() if entry.kind == "file" and entry.mode & 0o6000}
    owned = {path for path, entry in contents.items() if entry.owner == USER}
    open_to_all = {path for path, entry in contents.items() if entry.kind in {"file", "folder"} and entry.mode & 0o002}
    unreadable = {path for path, entry in contents.items() if CODE in path.parents and not entry.mode & 0o004}
    return raising | owned | (open_to_all - SHARED_FOLDERS) | unreadable


def uncompiled(contents: Contents) -> set[PurePosixPath]:
    """Sources without a compiled form that belongs to them: Python would compile them at every start."""
    sources = {path: entry for path, entry in contents.items() if path.suffix == ".py" and {CODE, PACKAGES} & set(path.parents)}
    assert len(sources) > 1000
    return {path for path, entry in sources.items() if not _is_compiled(contents, path, entry)}


def _is_compiled(contents: Contents, path: PurePosixPath, entry: Entry) -> bool:
    compiled = contents.get(path.parent / "__pycache__" / f"{path.stem}.cpython-313.pyc")
    return compiled is not None and struct.unpack("<III", compiled.head[4:16]) == (0, entry.changed, entry.size)


def _entry(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    kind = "file" if member.isfile() else "folder" if member.isdir() else "link" if member.issym() or member.islnk() else "other"
    head = b""
    if kind == "file" and member.name.endswith(".pyc"):
        content = archive.extractfile(member)
        head = content.read(PYC_HEADER) if content is not None else b""
    return Entry(mode=member.mode, owner=member.uid, size=member.size, changed=int(member.mtime), kind=kind, head=head)
