"""The deployment in containers: collected only where the run is to use containers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from baton.local import state as states
from tests import compose, containers
from tests.compose import Deployment

NOTES = pytest.StashKey[list[str]]()

collect_ignore_glob = [] if containers.backend() == "containers" else ["*"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if notes := config.stash.get(NOTES, []):
        terminalreporter.section("deployment")
        terminalreporter.write_line("\n".join(notes))


@pytest.fixture(scope="session")
def note(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Adds a line to the end of the run: what was measured."""
    return pytestconfig.stash.setdefault(NOTES, []).append


@pytest.fixture(scope="session")
def deployment() -> Iterator[Deployment]:
    """One deployment for all tests of this folder: each leaves it running as it found it."""
    with compose.installed("deployment") as running:
        yield running


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The image of each service, built from this tree."""
    env = tmp_path_factory.mktemp("images") / "env"
    env.write_text("BATON_VERSION=local\n")
    compose.docker("compose", "--env-file", str(env), "build", "--quiet")
    return {service: f"baton-{service}:local" for service in states.SERVICES}
