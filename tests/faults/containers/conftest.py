"""The running Baton of all faults, as what it is here: containers."""

from __future__ import annotations

import pytest

from tests.compose import Deployment
from tests.stack import Stack


@pytest.fixture(scope="session")
def deployment(stack: Stack) -> Deployment:
    """Ten containers, which nobody starts again but the engine."""
    assert isinstance(stack, Deployment)
    return stack
