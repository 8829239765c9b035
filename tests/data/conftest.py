"""One running Baton for all tests with real data, in a state folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import stack as stacks
from tests.data import folder as folders
from tests.stack import Stack


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of the real data."""
    return folders.find()


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Four services, started for this run and removed after it."""
    with stacks.installed("data") as running:
        yield running
