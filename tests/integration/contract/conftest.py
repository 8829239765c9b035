"""All four services in turn."""

from __future__ import annotations

import pytest

from shared.runtime.service import Service
from tests.contract import documents


@pytest.fixture(scope="module", params=documents.services().values(), ids=lambda service: service.name)
def service(request: pytest.FixtureRequest) -> Service:
    return request.param
