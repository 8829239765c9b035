"""One running Baton for all tests with real data, in a state folder of its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.data import stack as stacks
from tests.data.stack import Stack


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of the real data."""
    return stacks.data_folder()


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Four services, started for this run and removed after it."""
    folder = Path(tempfile.mkdtemp(prefix="baton-data-"))
    running = Stack(state=folder)
    try:
        running.run("up", seconds=600)
        yield running
    finally:
        reset = running.start("reset", "--yes")
        reset.communicate(timeout=120)
        shutil.rmtree(folder, ignore_errors=True)
