"""What the resolved compose file must say, service by service: whatever differs is a fault, whatever is unknown, too."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from baton.local import state as states
from tests import compose
from tests.stack import PROJECT

Document = Mapping[str, Any]

PROCESSES = tuple(f"{service}-{role}" for service in states.SERVICES for role in ("api", "worker"))
JOBS = tuple(f"{service}-{job}" for service in states.SERVICES for job in ("migrate", "provision"))
LASTING = (*states.SERVERS, *PROCESSES)

KNOWN = frozenset(
    {
        *("image", "build", "pull_policy", "command", "entrypoint", "environment", "user", "group_add", "init", "read_only", "cap_drop"),
        *("security_opt", "pids_limit", "mem_limit", "cpus", "shm_size", "logging", "tmpfs", "volumes", "secrets", "networks", "ports"),
        *("dns", "restart", "stop_grace_period", "healthcheck", "depends_on"),
    }
)
"""Settings whose effect is looked at here. Another one (privileged, cap_add, network_mode, env_file, …) is a fault until it is."""

HEALTHY, COMPLETED = "service_healthy", "service_completed_successfully"
PUBLISHED = {**{f"{service}-api": 8000 for service in states.SERVICES}, "kafka": 29092}
OTHERS = {"postgres": "postgres", "kafka": "apache/kafka"}
SECRET_NAMES = ("PASSWORD", "SECRET", "TOKEN", "KEY", "CREDENTIAL")
BYTES_OF_ALL = 8 << 30


def resolved(env: Path) -> dict[str, Any]:
    """The repository's compose file as docker compose understands it with that env file."""
    text = compose.docker("compose", "--env-file", str(env), "--file", str(PROJECT / "docker-compose.yml"), "config", "--format", "json")
    return json.loads(text)


def is_valid(text: str, folder: Path) -> bool:
    """Whether docker compose accepts a file with this text."""
    file = folder / "docker-compose.yml"
    file.write_text(text)
    return subprocess.run(["docker", "compose", "-f", str(file), "config", "--quiet"], capture_output=True, check=False).returncode == 0


def faults(document: Document) -> list[str]:
    """Everything that differs from what a deployment must be, each beginning with the name of its part."""
    services: Mapping[str, Any] = document["services"]
    found = [f"{name}: missing" for name in (*LASTING, *JOBS) if name not in services]
    for name, service in services.items():
        if name not in LASTING + JOBS:
            found.append(f"{name}: unknown")
            continue
        checks = (_confined, _limited, _running, _connected, _given, _told)
        found += [f"{name}: {fault}" for check in checks for fault in check(name, service)]
    return [*found, *_networks(document), *_kept(document)]


def _confined(name: str, service: Document) -> Iterator[str]:
    if unknown := set(service) - KNOWN:
        yield f"unknown settings {sorted(unknown)}"
    if service.get("read_only") is not True:
        yield "its root can be written"
    if service.get("cap_drop") != ["ALL"]:
        yield "it keeps capabilities"
    if service.get("security_opt") != ["no-new-privileges:true"]:
        yield "a program may raise its rights"
    if service.get("init") is not True:
        yield "nothing looks after its processes"
    # Without one it is the image's, which the tests of images look at; PostgreSQL's image begins as root and steps down.
    if service.get("user") != ("postgres" if name == "postgres" else None):
        yield f"its user is {service.get('user')}"
    if any(group in {"0", "root"} for group in service.get("group_add", [])):
        yield "it belongs to the group of root"
    if service.get("entrypoint") is not None:
        yield "it does not start as its image does"


def _limited(name: str, service: Document) -> Iterator[str]:
    if not 0 < int(service.get("pids_limit", 0)) <= 512:
        yield "no limit of processes"
    if not 0 < int(service.get("mem_limit", 0)) <= 1 << 30:
        yield "no limit of memory"
    if not 0 < float(service.get("cpus", 0)) <= 2:
        yield "no limit of processor time"
    log = service.get("logging", {})
    if log.get("driver") != "json-file" or not {"max-size", "max-file"} <= set(log.get("options") or {}):
        yield "its log grows without end"
    folders = dict(mount.split(":", 1) if ":" in mount else (mount, "") for mount in service.get("tmpfs", []))
    if "/tmp" not in folders or not all("size=" in options for options in folders.values()):  # noqa: S108  its own, in memory
        yield "no folder for temporary files, or one without limit"
    if any(option in options.split(",") for options in folders.values() for option in ("exec", "suid", "dev")):
        yield "programs could be put into a temporary folder"


def _running(name: str, service: Document) -> Iterator[str]:
    if service.get("restart") != ("no" if name in JOBS else "unless-stopped"):
        yield f"restart is {service.get('restart')}"
    wanted = _waits_for(name)
    waits = {other: (told["condition"], told["required"]) for other, told in service.get("depends_on", {}).items()}
    if waits != {other: (condition, True) for other, condition in wanted.items()}:
        yield f"it waits for {waits}"
    if name in JOBS:
        return
    if service.get("stop_grace_period") not in {"30s", "1m0s"}:
        yield f"it has {service.get('stop_grace_period')} to stop"
    health = service.get("healthcheck", {})
    if not health.get("test") or health["test"][0] != "CMD" or health.get("disable"):
        yield "nothing asks whether it is ready"
    elif name in PROCESSES and not all(part in health["test"][-1] for part in ("/127.0.0.1/9000", "GET /readyz", "= 200")):
        yield "its own readiness is not asked"
    elif not {"interval", "timeout", "retries", "start_period"} <= set(health):
        yield "it is asked without limits"


