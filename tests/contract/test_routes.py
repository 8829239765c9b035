"""What may be called, and by whom: the live routes are those of the access table, and the documents say all that a caller needs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest
from fastapi import APIRouter

from baton.ops import tokens
from shared.auth.access import AccessTable
from shared.db.transaction import Database
from shared.http import app as public
from shared.http import edge
from shared.http.edge import EdgeRoute
from shared.runtime.service import Service
from tests import kit
from tests.contract import documents

SERVICES = documents.services()
TABLES = {name: AccessTable.load(service.folder / "access.yaml") for name, service in SERVICES.items()}
ROLES = sorted({role for table in TABLES.values() for role in table.roles} | {"nobody"})
SOME_ID = UUID("0190d1f0-0000-7000-8000-000000000001")
NOWHERE = "postgresql+asyncpg://nobody:nothing@127.0.0.1:1/nowhere"

MEASURED_LATER = ("Rule-Input.when",)
"""Texts whose length the domain checks, because its answer names more than the field: the rule."""

each_service = pytest.mark.parametrize("name", SERVICES)


def live(service: Service) -> dict[str, EdgeRoute]:
    """The routes of a service as the application would serve them: `METHOD /path` to route."""
    return {f"{method} {path}": route for method, path, route in public.routes(service.routers)}


def differences(service: Service, table: AccessTable) -> list[str]:
    """Where the live routes and the access table disagree: on what exists, or on the scope that it needs."""
    served = {route: found.requirement.scope for route, found in live(service).items()}
    return sorted(route for route in served.keys() | table.routes.keys() if served.get(route) != table.routes.get(route))


def operations(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(`METHOD /path`, operation) of a service's document."""
    for path, methods in documents.openapi(SERVICES[name])["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signing key of this module."""
    folder = tmp_path_factory.mktemp("keys")
    tokens.keygen(folder)
    return folder


@pytest.fixture(scope="module")
async def callers(keys: Path) -> AsyncIterator[dict[str, kit.Api]]:
    """Each service in-process, without a database behind it: whoever is let through is told so by a 503."""
    apis: dict[str, kit.Api] = {}
    opened: list[tuple[Database, httpx2.AsyncClient]] = []
    for name, service in SERVICES.items():
        database = Database(NOWHERE, service=name)
        transport = httpx2.ASGITransport(app=kit.application(service, database, keys))
        client = httpx2.AsyncClient(transport=transport, base_url="http://service")
        apis[name] = kit.Api(service, client, keys)
        opened.append((database, client))
    yield apis
    for database, client in opened:
        await client.aclose()
        await database.close()


@each_service
def test_the_live_routes_are_those_of_the_access_table(name: str) -> None:
    assert len(live(SERVICES[name])) >= 5
    assert differences(SERVICES[name], TABLES[name]) == []


def test_a_route_that_the_table_does_not_know_would_be_noticed() -> None:
    (name, service), *_ = SERVICES.items()
    route, scope = next(iter(TABLES[name].routes.items()))
    table = AccessTable(
        source="planted", roles={}, routes={**TABLES[name].routes, route: "other:scope"}, produces=frozenset(), consumes=frozenset()
    )
    assert differences(service, table) == [route]
    less = {known: needed for known, needed in TABLES[name].routes.items() if known != route}
    table = AccessTable(source="planted", roles={}, routes=less, produces=frozenset(), consumes=frozenset())
    assert differences(service, table) == [route], scope


def test_a_route_without_a_scope_does_not_start() -> None:
    router = edge.router()
    with pytest.raises(TypeError):

        @router.get("/things")
        async def things() -> None:
            """Nobody asked for a scope."""

    plain = APIRouter()
    plain.get("/things")(lambda: None)
    with pytest.raises(TypeError):
        public.routes([plain])


@each_service
def test_every_scope_is_held_by_a_role_and_every_role_holds_scopes_of_routes(name: str) -> None:
    table = TABLES[name]
    held = frozenset().union(*table.roles.values())
    assert held == set(table.routes.values()) | set(table.internal.values())


@each_service
def test_whoever_reads_only_holds_only_scopes_to_read(name: str) -> None:
    reader = TABLES[name].roles["reader"]
    assert reader
    assert {scope for scope in reader if scope.rpartition(":")[2] not in {"read", "list"}} == set()
    assert "contacts:read" not in reader


@each_service
async def test_every_route_answers_every_role_as_the_table_says(name: str, callers: dict[str, kit.Api]) -> None:
    api = callers[name]
    cells = 0
    for route, scope in TABLES[name].routes.items():
        method, _, template = route.partition(" ")
        path = _filled(template)
        kit.problem(await api.call(method, path), 401, "INVALID_TOKEN")
        for role in ROLES:
            response = await api.call(method, path, role=role, if_match=1, json=None if method == "GET" else {})
            if scope in TABLES[name].scopes_of([role]):
                kit.problem(response, 503, "DATABASE_UNAVAILABLE")
            else:
                kit.problem(response, 403, "SCOPE_MISSING")
            cells += 1
    assert cells == len(TABLES[name].routes) * len(ROLES)


@each_service
async def test_a_token_for_another_service_opens_nothing(name: str, callers: dict[str, kit.Api], keys: Path) -> None:
    api = callers[name]
    foreign = tokens.issue(keys, issuer=kit.ISSUER, roles=ROLES, sub="somebody", aud="loyalty")
    for route in TABLES[name].routes:
        method, _, template = route.partition(" ")
        response = await api.call(method, _filled(template), headers={"Authorization": f"Bearer {foreign}"})
        kit.problem(response, 401, "INVALID_TOKEN")


@each_service
async def test_what_is_not_served_is_a_problem_too(name: str, callers: dict[str, kit.Api]) -> None:
    api = callers[name]
    kit.problem(await api.get("/v1/nothing-here", role="reader"), 404, "NO_SUCH_ROUTE")
    template = next(route.partition(" ")[2] for route in TABLES[name].routes if route.startswith("GET "))
    refused = await api.call("DELETE", _filled(template), role="reader")
    kit.problem(refused, 405, "METHOD_NOT_ALLOWED")
    assert "GET" in refused.headers["allow"]


@each_service
async def test_a_command_needs_its_key(name: str, callers: dict[str, kit.Api]) -> None:
    api = callers[name]
    for route, scope in TABLES[name].routes.items():
        method, _, template = route.partition(" ")
        if method == "POST":
            role = next(role for role, scopes in TABLES[name].roles.items() if scope in scopes)
            token = {"Authorization": f"Bearer {api.token(role)}"}
            response = await api.client.request(method, _filled(template), headers=token, json={})
            kit.problem(response, 400, "IDEMPOTENCY_KEY_REQUIRED")


@each_service
def test_the_document_has_every_route_and_no_other(name: str) -> None:
    assert {route for route, _ in operations(name)} == set(live(SERVICES[name]))


@each_service
def test_every_command_documents_its_key_and_its_version(name: str) -> None:
    for route, operation in operations(name):
        headers = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "header" and parameter["required"]}
        found = live(SERVICES[name])[route]
        expected = {"Idempotency-Key"} if route.startswith("POST ") else set[str]()
        assert headers == expected | ({"If-Match"} if found.requirement.if_match else set()), route


