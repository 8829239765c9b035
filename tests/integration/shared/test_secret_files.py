"""Secrets from files: what is taken, what is refused, and that each refusal names the file and the remedy but never the content."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from baton.local.servers import Servers
from shared.db.transaction import Database
from shared.runtime import secret_files, settings
from tests.integration.shared.processes import Process, Site

NAMES = {f"baton_{field}" for field in settings.Settings.model_fields}
CONTENT = b"what nobody may read in a log, ever"
ME = f"user {os.geteuid()} (in groups {', '.join(map(str, sorted({os.getegid(), *os.getgroups()})))})"
FOLDER_FAULT = (
    "is a folder, which Docker makes where a file to be mounted is missing: remove it, put the file there, make the container anew"
)
LINES_FAULT = "holds more than one line, or blanks around the secret: write it anew, as one line"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the secrets, named by BATON_SECRETS."""
    where = tmp_path / "secrets"
    where.mkdir()
    monkeypatch.setenv("BATON_SECRETS", str(where))
    return where


@pytest.fixture
def site(alone: Database, servers: Servers, keys: Path, tmp_path: Path, prefix: str) -> Site:
    return Site(servers, alone.engine.url.render_as_string(hide_password=False), keys, tmp_path, prefix)


def put(folder: Path, name: str, content: bytes = CONTENT, mode: int = 0o440) -> Path:
    file = folder / name
    file.write_bytes(content)
    file.chmod(mode)
    return file


def without_password(site: Site) -> tuple[str, bytes]:
    url = make_url(site.database_url)
    return url._replace(password=None).render_as_string(), str(url.password).encode()


def reasons(process: Process) -> list[str]:
    """The reasons that it gave, in a log that holds nothing else and no secret."""
    written = process.log.read_text()
    assert CONTENT.decode() not in written
    assert [line["event"] for line in process.lines()] == ["misconfigured"] * len(written.splitlines())
    return [line["reason"] for line in process.lines()]


@contextmanager
def somebody_else() -> Iterator[None]:
    """Root reads everything; nobody does not."""
    mine = os.geteuid()
    if mine == 0:
        os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(mine)


