"""What somebody who has taken over a container can reach from it: what its service needs, and nothing else."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from baton.local import state as states
from tests import compose
from tests.compose import Deployment
from tests.deployment import configuration, images, operating, outside
from tests.stack import PROJECT

ATTEMPTS = (PROJECT / "tests" / "deployment" / "attempts.py").read_text()
SECRETS = "/run/secrets"
PLACES = (
    "/",
    "/baton",
    "/baton/shared/ids.py",
    "/etc/passwd",
    "/opt/baton/bin",
    "/run",
    "/run/baton",
    "/run/baton/jwks.json",
    SECRETS,
    f"{SECRETS}/baton_database_password",
    f"{SECRETS}/baton_cursor_secret",
    "/usr/local/bin",
    "/var/tmp",  # noqa: S108  read-only, too
)
SERVER_PLACES = ("/.", "/etc", "/usr/bin", "/opt", "/var/lib", "/run", "/home")
NOT_WRITTEN = {"EROFS", "EACCES"}
NO_RIGHT = {"EPERM", "EACCES"}


@pytest.fixture(scope="module")
def beyond(deployment: Deployment) -> Iterator[tuple[str, int]]:
    """Somebody outside, whom this machine and a container that may leave it do reach."""
    with outside.neighbour() as place:
        script = f"import socket; socket.create_connection({place!r}, 5)"
        leaving = images.run("baton-sales:local", "python", "-c", script, options=("--read-only", "--network", "bridge"))
        assert leaving.returncode == 0, leaving.stderr
        yield place


@pytest.fixture(scope="module")
def addresses(deployment: Deployment) -> dict[str, list[str]]:
    """The addresses of every container, by part."""
    return {
        part: [network["IPAddress"] for network in told["NetworkSettings"]["Networks"].values()]
        for part, told in deployment.inspect().items()
    }


@pytest.fixture(scope="module", params=configuration.PROCESSES)
def part(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def found(deployment: Deployment, part: str, addresses: dict[str, list[str]], beyond: tuple[str, int]) -> dict[str, Any]:
    """What came of every attempt from that container."""
    service = part.partition("-")[0]
    others = [name for name in states.SERVICES if name != service]
    strangers = [name for name in configuration.PROCESSES if name.partition("-")[0] != service]
    wanted = {
        "write": PLACES,
        "read": [str(deployment.state / "secrets" / f"{name}_database_password") for name in states.SERVICES]
        + [f"{SECRETS}/{name}_database_password" for name in states.SERVICES]
        + [f"{SECRETS}/postgres_password", "/etc/shadow", f"{SECRETS}/baton_database_password"],
        "query": [
            (service, service, "SELECT 1"),
            *((service, other, "SELECT 1") for other in (*others, "postgres", "template1")),
            *((other, other, "SELECT 1") for other in (*others, "postgres")),
            (service, service, "CREATE DATABASE planted"),
            (service, service, "CREATE ROLE planted LOGIN"),
            (service, service, f"ALTER ROLE {service} SUPERUSER"),
            (service, service, "COPY (SELECT 1) TO PROGRAM 'true'"),
            (service, service, "SELECT pg_read_file('/etc/passwd')"),
            (service, service, f"SET ROLE {others[0]}"),
        ],
        "reach": [
            ("postgres", 5432),
            ("kafka", 9092),
            ("127.0.0.1", 9000),
            *((name, port) for name in strangers for port in (8000, 9000)),
            *((address, port) for name in strangers for address in addresses[name] for port in (8000, 9000)),
            beyond,
        ],
    }
    done = operating.inside(deployment, part, "python", "-c", ATTEMPTS, json.dumps(wanted))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_container_changes_no_file(found: dict[str, Any]) -> None:
    assert set(found["write"]) == set(PLACES)
    assert {path: came for path, came in found["write"].items() if came not in NOT_WRITTEN} == {}


def test_a_container_gains_no_right(found: dict[str, Any]) -> None:
    rights = dict(found["rights"])
    assert rights.pop("write a temporary file") == "done"
    assert rights.pop("fill the memory") == "ENOSPC"
    assert rights.pop("a device") in NO_RIGHT
    assert {what: came for what, came in rights.items() if came not in NO_RIGHT} == {}
    status = found["status"]
    assert set(status["Uid"]) == set(status["Gid"]) == {str(images.USER)}
    assert {int(status[name][0], 16) for name in ("CapEff", "CapPrm", "CapBnd")} == {0}
    assert (status["NoNewPrivs"], status["Seccomp"]) == (["1"], ["2"])


def test_a_container_reads_its_own_two_secrets_and_public_keys(found: dict[str, Any]) -> None:
    assert found["seen"] == {SECRETS: ["baton_cursor_secret", "baton_database_password"], "/run/baton": ["jwks.json"]}
    read = dict(found["read"])
    assert read.pop(f"{SECRETS}/baton_database_password") == "done"
    assert {path: came for path, came in read.items() if came not in {"ENOENT", "EACCES", "EPERM"}} == {}


def test_a_container_opens_its_own_database_only(found: dict[str, Any]) -> None:
    own, *others = found["query"]
    assert own == "done"
    other_databases, other_users, rights = others[:5], others[5:9], others[9:]
    assert set(other_databases) == {"InsufficientPrivilegeError"}
    assert set(other_users) == {"InvalidPasswordError"}
    assert set(rights) == {"InsufficientPrivilegeError"}
    assert len(rights) == 6


def test_a_container_reaches_its_servers_and_nobody_else(found: dict[str, Any]) -> None:
    own, names, by_address, beyond = found["reach"][:3], found["reach"][3:15], found["reach"][15:-1], found["reach"][-1]
    assert own == ["done"] * 3
    assert len(names) == len(by_address) == 12
    assert set(names) == {"gaierror"}
    assert set(by_address) | {beyond} <= {"ETIMEDOUT", "TimeoutError", "EHOSTUNREACH", "ENETUNREACH"}


def test_no_secret_is_in_an_environment_a_command_line_or_a_log(deployment: Deployment, found: dict[str, Any]) -> None:
    values = set(operating.secrets(deployment).values())
    assert not [word for word in found["started with"] if any(value in word for value in values)]
    known = json.dumps(operating.inspected(deployment))
    logs = deployment.compose("logs", "--no-color")
    assert len(logs) > 1000
    assert not [value for value in values if value in known or value in logs]


@pytest.mark.parametrize("server", states.SERVERS)
def test_a_server_changes_its_volume_only(deployment: Deployment, server: str) -> None:
    script = f"for place in {' '.join(SERVER_PLACES)}; do echo planted > $place/planted; done; su root -c id; cat /proc/self/status"
    done = operating.inside(deployment, server, "sh", "-c", script)
    refused = [line for line in done.stderr.splitlines() if "planted" in line]
    assert len(refused) == len(SERVER_PLACES)
    assert all("Read-only file system" in line or "Permission denied" in line for line in refused), refused
    assert "uid=0" not in done.stdout
    status = {name: value.split() for name, _, value in (line.partition(":") for line in done.stdout.splitlines())}
    assert {int(status[name][0], 16) for name in ("CapEff", "CapPrm", "CapBnd")} == {0}
    assert status["NoNewPrivs"] == ["1"]
    assert "0" not in status["Uid"]


def test_only_loopback_of_this_machine_reaches_what_is_published(deployment: Deployment) -> None:
    published = {
        part: [(inner, place["HostIp"]) for inner, places in told["NetworkSettings"]["Ports"].items() for place in places or []]
        for part, told in operating.inspected(deployment).items()
    }
    # what a deployment publishes; PostgreSQL is added by these tests alone, and the compose file is looked at elsewhere
    apis = {f"{service}-api": [("8000/tcp", "127.0.0.1")] for service in states.SERVICES}
    assert {part: places for part, places in published.items() if places} == {
        **apis,
        "kafka": [("29092/tcp", "127.0.0.1")],
        "postgres": [("5432/tcp", "127.0.0.1")],
    }
    for name, port in deployment.kept.ports.items():
        with socket.create_connection(("127.0.0.1", port), 5):
            pass
        for address in _own_addresses():
            with pytest.raises(OSError, match="refused"):
                socket.create_connection((address, port), 5).close()
            assert name


def _own_addresses() -> list[str]:
    told = json.loads(compose.docker("network", "inspect", "bridge"))
    gateways = [entry["Gateway"] for entry in told[0]["IPAM"]["Config"] if "." in entry.get("Gateway", "")]
    own = Path("/proc/net/fib_trie").read_text().split()
    lines = [own[index - 1] for index, word in enumerate(own) if word == "/32" and own[index + 2 : index + 3] == ["LOCAL"]]
    return sorted({*gateways, *(address for address in lines if not address.startswith(("127.", "198.51.100.")))})[:6]
