"""Where the tests get their servers from, and when a container counts as healthy."""

from __future__ import annotations

import pytest

from baton.local import state as states
from tests import compose, containers

STARTED = "2026-03-02T12:00:00.123456789Z"


def state(check: str | None, *, running: bool = True) -> dict[str, object]:
    """A container as the engine tells of it, healthy as far as it knows."""
    checks = [{"Start": check, "ExitCode": 0}] if check else []
    status = "running" if running else "restarting"
    return {"Running": running, "Status": status, "StartedAt": STARTED, "Health": {"Status": "healthy", "Log": checks}}


def test_the_embedded_servers_are_the_default() -> None:
    assert containers.backend({}) == containers.backend({containers.BACKEND: ""}) == "embedded"
    assert containers.backend({containers.BACKEND: "containers"}) == "containers"


def test_a_backend_of_another_name_is_refused() -> None:
    with pytest.raises(containers.UnusableError, match="`podman`: it must be `embedded` or `containers`"):
        containers.backend({containers.BACKEND: "podman"})


def test_the_tests_use_the_images_and_the_order_of_text_of_the_deployment() -> None:
    assert [containers.deployed(name)["image"].partition(":")[0] for name in states.SERVERS] == ["postgres", "apache/kafka"]
    assert "--builtin-locale=C.UTF-8" in containers.deployed("postgres")["environment"]["POSTGRES_INITDB_ARGS"]


def test_a_passed_check_of_a_former_life_makes_no_container_healthy() -> None:
    assert compose.health_of(state("2026-03-02T12:00:01.5Z")) == "healthy"
    assert compose.health_of(state("2026-03-02T11:59:59.9Z")) == "running"
    assert compose.health_of(state(None)) == "running"
    assert compose.health_of(state("2026-03-02T12:00:01.5Z", running=False)) == "restarting"
