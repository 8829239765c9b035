"""The distribution service on a real database."""

from __future__ import annotations

import pytest

from services.distribution.app import SERVICE
from shared.runtime.service import Service


@pytest.fixture(scope="session")
def service() -> Service:
    return SERVICE
