"""Sources, campaigns, channels and media over HTTP, against a real database."""

from __future__ import annotations

from typing import Any

import pytest

from shared.ids import derived_id, new_id
from tests import kit

KINDS = {"campaigns": "time_boxed", "channels": "retail"}


async def test_leads_come_from_registered_sources_only_and_fix_their_zone(api: kit.Api) -> None:
    path = f"/v1/sources/s-{new_id()}"
    code = path.rpartition("/")[2]
    put = await api.put(path, role="importer", json={"name": "Shop", "time_zone": "UTC"})
    assert put.json() == {"code": code, "name": "Shop", "time_zone": "UTC", "in_use": False, "version": 1}
    assert (await api.put(path, role="importer", json={"name": "Shop", "time_zone": "UTC"})).json()["version"] == 1
    moved = await api.put(path, role="importer", json={"name": "Shop", "time_zone": "America/Sao_Paulo"})
    assert (moved.json()["time_zone"], moved.json()["version"]) == ("America/Sao_Paulo", 2)
    await api.post("/v1/leads", role="importer", json={"source": code})
    refused = await api.put(path, role="importer", json={"name": "Shop", "time_zone": "UTC"})
    kit.problem(refused, 409, "SOURCE_IN_USE")
    renamed = await api.put(path, role="importer", json={"name": "Store", "time_zone": "America/Sao_Paulo"})
    assert (renamed.json()["name"], renamed.json()["in_use"]) == ("Store", True)
    assert (await api.get(path, role="reader")).json() == renamed.json()
    assert code in [source["code"] for source in (await api.get("/v1/sources", role="reader")).json()["items"]]


async def test_a_source_for_systems_without_one_is_there_from_the_start(api: kit.Api) -> None:
    assert (await api.get("/v1/sources/api", role="reader")).json()["time_zone"] == "UTC"


@pytest.mark.parametrize(
    ("code", "body", "field"),
    [
        ("shop", {"name": "Shop", "time_zone": "Mars/Base"}, "/time_zone"),
        ("shop", {"name": "Shop", "time_zone": "../etc/passwd"}, "/time_zone"),
        ("shop", {"name": ""}, "/name"),
        ("shop", {"name": "a\x00"}, "/name"),
        ("shop", {"name": "Shop", "more": 1}, "/more"),
        ("shop", {}, "/name"),
        ("a%20b", {"name": "Shop"}, "code"),
        ("x" * 65, {"name": "Shop"}, "code"),
    ],
)
async def test_a_bad_source_is_refused(api: kit.Api, code: str, body: dict[str, Any], field: str) -> None:
    kit.problem(await api.put(f"/v1/sources/{code}", role="importer", json=body), 422, "INVALID_CONTENT", field.removeprefix("."))


async def test_sources_have_their_scopes_and_unknown_ones_are_not_found(api: kit.Api) -> None:
    kit.problem(await api.put("/v1/sources/shop", role="reader", json={"name": "Shop"}), 403, "SCOPE_MISSING")
    kit.problem(await api.get("/v1/sources", role="sales_rep"), 403, "SCOPE_MISSING")
    kit.problem(await api.get("/v1/sources/nobody", role="reader"), 404, "NOT_FOUND")


@pytest.mark.parametrize("kind", KINDS)
async def test_campaigns_and_channels_are_registered_once(api: kit.Api, kind: str) -> None:
    one = kind.removesuffix("s")
    body = {"code": f"c-{new_id()}", "name": "One", "kind": KINDS[kind], "medium": "email"}
    first = await api.post(f"/v1/{kind}", role="marketing_manager", json=body)
    assert (first.status_code, first.headers["ETag"]) == (201, '"v1"')
    thing_id = first.json()[f"{one}_id"]
    assert thing_id == str(derived_id("marketing", one, body["code"]))
    again = await api.post(f"/v1/{kind}", role="marketing_manager", json=body)
    assert again.json() == first.json()
    differs = f"{one.upper()}_DIFFERS"
    for other in ({"name": "Two"}, {"medium": None}, {f"{one}_id": str(new_id())}, {"code": f"d-{new_id()}", f"{one}_id": thing_id}):
        kit.problem(await api.post(f"/v1/{kind}", role="marketing_manager", json=body | other), 409, differs)
    assert (await api.get(f"/v1/{kind}/{thing_id}", role="reader")).json() == first.json()


