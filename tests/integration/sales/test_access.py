"""Every route of sales has a scope, and every scope somebody who holds it."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest

from services.sales.app import SERVICE
from shared.auth.access import AccessTable
from shared.events import language
from shared.http import app
from shared.ids import new_id
from tests import kit

ACCESS = AccessTable.load(SERVICE.folder / "access.yaml")
CELLS = list(itertools.product(sorted(ACCESS.routes), [*sorted(ACCESS.roles), "warehouse_operator"]))


def test_the_table_holds_exactly_the_live_routes_with_their_scopes():
    live = {f"{method} {path}": route.requirement.scope for method, path, route in app.routes(SERVICE.routers)}
    assert live == dict(ACCESS.routes)


def test_the_topics_are_those_that_sales_owns_and_hears():
    own = {language.type_of(event).name for event in language.declared() if language.type_of(event).producer == "sales"}
    assert ACCESS.produces == own
    assert ACCESS.consumes == {language.type_of(event).name for event in SERVICE.handlers}


@pytest.mark.parametrize(("route", "role"), CELLS)
async def test_a_role_enters_where_its_scopes_lead(api: kit.Api, route: str, role: str):
    method, _, template = route.partition(" ")
    path = re.sub(r"{\w+}", str(new_id()), template)
    body: dict[str, Any] = {"json": {}} if method == "POST" else {}
    answer = await api.call(method, path, role=role, if_match=1, **body)
    allowed = ACCESS.routes[route] in ACCESS.roles.get(role, frozenset())
    assert (answer.status_code == 403) != allowed, answer.text
    assert answer.status_code < 500
