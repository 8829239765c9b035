"""Profiles: which Baton a command is about, and what it can do with one that runs in containers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from baton import PROFILE, CommandError, cli, client
from tests.stack import PROJECT


class Answering(BaseHTTPRequestHandler):
    """A service as far as a look from outside goes."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/openapi.json" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name of the method it replaces
        """Nothing."""


@pytest.fixture
def answering() -> Iterator[str]:
    """The address of something that answers."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def profile(folder: Path, **content: object) -> Path:
    """A state folder with a profile."""
    folder.mkdir(parents=True)
    (folder / PROFILE).write_text(json.dumps(content))
    return folder


def containers(folder: Path, address: str) -> Path:
    """The state folder of a deployment in containers."""
    return profile(folder, services={name: {"url": address} for name in client.SERVICES}, containers="shop")


def baton(*arguments: str, state: Path | None, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command as it is typed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BATON_")}
    called = {**kept, **({"BATON_STATE": str(state)} if state else {}), "PYTHONPATH": str(PROJECT), **environment}
    return subprocess.run([sys.executable, "-m", "baton", *arguments], env=called, capture_output=True, text=True, timeout=60, check=False)


def test_a_profile_is_a_folder_beside_that_of_this_machine(tmp_path: Path) -> None:
    local = tmp_path / ".baton"
    shop = profile(tmp_path / ".baton-shop", services={})
    assert cli.folder_of("local", local) == local
    assert cli.folder_of("shop", local) == shop


@pytest.mark.parametrize("name", ["nowhere", "", "..", "../elsewhere", "Shop", "-x"])
def test_an_unknown_profile_is_refused_and_those_that_exist_are_named(tmp_path: Path, name: str) -> None:
    profile(tmp_path / ".baton-shop", services={})
    profile(tmp_path / "elsewhere", services={})
    with pytest.raises(CommandError, match=r"those that exist: local, shop$"):
        cli.folder_of(name, tmp_path / ".baton")


def test_the_option_and_the_variable_choose_the_folder_for_the_whole_command(tmp_path: Path) -> None:
    for told in (
        baton("--profile", "nowhere", "url", "sales", state=tmp_path),
        baton("url", "sales", state=None, BATON_PROFILE="nowhere"),
    ):
        assert told.returncode == 1
        assert "there is no profile `nowhere`" in told.stderr


def test_a_named_state_folder_wins_over_the_variable_and_does_not_go_with_the_option(tmp_path: Path) -> None:
    folder = profile(tmp_path / "site", services={"sales": {"url": "https://sales.example"}})
    for told in (
        baton("url", "sales", "--state", str(folder), state=None, BATON_PROFILE="nowhere"),
        baton("url", "sales", f"--state={folder}", state=None, BATON_PROFILE="nowhere"),
        baton("url", "sales", state=folder, BATON_PROFILE="nowhere"),
    ):
        assert told.stdout == "https://sales.example\n", told.stderr
    both = baton("--profile", "local", "url", "sales", "--state", str(folder), state=None)
    assert (both.returncode, both.stdout) == (1, "")
    assert both.stderr == "baton: --profile and --state both say which Baton is meant: give one of them\n"


def test_what_makes_a_profile_does_not_need_it(tmp_path: Path) -> None:
    env = tmp_path / "env"
    env.write_text(f"BATON_HOME={tmp_path / 'home'}\n")
    made = baton("secrets", "--env", str(env), state=None, BATON_PROFILE="nowhere")
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "home" / PROFILE).exists()


def test_a_profile_names_addresses_and_tokens_and_the_environment_wins(tmp_path: Path) -> None:
    services = {"sales": {"url": "https://sales.example", "token_file": "sales.token"}, "handoff": {"url": "https://handoff.example"}}
    folder = profile(tmp_path / "site", services=services, issuer="https://id.example")
    (folder / "sales.token").write_text("from-a-file\n")
    site = client.find_site(folder, {"BATON_URL_HANDOFF": "https://other.example", "BATON_TOKEN_HANDOFF": "given"})
    assert site.addresses == {"sales": "https://sales.example", "handoff": "https://other.example"}
    assert site.tokens == {"sales": "from-a-file", "handoff": "given"}
    assert (site.issuer, site.keys) == ("https://id.example", None)
    assert client.find_site(folder, {"BATON_TOKEN_SALES": "given"}).tokens == {"sales": "given"}


def test_a_token_file_that_is_missing_is_named(tmp_path: Path) -> None:
    folder = profile(tmp_path / "site", services={"sales": {"url": "https://sales.example", "token_file": "sales.token"}})
    with pytest.raises(CommandError, match=r"the token of sales cannot be read from .*sales\.token"):
        client.find_site(folder, {})


def test_status_says_which_services_in_containers_answer(tmp_path: Path, answering: str) -> None:
    folder = containers(tmp_path / "site", answering)
    told = baton("status", state=folder)
    assert told.returncode == 0, told.stderr
    assert [line.split()[1] for line in told.stdout.splitlines()[1:5]] == ["answers"] * 4
    assert "docker compose ps" in told.stdout
    (folder / PROFILE).write_text(json.dumps({"services": {"sales": {"url": "http://127.0.0.1:9"}}, "containers": "shop"}))
    silent = baton("status", "--json", state=folder)
    assert silent.returncode == 1
    found = json.loads(silent.stdout)
    assert (found["ready"], found["parts"][0]["state"]) == (False, "no answer (ConnectionRefusedError)")


def test_status_names_an_address_that_is_none(tmp_path: Path) -> None:
    told = baton("status", "--json", state=containers(tmp_path / "site", "http://127.0.0.1:many"))
    assert told.returncode == 1, told.stderr
    assert {part["state"].partition(" (")[0] for part in json.loads(told.stdout)["parts"]} == {"not an address"}


@pytest.mark.parametrize(
    ("arguments", "instead"),
    [
        (["up"], "make compose-up"),
        (["stop"], "make compose-down"),
        (["logs"], "make compose-logs"),
        (["reset", "--yes"], "docker compose down --volumes"),
    ],
)
def test_what_docker_does_is_left_to_docker(tmp_path: Path, arguments: list[str], instead: str) -> None:
    folder = containers(tmp_path / "site", "http://127.0.0.1:9")
    told = baton(*arguments, state=folder)
    assert told.returncode == 1
    assert told.stderr.rstrip().endswith(instead)
    assert sorted(file.name for file in folder.iterdir()) == [PROFILE]


def test_the_address_of_a_service_is_that_of_the_profile(tmp_path: Path) -> None:
    folder = profile(tmp_path / "site", services={"sales": {"url": "https://sales.example"}})
    assert baton("url", "sales", state=folder).stdout == "https://sales.example\n"
    unknown = baton("url", "handoff", state=folder)
    assert (unknown.returncode, "BATON_URL_HANDOFF" in unknown.stderr) == (1, True)


def test_services_of_another_place_are_looked_at_and_left_alone(tmp_path: Path, answering: str) -> None:
    folder = profile(tmp_path / "site", services={"sales": {"url": answering}})
    assert baton("status", state=folder).returncode == 0
    told = baton("up", state=folder)
    assert (told.returncode, "another place" in told.stderr) == (1, True)
    assert sorted(file.name for file in folder.iterdir()) == [PROFILE]
