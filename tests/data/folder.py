"""Where the real data lie. They are no part of the project."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.stack import PROJECT


def find() -> Path:
    """The folder of the real data: BATON_DATA, else ../shared/data beside the project. Its absence fails the test and says what to do."""
    folder = Path(os.environ.get("BATON_DATA") or PROJECT.parent / "shared" / "data").resolve()
    if not (folder / "expected.json").is_file():
        pytest.fail(f"the real data are not at {folder}: set BATON_DATA to the folder that holds expected.json", pytrace=False)
    return folder


def paths(folder: Path, names: Sequence[str]) -> list[str]:
    """Files of the real data as arguments."""
    return [str(folder / name) for name in names]