def _waits_for(name: str) -> dict[str, str]:
    service, _, role = name.partition("-")
    migrated = {f"{service}-migrate": COMPLETED}
    return {
        "migrate": {"postgres": HEALTHY},
        "provision": {"kafka": HEALTHY},
        "api": migrated,
        "worker": {**migrated, f"{service}-provision": COMPLETED},
    }.get(role, {})


def _connected(name: str, service: Document) -> Iterator[str]:
    own = set(states.SERVICES) if name in states.SERVERS else {name.partition("-")[0]}
    if set(service.get("networks") or {}) != own:
        yield f"its networks are {sorted(service.get('networks') or {})}"
    if service.get("dns") != ["127.0.0.1"]:
        yield "its questions about names leave the machine"
    ports = [(port.get("host_ip"), port["target"], port["protocol"]) for port in service.get("ports", [])]
    if ports != ([("127.0.0.1", PUBLISHED[name], "tcp")] if name in PUBLISHED else []):
        yield f"it publishes {ports}"


def _given(name: str, service: Document) -> Iterator[str]:
    secrets = {(secret["source"], Path(secret.get("target", "")).name) for secret in service.get("secrets", [])}
    if secrets != _secrets_of(name):
        yield f"its secrets are {sorted(secrets)}"
    mounts = {(mount["type"], mount["target"], bool(mount.get("read_only"))) for mount in service.get("volumes", [])}
    if mounts != _mounts_of(name):
        yield f"its mounts are {sorted(mounts)}"
    if name not in states.SERVERS and any(mount["bind"].get("create_host_path") for mount in service.get("volumes", []) if "bind" in mount):
        yield "keys that are missing would be an empty folder"
    image, _, tag = service.get("image", "").rpartition(":")
    if image != OTHERS.get(name, f"baton-{name.partition('-')[0]}") or tag == "latest":
        yield f"its image is {service.get('image')}"


def _told(name: str, service: Document) -> Iterator[str]:
    """Its command and environment, which everybody may see who may ask the engine."""
    environment: Mapping[str, Any] = service.get("environment") or {}
    for variable, value in environment.items():
        if any(part in variable for part in SECRET_NAMES) and not variable.endswith("_FILE"):
            yield f"{variable} stands in its environment"
        if variable == "POSTGRES_HOST_AUTH_METHOD":
            yield "whoever comes is let in"
        if value is None:
            yield f"{variable} comes from whoever starts it"
    if name in states.SERVERS:
        return
    owner, _, role = name.partition("-")
    if service.get("command") != ["python", "-m", f"services.{owner}", role]:
        yield f"its command is {service.get('command')}"
    if environment.get("BATON_DATABASE_URL") != f"postgresql+asyncpg://{owner}@postgres:5432/{owner}":
        yield "it asks for another database, or its address holds a password"
    if environment.get("BATON_ENV") != "production":
        yield "it does not run as in production"


def _secrets_of(name: str) -> set[tuple[str, str]]:
    if name == "postgres":
        files = ("postgres_password", *(f"{service}_database_password" for service in states.SERVICES))
        return {(file, file) for file in files}
    if name == "kafka":
        return set()
    service = name.partition("-")[0]
    return {(f"{service}_{kind}", f"baton_{kind}") for kind in ("database_password", "cursor_secret")}


def _mounts_of(name: str) -> set[tuple[str, str, bool]]:
    if name == "postgres":
        return {("volume", "/var/lib/postgresql/data", False), ("bind", "/docker-entrypoint-initdb.d/10-services.sh", True)}
    if name == "kafka":
        settings = ("log4j2.yaml", "tools-log4j2.yaml")
        return {("volume", "/var/lib/kafka/data", False), *(("bind", f"/etc/kafka/docker/{file}", True) for file in settings)}
    return {("bind", "/run/baton", True)}


def _networks(document: Document) -> Iterator[str]:
    networks: Mapping[str, Any] = document.get("networks", {})
    if set(networks) != set(states.SERVICES):
        yield f"networks: {sorted(networks)}"
    for name, network in networks.items():
        if network.get("external") or (network.get("driver_opts") or {}).get("com.docker.network.bridge.enable_ip_masquerade") != "false":
            yield f"networks: {name} leads out of the machine"


def _kept(document: Document) -> Iterator[str]:
    if set(document.get("volumes", {})) != set(states.SERVERS):
        yield f"volumes: {sorted(document.get('volumes', {}))}"
    for name, secret in document.get("secrets", {}).items():
        if set(secret) - {"name", "file"} or Path(secret.get("file", "")).parent.name != "secrets":
            yield f"secrets: {name} is not a file of the deployment's own"
    memory = sum(int(service.get("mem_limit", 0)) for name, service in document["services"].items() if name in LASTING)
    if memory > BYTES_OF_ALL:
        yield f"memory: {memory} bytes for all together"
    if document.get("configs"):
        yield "configs: unknown"
