"""The service under test."""

from __future__ import annotations

import pytest

from services.marketing.app import SERVICE
from shared.ids import new_id
from shared.runtime.service import Service
from tests import kit


@pytest.fixture(scope="session")
def service() -> Service:
    return SERVICE


@pytest.fixture
async def source(api: kit.Api) -> str:
    """A source of this test alone."""
    code = f"s-{new_id()}"
    await api.put(f"/v1/sources/{code}", role="importer", json={"name": "A test"})
    return code
