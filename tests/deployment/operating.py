"""What an operator does with a deployment, and what the engine tells about all its containers."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from tests import compose
from tests.compose import Deployment
from tests.deployment.configuration import JOBS, LASTING
from tests.stack import PROJECT

ALL = (*LASTING, *JOBS)
OF_SOMETHING_ELSE = {"BATON_HOME": "nowhere", "BATON_PORT_SALES": "1", "COMPOSE_PROJECT_NAME": "another"}


def up(deployment: Deployment) -> subprocess.CompletedProcess[str]:
    """`deploy/up.sh`, which may fail, from a shell that has settings of something else."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("BATON_", "COMPOSE_"))} | OF_SOMETHING_ELSE
    return subprocess.run(
        ["deploy/up.sh", deployment.env],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def set_up(deployment: Deployment) -> None:
    """`deploy/up.sh`, which must end well."""
    done = up(deployment)
    assert done.returncode == 0, done.stdout + done.stderr


def inspected(deployment: Deployment) -> dict[str, dict[str, Any]]:
    """What the engine knows about every container that there is, jobs too, by the name of its part."""
    names = compose.docker("ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={deployment.project}").split()
    found = json.loads(compose.docker("inspect", *names)) if names else []
    return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in found}


def inside(deployment: Deployment, part: str, *command: str) -> subprocess.CompletedProcess[str]:
    """A command in a running container, as its user, which may fail."""
    return subprocess.run(
        ["docker", "exec", f"{deployment.project}-{part}-1", *command], capture_output=True, text=True, timeout=60, check=False
    )


def secrets(deployment: Deployment) -> dict[str, str]:
    """The deployment's secrets by the names of their files."""
    found = {file.name: file.read_text() for file in (deployment.state / "secrets").iterdir()}
    assert len(found) == 9
    return found
