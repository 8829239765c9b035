"""The compose file, resolved: each container has what it needs and no more."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from baton.local import state as states
from baton.ops import secrets
from tests import compose
from tests.deployment import configuration, images
from tests.stack import PROJECT

ABSENT = object()

DEFECTS: dict[str, tuple[Sequence[str | int], Any]] = {
    "a root that can be written": (["services", "sales-api", "read_only"], False),
    "a root nobody spoke about": (["services", "postgres", "read_only"], ABSENT),
    "a capability": (["services", "kafka", "cap_add"], ["NET_ADMIN"]),
    "all capabilities": (["services", "marketing-worker", "cap_drop"], ABSENT),
    "fewer dropped": (["services", "marketing-worker", "cap_drop"], ["NET_RAW"]),
    "privileges": (["services", "handoff-api", "privileged"], True),
    "raising of rights": (["services", "handoff-migrate", "security_opt"], ABSENT),
    "no confinement of calls": (["services", "handoff-api", "security_opt"], ["no-new-privileges:true", "seccomp:unconfined"]),
    "no init": (["services", "sales-worker", "init"], False),
    "root in a service": (["services", "distribution-api", "user"], "0:0"),
    "root in PostgreSQL": (["services", "postgres", "user"], ABSENT),
    "the group of root": (["services", "sales-api", "group_add"], ["0"]),
    "no limit of processes": (["services", "sales-api", "pids_limit"], ABSENT),
    "endless processes": (["services", "sales-api", "pids_limit"], -1),
    "no limit of memory": (["services", "kafka", "mem_limit"], ABSENT),
    "no limit of processor time": (["services", "kafka", "cpus"], ABSENT),
    "no rotation of logs": (["services", "kafka", "logging", "options"], {"max-size": "10m"}),
    "no temporary folder": (["services", "sales-provision", "tmpfs"], ABSENT),
    "a temporary folder without limit": (["services", "sales-provision", "tmpfs"], ["/tmp"]),  # noqa: S108
    "a temporary folder for programs": (["services", "sales-api", "tmpfs"], ["/tmp:size=16m,exec"]),  # noqa: S108
    "a job that is started for ever": (["services", "sales-migrate", "restart"], "unless-stopped"),
    "a process that stays dead": (["services", "sales-worker", "restart"], "no"),
    "a process that ignores a stop": (["services", "sales-worker", "restart"], "always"),
    "too little time to stop": (["services", "sales-worker", "stop_grace_period"], "10s"),
    "no health": (["services", "sales-worker", "healthcheck"], ABSENT),
    "health of a file": (["services", "sales-worker", "healthcheck", "test"], ["CMD", "test", "-e", "/baton"]),
    "life for readiness": (["services", "sales-api", "healthcheck", "test", 3], "exec 3<>/dev/tcp/127.0.0.1/9000"),
    "health without a limit": (["services", "kafka", "healthcheck", "timeout"], ABSENT),
    "a process before its schema": (["services", "sales-api", "depends_on"], ABSENT),
    "a worker before its topics": (["services", "sales-worker", "depends_on", "sales-provision"], ABSENT),
    "a job before its server": (["services", "sales-migrate", "depends_on", "postgres", "condition"], "service_started"),
    "a dependency that may be missing": (["services", "sales-migrate", "depends_on", "postgres", "required"], False),
    "another service's network": (["services", "sales-api", "networks", "marketing"], None),
    "the machine's network": (["services", "sales-api", "network_mode"], "host"),
    "the machine's processes": (["services", "sales-api", "pid"], "host"),
    "names of the outside": (["services", "sales-api", "dns"], ABSENT),
    "PostgreSQL published": (
        ["services", "postgres", "ports"],
        [{"host_ip": "127.0.0.1", "target": 5432, "published": "5432", "protocol": "tcp"}],
    ),
    "the internal port published": (["services", "sales-api", "ports", 0, "target"], 9000),
    "a port for the whole world": (["services", "sales-api", "ports", 0, "host_ip"], ABSENT),
    "Kafka for the whole world": (["services", "kafka", "ports", 0, "host_ip"], "0.0.0.0"),  # noqa: S104  the defect
    "a worker with a port": (
        ["services", "sales-worker", "ports"],
        [{"host_ip": "127.0.0.1", "target": 8000, "published": "1", "protocol": "tcp"}],
    ),
    "another service's secret": (["services", "sales-api", "secrets", 0, "source"], "marketing_database_password"),
    "one secret more": (["services", "kafka", "secrets"], [{"source": "postgres_password"}]),
    "a password by environment": (["services", "sales-api", "environment", "BATON_DATABASE_PASSWORD"], "abc"),
    "a password in an address": (
        ["services", "sales-api", "environment", "BATON_DATABASE_URL"],
        "postgresql+asyncpg://sales:abc@postgres:5432/sales",
    ),
    "another database": (
        ["services", "sales-api", "environment", "BATON_DATABASE_URL"],
        "postgresql+asyncpg://sales@postgres:5432/handoff",
    ),
    "a default password": (["services", "postgres", "environment", "POSTGRES_PASSWORD"], "postgres"),
    "no password at all": (["services", "postgres", "environment", "POSTGRES_HOST_AUTH_METHOD"], "trust"),
    "a local environment": (["services", "sales-api", "environment", "BATON_ENV"], "local"),
    "a file of environment": (["services", "sales-api", "env_file"], [".env"]),
    "the engine": (
        ["services", "sales-api", "volumes", 0],
        {"type": "bind", "source": "/var/run/docker.sock", "target": "/var/run/docker.sock"},
    ),
    "keys that can be changed": (["services", "sales-api", "volumes", 0, "read_only"], ABSENT),
    "keys that may be missing": (["services", "sales-api", "volumes", 0, "bind", "create_host_path"], True),
    "another command": (["services", "sales-api", "command"], ["python", "-m", "services.sales", "all"]),
    "another service's image": (["services", "sales-api", "image"], "baton-marketing:local"),
    "whatever is newest": (["services", "kafka", "image"], "apache/kafka:latest"),
    "a way out of the machine": (["networks", "sales", "driver_opts"], ABSENT),
    "somebody else's network": (["networks", "sales", "external"], True),
    "data that go with the container": (["volumes", "postgres"], ABSENT),
    "a secret by environment": (["secrets", "postgres_password"], {"name": "x", "environment": "POSTGRES_PASSWORD"}),
    "a service left out": (["services", "handoff-worker"], ABSENT),
    "a service nobody knows": (["services", "admin"], {"image": "admin:1"}),
}


@pytest.fixture(scope="module")
def defaults(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The compose file without any setting."""
    env = tmp_path_factory.mktemp("no-settings") / "env"
    env.write_text("")
    return configuration.resolved(env)