@each_service
def test_every_error_is_documented_as_a_problem(name: str) -> None:
    document = documents.openapi(SERVICES[name])
    assert set(document["components"]["schemas"]["Problem"]["required"]) >= {"type", "title", "status", "code", "detail", "errors"}
    for route, operation in operations(name):
        errors = {status: answer for status, answer in operation["responses"].items() if not status.startswith("2")}
        assert "default" in errors, route
        for status, answer in errors.items():
            assert answer["content"] == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}, (route, status)


@each_service
def test_every_route_says_what_it_does_who_may_and_what_it_answers(name: str) -> None:
    document = documents.openapi(SERVICES[name])
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for route, operation in operations(name):
        assert operation["description"], route
        assert operation["security"] == [{"bearer": [TABLES[name].routes[route]]}], route
        answers = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
        assert answers, route
        assert all(answer["content"]["application/json"]["schema"] for answer in answers), route


@each_service
def test_no_input_is_without_bounds(name: str) -> None:
    """Texts of a body have a greatest length, lists a greatest number, and unknown fields are refused; no input is an address to fetch."""
    document = documents.openapi(SERVICES[name])
    found: list[str] = []
    for route, operation in operations(name):
        if "requestBody" in operation:
            body = operation["requestBody"]["content"]["application/json"]["schema"]
            found += unbounded(body, document["components"]["schemas"], route)
    assert found == []


def test_an_input_without_bounds_would_be_noticed() -> None:
    things = {"type": "array", "items": {"type": "string"}}
    body = {"type": "object", "properties": {"things": things, "link": {"type": "string", "format": "uri"}}}
    assert len(unbounded(body, {}, "POST /v1/things")) == 4


def unbounded(body: dict[str, Any], schemas: dict[str, Any], route: str) -> list[str]:
    """Parts of a request body that take anything, any number of things, a text of any length, or an address."""
    found: list[str] = []
    for at, part in _parts(body, schemas, route):
        kind = part.get("type")
        if kind == "object" and "properties" in part and part.get("additionalProperties") is not False:
            found.append(f"{at} takes any field")
        if kind == "array" and "maxItems" not in part:
            found.append(f"{at} takes any number")
        if kind == "string" and not at.endswith(MEASURED_LATER) and not part.keys() & {"maxLength", "pattern", "format", "enum", "const"}:
            found.append(f"{at} takes any length")
        if part.get("format") in {"uri", "url"}:
            found.append(f"{at} takes an address")
    return found


def _parts(schema: dict[str, Any], schemas: dict[str, Any], at: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        yield from _parts(schemas[name], schemas, f"{at} {name}")
        return
    yield at, schema
    for name, part in schema.get("properties", {}).items():
        yield from _parts(part, schemas, f"{at}.{name}")
    for word in ("items", "additionalProperties", "propertyNames"):
        if isinstance(schema.get(word), dict):
            yield from _parts(schema[word], schemas, f"{at}[]")
    choices = schema.get("anyOf", []) + schema.get("oneOf", [])
    decimal = any(choice.get("type") == "number" for choice in choices)  # its text form has as many digits as the number
    for part in [choice for choice in choices if not (decimal and choice.get("type") == "string")]:
        yield from _parts(part, schemas, at)


def _filled(template: str) -> str:
    parts = [str(SOME_ID) if part.endswith("_id}") else "some-code" if part.startswith("{") else part for part in template.split("/")]
    return "/".join(parts)