@pytest.mark.parametrize("content", [CONTENT, CONTENT + b"\n"])
def test_a_sound_file_is_taken_without_the_end_of_its_line(folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    for name, value in (("DATABASE_URL", "postgresql+asyncpg://sales@h/sales"), ("KAFKA", "h:9092")):
        monkeypatch.setenv(f"BATON_{name}", value)
    monkeypatch.setenv("BATON_ISSUERS", '[{"issuer": "https://id.example", "jwks": "keys.json", "algorithms": ["ES256"]}]')
    put(folder, "baton_database_password", content)
    put(folder, "baton_cursor_secret", content)
    put(folder, "another", b"", mode=0o666)  # not ours
    given = settings.read()
    assert given.database.password == given.cursor_secret.get_secret_value() == CONTENT.decode()
    monkeypatch.setenv("BATON_CURSOR_SECRET", "the environment counts where both give one")
    assert settings.read().cursor_secret.get_secret_value() == "the environment counts where both give one"


@pytest.mark.parametrize(
    ("content", "mode", "fault"),
    [
        (b"", 0o440, "is empty: put the secret into it, as one line"),
        (b"\n\n", 0o440, "is empty: put the secret into it, as one line"),
        (b"\xff\xfe" + CONTENT, 0o440, "is not UTF-8 text: write the secret anew, as one line"),
        (CONTENT + b"\r\n", 0o440, LINES_FAULT),
        (CONTENT + b"\n" + CONTENT, 0o440, LINES_FAULT),
        (b" " + CONTENT, 0o440, LINES_FAULT),
        (CONTENT, 0o444, f"is open to everybody (mode 0444): give it mode 0440 and a group of {ME}"),
        (CONTENT, 0o602, f"is open to everybody (mode 0602): give it mode 0440 and a group of {ME}"),
    ],
)
def test_an_unsound_file_is_refused_with_its_remedy(folder: Path, content: bytes, mode: int, fault: str) -> None:
    file = put(folder, "baton_cursor_secret", content, mode)
    assert secret_files.refusals(folder, NAMES) == [f"{file} {fault}"]


def test_what_is_no_file_is_refused(folder: Path) -> None:
    (folder / "baton_cursor_secret").mkdir()
    (folder / "baton_database_password").symlink_to(folder / "gone")
    outside = put(folder.parent, "outside")
    (folder / "baton_database_url").symlink_to(outside)
    (folder / "baton_kafka").symlink_to(put(folder, "inside", b"h:9092"))
    assert secret_files.refusals(folder, NAMES) == [
        f"{folder}/baton_cursor_secret {FOLDER_FAULT}",
        f"{folder}/baton_database_password is not a file that can be read: put the secret itself there",
        f"{folder}/baton_database_url leads out of its folder to {outside}: put the secret itself there",
    ]


def test_a_file_of_somebody_else_is_refused_naming_both() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        file = put(folder, "baton_cursor_secret", mode=0o400 if os.geteuid() == 0 else 0o000)
        mode, owner = f"{file.stat().st_mode & 0o777:04o}", f"user {os.getuid()} and group {file.stat().st_gid}"
        with somebody_else():
            me = ME.replace(f"user {os.getuid()}", f"user {os.geteuid()}")
            found = secret_files.refusals(folder, NAMES)
        of_whom = f"it belongs to {owner} with mode {mode}"
        assert found == [f"{file} cannot be read (Permission denied) by {me}, {of_whom}: give it one of those groups and mode 0440"]
        folder.chmod(0o700 if os.geteuid() == 0 else 0o000)
        with somebody_else():
            closed = secret_files.refusals(folder, NAMES)
        folder.chmod(0o700)
        assert closed == [f"BATON_SECRETS: the folder {folder} cannot be read (Permission denied) by {me}"]


def test_a_folder_that_is_missing_is_a_fault_if_it_was_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.rmdir()
    wanted = f"BATON_SECRETS: there is no folder {folder}: make it, or name the one that holds the secrets"
    assert secret_files.refusals(folder, NAMES) == [wanted]
    monkeypatch.delenv("BATON_SECRETS")
    assert secret_files.refusals(folder, NAMES) == []
    assert secret_files.folder() == Path("/run/secrets")


async def test_a_role_runs_on_secrets_from_files(site: Site, folder: Path) -> None:
    url, password = without_password(site)
    files = {"baton_database_password": password + b"\n", "baton_cursor_secret": CONTENT}
    for name, content in files.items():
        put(folder, name, content)
    async with site.role("api", BATON_ENV="production", BATON_DATABASE_URL=url, BATON_CURSOR_SECRET=None) as api:
        assert (await api.terminate())[0] == 0
        assert not any(secret.decode().strip() in api.log.read_text() for secret in files.values())


async def test_every_unsound_secret_ends_the_process_with_a_line_of_its_own(site: Site, folder: Path) -> None:
    url, _ = without_password(site)
    missing = await site.launch("migrate", BATON_DATABASE_URL=url, BATON_CURSOR_SECRET=None)
    assert await missing.ended(40) == 78
    assert reasons(missing) == [
        f"BATON_{name.upper()}: not set, and there is no file {folder}/baton_{name}: give one of the two"
        for name in ("database_password", "cursor_secret")
    ]
    (folder / "baton_database_password").mkdir()
    empty = put(folder, "baton_cursor_secret", b"\n")
    unsound = await asyncio.gather(*(site.launch(what, BATON_DATABASE_URL=url, BATON_CURSOR_SECRET=None) for what in ("migrate", "api")))
    assert [await process.ended(40) for process in unsound] == [78, 78]
    wanted = [f"{empty} is empty: put the secret into it, as one line", f"{folder}/baton_database_password {FOLDER_FAULT}"]
    assert [reasons(process) for process in unsound] == [wanted, wanted]


async def test_a_short_secret_is_named_by_where_it_stands(site: Site, folder: Path) -> None:
    url, _ = without_password(site)
    put(folder, "baton_database_password", b"fifteen letters")
    put(folder, "baton_cursor_secret", b"c" * 31)
    from_files, from_variables = await asyncio.gather(
        site.launch("worker", BATON_DATABASE_URL=url, BATON_CURSOR_SECRET=None),
        site.launch("worker", BATON_DATABASE_URL=url, BATON_DATABASE_PASSWORD="fifteen letters", BATON_CURSOR_SECRET="short"),
    )
    assert [await process.ended(40) for process in (from_files, from_variables)] == [78, 78]
    faults = [
        "the password of the database has at least 16 characters: choose another, for its role too",
        "at least 32 characters, chosen by chance",
    ]
    names = ("database_password", "cursor_secret")
    assert reasons(from_files) == [f"{folder}/baton_{name}: {fault}" for name, fault in zip(names, faults, strict=True)]
    assert reasons(from_variables) == [f"BATON_{name.upper()}: {fault}" for name, fault in zip(names, faults, strict=True)]
