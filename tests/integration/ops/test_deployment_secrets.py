"""What a deployment needs is made once, for the eyes of its own, and kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from baton.local import state as states
from baton.ops import secrets
from tests.stack import PROJECT

SECRETS = {
    "postgres_password",
    *(f"{service}_{kind}" for service in states.SERVICES for kind in ("database_password", "cursor_secret")),
}


@pytest.fixture(autouse=True)
def no_settings_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*secrets.DEFAULTS, secrets.GROUP):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def env(tmp_path: Path) -> Path:
    """An env file that names its home and nothing else."""
    return settings(tmp_path / "env")


def settings(file: Path, **other: str) -> Path:
    """An env file with these settings, and a home beside it."""
    given = {"BATON_HOME": str(file.parent / "home"), secrets.GROUP: str(os.getegid()), **other}
    file.write_text("".join(f"{name}={value}\n" for name, value in given.items()))
    return file


def contents(home: Path) -> Mapping[str, str]:
    """Every file of the home folder."""
    return {str(path.relative_to(home)): path.read_text() for path in home.rglob("*") if path.is_file()}


def test_everything_a_deployment_needs_is_made(env: Path) -> None:
    made = secrets.make(env)
    assert {file.name for file in (made.home / "secrets").iterdir()} == SECRETS
    assert {file.name for file in made.new} == SECRETS | {"key.pem"}
    values = {file.read_text() for file in (made.home / "secrets").iterdir()}
    assert len(values) == len(SECRETS)
    assert all(len(value) == 48 and value.isalnum() for value in values)


def test_nobody_else_may_read_a_secret(env: Path) -> None:
    home = secrets.make(env).home
    assert {folder: (home / folder).stat().st_mode & 0o777 for folder in (".", "secrets")} == {".": 0o700, "secrets": 0o700}
    for file in (home / "secrets").iterdir():
        status = file.stat()
        assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o440, os.geteuid(), os.getegid())
    assert (home / "keys" / "key.pem").stat().st_mode & 0o777 == 0o600
    assert (home / "keys" / "public" / "jwks.json").stat().st_mode & 0o777 == 0o644
    assert (home / "keys" / "public").stat().st_mode & 0o777 == 0o755


def test_a_second_run_changes_nothing(env: Path) -> None:
    home = secrets.make(env).home
    before, text = contents(home), env.read_text()
    again = secrets.make(env)
    assert again.new == ()
    assert contents(home) == before
    assert env.read_text() == text


def test_a_single_missing_secret_is_made_anew(env: Path) -> None:
    home = secrets.make(env).home
    before = contents(home)
    (home / "secrets" / "sales_cursor_secret").unlink()
    assert secrets.make(env).new == (home / "secrets" / "sales_cursor_secret",)
    after = contents(home)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"secrets/sales_cursor_secret"}


def test_a_secret_of_the_operators_own_is_kept(env: Path) -> None:
    home = secrets.make(env).home
    own = home / "secrets" / "postgres_password"
    own.unlink()
    own.write_text("chosen by the operator")
    own.chmod(0o400)
    assert secrets.make(env).new == ()
    assert (own.read_text(), own.stat().st_mode & 0o777) == ("chosen by the operator", 0o400)


def test_runs_at_the_same_time_agree(tmp_path: Path) -> None:
    env = tmp_path / "env"
    command = [sys.executable, "-m", "baton", "secrets", "--env", str(env)]
    given = {**os.environ, "BATON_HOME": str(tmp_path / "home"), "PYTHONPATH": str(PROJECT)}
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(lambda _: subprocess.run(command, env=given, capture_output=True, text=True, check=False), range(4)))
    assert [each.returncode for each in done] == [0] * 4, [each.stderr for each in done]
    made = [line for each in done for line in each.stdout.splitlines() if line.startswith("made ")]
    assert len(made) == len(set(made)) == len(SECRETS) + 1
    assert {file.name for file in tmp_path.iterdir()} == {"env", "home"}
    assert {file.name for file in (tmp_path / "home" / "secrets").iterdir()} == SECRETS


def test_a_missing_env_file_is_written_with_every_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATON_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BATON_PORT_SALES", "18003")
    made = secrets.make(tmp_path / "env")
    lines = dict(line.split("=") for line in (tmp_path / "env").read_text().splitlines() if not line.startswith("#"))
    assert lines == dict(made.settings)
    assert set(lines) == {*secrets.DEFAULTS, secrets.GROUP}
    assert (lines["BATON_PORT_SALES"], lines["BATON_PORT_MARKETING"]) == ("18003", secrets.DEFAULTS["BATON_PORT_MARKETING"])
    assert not [value for value in contents(tmp_path / "home").values() if value and value in (tmp_path / "env").read_text()]


def test_the_file_wins_over_the_environment_and_an_empty_value_is_the_default(env: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings(env, BATON_PORT_SALES="18003", BATON_PORT_KAFKA="")
    monkeypatch.setenv("BATON_PORT_SALES", "18004")
    made = secrets.make(env)
    assert made.settings["BATON_PORT_SALES"] == "18003"
    assert made.settings["BATON_PORT_KAFKA"] == secrets.DEFAULTS["BATON_PORT_KAFKA"]


def test_the_profile_follows_changed_ports_and_keeps_what_else_it_says(env: Path) -> None:
    home = secrets.make(env).home
    profile = json.loads((home / "profile.json").read_text())
    assert profile["services"]["sales"]["url"] == "http://127.0.0.1:8003"
    profile["services"]["sales"]["token_file"] = "sales.token"
    (home / "profile.json").write_text(json.dumps(profile))
    settings(env, BATON_PORT_SALES="18003", BATON_PORT_KAFKA="39092", COMPOSE_PROJECT_NAME="another")
    assert secrets.make(env).new == ()
    told = json.loads((home / "profile.json").read_text())
    assert told["services"]["sales"] == {"url": "http://127.0.0.1:18003", "token_file": "sales.token"}
    assert told["services"]["marketing"] == {"url": "http://127.0.0.1:8001"}
    assert (told["kafka"], told["containers"]) == ("127.0.0.1:39092", "another")


def test_a_damaged_profile_is_written_anew(env: Path) -> None:
    home = secrets.make(env).home
    before = (home / "profile.json").read_text()
    (home / "profile.json").write_text('{"services": [')
    secrets.make(env)
    assert (home / "profile.json").read_text() == before


def test_lines_that_are_quoted_exported_or_remarks_are_understood(env: Path) -> None:
    with env.open("a") as file:
        file.write("\n# a remark\nexport BATON_PORT_SALES='18003'\n  BATON_PORT_HANDOFF = \"18002\"\n")
    found = secrets.make(env).settings
    assert (found["BATON_PORT_SALES"], found["BATON_PORT_HANDOFF"]) == ("18003", "18002")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("BATON_PORT_SALES", "line 3 is not NAME=VALUE"),
        ("baton port=1", "line 3 is not NAME=VALUE"),
        ("BATON_PORT_SALES=80o3", "BATON_PORT_SALES in .* must be a number from 1 to 65535, not `80o3`"),
        ("BATON_PORT_SALES=0", "must be a number from 1 to 65535, not `0`"),
        ("BATON_PORT_KAFKA=65536", "must be a number from 1 to 65535, not `65536`"),
        ("BATON_PORT_KAFKA=²", "must be a number from 1 to 65535"),
        ("BATON_PORT_HANDOFF=8003", "BATON_PORT_HANDOFF and BATON_PORT_SALES in .* are both 8003: each needs a port of its own"),
        ("BATON_SECRETS_GROUP=staff", "BATON_SECRETS_GROUP is the number of a group, not `staff`"),
        ("BATON_HOME=~/baton", "BATON_HOME in .* must be written out, without `~`"),
    ],
)
def test_a_setting_that_cannot_be_is_named_and_nothing_is_made(env: Path, line: str, told: str) -> None:
    with env.open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(secrets.DeploymentError, match=told):
        secrets.make(env)
    assert not (env.parent / "home").exists()


def test_an_env_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "env").write_bytes(b"BATON_HOME=\xff\n")
    with pytest.raises(secrets.DeploymentError, match=r"env cannot be read as settings \(it is not UTF-8 text\)"):
        secrets.make(tmp_path / "env")
    (tmp_path / "folder").mkdir()
    with pytest.raises(secrets.DeploymentError, match=r"folder cannot be read as settings \(Is a directory\)"):
        secrets.make(tmp_path / "folder")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("a file")
    env = settings(tmp_path / "env", BATON_HOME=str(tmp_path / "occupied" / "home"))
    with pytest.raises(
        secrets.DeploymentError, match=r"occupied\S* cannot be written \(Not a directory\): BATON_HOME in \S+env names the folder"
    ):
        secrets.make(env)
    with pytest.raises(secrets.DeploymentError, match=r"env cannot be written: Not a directory"):
        secrets.make(tmp_path / "occupied" / "env")


def test_the_command_ends_with_one_sentence(tmp_path: Path) -> None:
    env = settings(tmp_path / "env", BATON_PORT_SALES="none")
    command = [sys.executable, "-m", "baton", "secrets", "--env", str(env)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(PROJECT)}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "BATON_PORT_SALES" in done.stderr
    assert "Traceback" not in done.stderr
