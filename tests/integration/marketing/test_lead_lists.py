"""Reading leads, alone and in lists."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.ids import new_id
from tests import kit
from tests.integration.marketing.capturing import batch


@pytest.mark.parametrize("path", ["/v1/leads/{}", "/v1/subjects/{}/contact", "/v1/subjects/{}/consents"])
async def test_what_is_not_there_is_not_found(api: kit.Api, path: str) -> None:
    roles = ["reader", "sales_rep"]
    kit.problem(await api.get(path.format(new_id()), role=roles), 404, "NOT_FOUND")
    kit.problem(await api.get(path.format("x"), role=roles), 422, "INVALID_CONTENT")


async def test_a_lead_source_sees_only_what_it_captured(api: kit.Api, source: str) -> None:
    response = await api.post("/v1/leads", role="lead_source", sub="form", json={"source": source})
    path = f"/v1/leads/{response.json()['lead_id']}"
    assert (await api.get(path, role="lead_source", sub="form")).status_code == 200
    kit.problem(await api.get(path, role="lead_source", sub="other form"), 404, "NOT_FOUND")
    assert (await api.get(path, role="marketing_manager", sub="boss")).status_code == 200
    kit.problem(await api.get("/v1/leads", role="lead_source", sub="form"), 403, "SCOPE_MISSING")


async def test_a_list_shows_what_was_asked_for_page_by_page(api: kit.Api, source: str) -> None:
    campaign = (
        await api.post("/v1/campaigns", role="importer", json={"code": source, "name": "C", "kind": "always_on", "medium": "email"})
    ).json()["campaign_id"]
    channel = (await api.post("/v1/channels", role="importer", json={"code": source, "name": "C", "kind": "retail"})).json()["channel_id"]
    start = datetime(2026, 1, 1, tzinfo=UTC)
    await batch(
        api,
        *(
            {
                "source": source,
                "external_id": f"{n}",
                "occurred_at": (start + timedelta(days=n)).isoformat(),
                "campaign_code": source if n % 2 else None,
                "channel_id": None if n % 2 else channel,
            }
            for n in range(7)
        ),
    )

    async def listed(**chosen: Any) -> set[str]:
        found: list[str] = []
        params = {"source": source, "page_size": 2} | chosen
        while True:
            page = (await api.get("/v1/leads", role="reader", params=params)).json()
            assert len(page["items"]) <= 2
            found += [item["external_id"] for item in page["items"]]
            if not page["next"]:
                assert len(found) == len(set(found))
                return set(found)
            params["cursor"] = page["next"]

    assert await listed() == {"0", "1", "2", "3", "4", "5", "6"}
    assert await listed(campaign_id=campaign) == {"1", "3", "5"}
    assert await listed(channel_id=channel) == {"0", "2", "4", "6"}
    assert await listed(captured_from="2026-01-03T00:00:00Z", captured_to="2026-01-05T00:00:00Z") == {"2", "3"}
    assert await listed(lifecycle_stage="lead") == {"0", "1", "2", "3", "4", "5", "6"}
    assert await listed(lifecycle_stage="customer") == set()
    by_medium = (await api.get("/v1/leads", role="reader", params={"campaign_id": campaign})).json()["items"]
    assert {item["medium"] for item in by_medium} == {"email"}


@pytest.mark.parametrize(
    ("params", "status", "code"),
    [
        ({"lifecycle_stage": "saint"}, 422, "INVALID_CONTENT"),
        ({"campaign_id": "x"}, 422, "INVALID_CONTENT"),
        ({"captured_from": "2026-01-01"}, 422, "INVALID_CONTENT"),
        ({"page_size": "0"}, 422, "INVALID_CONTENT"),
        ({"page_size": "many"}, 422, "INVALID_CONTENT"),
        ({"cursor": "abc"}, 400, "INVALID_CURSOR"),
    ],
)
async def test_a_list_refuses_what_it_does_not_understand(api: kit.Api, params: dict[str, str], status: int, code: str) -> None:
    kit.problem(await api.get("/v1/leads", role="reader", params=params), status, code)


async def test_a_cursor_belongs_to_its_list_and_caller(api: kit.Api, source: str) -> None:
    await batch(api, {"source": source}, {"source": source})
    params = {"source": source, "page_size": 1}
    cursor = (await api.get("/v1/leads", role="reader", params=params)).json()["next"]
    kit.problem(await api.get("/v1/leads", role="reader", params={"page_size": 1, "cursor": cursor}), 400, "INVALID_CURSOR")
    kit.problem(await api.get("/v1/leads", role="reader", sub="thief", params=params | {"cursor": cursor}), 400, "INVALID_CURSOR")