def test_the_compose_file_says_what_it_must(defaults: dict[str, Any]) -> None:
    assert configuration.faults(defaults) == []
    assert defaults["name"] == "baton"
    published = {name: service["ports"][0]["published"] for name, service in defaults["services"].items() if "ports" in service}
    assert published == {
        "marketing-api": secrets.DEFAULTS["BATON_PORT_MARKETING"],
        "handoff-api": secrets.DEFAULTS["BATON_PORT_HANDOFF"],
        "sales-api": secrets.DEFAULTS["BATON_PORT_SALES"],
        "distribution-api": secrets.DEFAULTS["BATON_PORT_DISTRIBUTION"],
        "kafka": secrets.DEFAULTS["BATON_PORT_KAFKA"],
    }
    assert len(defaults["services"]) == 18


def test_the_compose_file_follows_its_settings(tmp_path: Path) -> None:
    ports = {
        f"BATON_PORT_{name}": str(20_000 + index) for index, name in enumerate(("MARKETING", "HANDOFF", "SALES", "DISTRIBUTION", "KAFKA"))
    }
    settings = {
        **ports,
        "COMPOSE_PROJECT_NAME": "baton-of-a-test",
        "BATON_HOME": str(tmp_path / "home"),
        "BATON_VERSION": "1.2.3",
        "BATON_SECRETS_GROUP": "1234",
    }
    env = tmp_path / "env"
    env.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    document = configuration.resolved(env)
    assert configuration.faults(document) == []
    assert document["name"] == "baton-of-a-test"
    services = document["services"]
    assert {service["ports"][0]["published"] for service in services.values() if "ports" in service} == set(ports.values())
    assert services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"].endswith(f"://127.0.0.1:{ports['BATON_PORT_KAFKA']}")
    assert {service["image"] for name, service in services.items() if name not in states.SERVERS} == {
        f"baton-{service}:1.2.3" for service in states.SERVICES
    }
    assert all(service["group_add"] == ["1234"] for service in services.values())
    assert all(Path(secret["file"]).parent == tmp_path / "home" / "secrets" for secret in document["secrets"].values())


@pytest.mark.parametrize("what", DEFECTS)
def test_each_defect_of_the_compose_file_is_found(defaults: dict[str, Any], what: str) -> None:
    path, value = DEFECTS[what]
    planted = copy.deepcopy(defaults)
    place: Any = planted
    for step in path[:-1]:
        place = place[step]
    if value is ABSENT:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    found = configuration.faults(planted)
    part = path[1] if path[0] == "services" else path[0]
    assert any(fault.startswith(f"{part}: ") for fault in found), found


def test_a_compose_file_that_is_no_compose_file_is_refused(tmp_path: Path) -> None:
    text = (PROJECT / "docker-compose.yml").read_text()
    assert configuration.is_valid(text, tmp_path)
    assert not configuration.is_valid(text.replace("restart: unless-stopped", "restarts: unless-stopped"), tmp_path)


def test_the_images_of_others_do_not_run_as_root() -> None:
    assert images.described("apache/kafka:4.3.1")["Config"]["User"] not in {"", "0", "root"}


def test_no_secret_stands_in_the_resolved_file(tmp_path: Path) -> None:
    (tmp_path / "env").write_text(f"BATON_HOME={tmp_path / 'home'}\n")
    made = secrets.make(tmp_path / "env")
    told = compose.docker("compose", "--env-file", str(tmp_path / "env"), "config", "--format", "json")
    values = [file.read_text() for file in (made.home / "secrets").iterdir()]
    assert len(values) == 9
    assert not [value for value in values if value in told]
    assert json.loads(told)["secrets"].keys() == {file.name for file in (made.home / "secrets").iterdir()}