@pytest.mark.parametrize("kind", KINDS)
async def test_campaigns_and_channels_are_listed_page_by_page(api: kit.Api, kind: str) -> None:
    codes = {f"c-{new_id()}" for _ in range(3)}
    for code in codes:
        await api.post(f"/v1/{kind}", role="importer", json={"code": code, "name": "One", "kind": KINDS[kind]})
    found: list[str] = []
    params: dict[str, Any] = {"page_size": 2}
    while True:
        page = (await api.get(f"/v1/{kind}", role="reader", params=params)).json()
        found += [item["code"] for item in page["items"]]
        if not page["next"]:
            break
        params["cursor"] = page["next"]
    assert codes <= set(found)
    assert len(found) == len(set(found))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("other", "field"),
    [
        ({"kind": "no_such_kind"}, "/kind"),
        ({"medium": "pigeon"}, "/medium"),
        ({"code": ""}, "/code"),
        ({"code": "a\x00"}, "/code"),
        ({"name": "x" * 201}, "/name"),
        ({"more": 1}, "/more"),
    ],
)
async def test_a_bad_campaign_or_channel_is_refused(api: kit.Api, kind: str, other: dict[str, Any], field: str) -> None:
    body = {"code": "c", "name": "One", "kind": KINDS[kind]} | other
    kit.problem(await api.post(f"/v1/{kind}", role="importer", json=body), 422, "INVALID_CONTENT", field)


@pytest.mark.parametrize("kind", KINDS)
async def test_campaigns_and_channels_have_their_scopes_and_unknown_ones_are_not_found(api: kit.Api, kind: str) -> None:
    kit.problem(await api.post(f"/v1/{kind}", role="reader", json={}), 403, "SCOPE_MISSING")
    kit.problem(await api.get(f"/v1/{kind}", role="lead_source"), 403, "SCOPE_MISSING")
    kit.problem(await api.get(f"/v1/{kind}/{new_id()}", role="reader"), 404, "NOT_FOUND")
    kit.problem(await api.get(f"/v1/{kind}/x", role="reader"), 422, "INVALID_CONTENT")
    key, body = new_id(), {"code": f"c-{new_id()}", "name": "One", "kind": KINDS[kind]}
    await api.post(f"/v1/{kind}", role="importer", json=body, key=key)
    kit.problem(await api.post(f"/v1/{kind}", role="importer", json=body | {"name": "Two"}, key=key), 422, "IDEMPOTENCY_KEY_REUSED")


async def test_the_table_of_media_can_be_changed(api: kit.Api) -> None:
    async def medium_of(utm_medium: str) -> str:
        lead = (await api.post("/v1/leads", role="importer", json={"utm_medium": utm_medium})).json()
        return (await api.get(f"/v1/leads/{lead['lead_id']}", role="importer")).json()["medium"]

    assert await medium_of("PPC ") == "advertising"
    assert await medium_of("skywriting") == "unregistered"
    put = await api.put("/v1/utm-mediums/SkyWriting", role="marketing_manager", json={"medium": "advertising"})
    assert put.json() == {"utm_medium": "skywriting", "medium": "advertising"}
    assert await medium_of("Skywriting") == "advertising"
    assert put.json() in (await api.get("/v1/utm-mediums", role="reader")).json()["items"]


@pytest.mark.parametrize(
    ("utm_medium", "body", "field"),
    [
        ("x", {"medium": "pigeon"}, "/medium"),
        ("x", {}, "/medium"),
        ("%20", {"medium": "tv"}, "utm_medium"),
        ("x", {"medium": "tv", "a": 1}, "/a"),
    ],
)
async def test_a_bad_medium_is_refused(api: kit.Api, utm_medium: str, body: dict[str, Any], field: str) -> None:
    kit.problem(await api.put(f"/v1/utm-mediums/{utm_medium}", role="importer", json=body), 422, "INVALID_CONTENT", field)
    kit.problem(await api.put(f"/v1/utm-mediums/{utm_medium}", role="reader", json=body), 403, "SCOPE_MISSING")
