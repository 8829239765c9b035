"""The service under test."""

from __future__ import annotations

import pytest

from services.marketing.app import SERVICE
from shared.runtime.service import Service


@pytest.fixture(scope="session")
def service() -> Service:
    return SERVICE
