"""Rule sets over HTTP, bad input included."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from shared.db.transaction import Database
from shared.ids import new_id
from tests.kit import Api, problem

RULES = [
    {"code": "country_known", "axis": "fit", "when": 'lead.country != ""', "points": "30", "group": "market"},
    {"code": "asked", "axis": "engagement", "when": "lead.customer_initiated", "points": "40"},
    {"code": "not_a_machine", "axis": "engagement", "when": 'lead.verification != "bot"', "kind": "gate"},
]


def content(**overrides: Any) -> dict[str, Any]:
    return {"name": "Criteria", "rules": RULES} | overrides


async def drafted(api: Api, **overrides: Any) -> dict[str, Any]:
    response = await api.post("/v1/rule-sets", role="rules_editor", sub="ed", json=content(**overrides))
    assert response.status_code == 201, response.text
    return response.json()


async def act(api: Api, verb: str, rule_set_id: Any, version: int | None = 1, sub: str = "pat", **options: Any) -> Any:
    role = ["rules_editor", "rules_approver"]
    return await api.post(f"/v1/rule-sets/{rule_set_id}/{verb}", role=role, sub=sub, if_match=version, json={}, **options)


async def test_a_draft_is_written_with_the_customary_terms(api: Api):
    response = await api.post("/v1/rule-sets", role="rules_editor", json=content())
    assert (response.status_code, response.headers["etag"]) == (201, '"v1"')
    body = response.json()
    assert (body["status"], body["number"], body["terms"]["upper_cut"], body["terms"]["policy"]["acceptance_hours"]) == (
        "draft",
        None,
        "70",
        24,
    )
    shown = await api.get(f"/v1/rule-sets/{body['rule_set_id']}", role="reader")
    assert shown.json() == body


async def test_a_draft_is_revised_published_by_another_and_replaces_what_was_in_force(api: Api, in_force: Database):
    before = (await api.get("/v1/rule-sets?status=published", role="reader")).json()["items"]
    draft = await drafted(api)
    path = f"/v1/rule-sets/{draft['rule_set_id']}"
    revised = await api.put(path, role="rules_editor", sub="ed", if_match=1, json=content(name="Better"))
    assert (revised.status_code, revised.json()["name"], revised.headers["etag"]) == (200, "Better", '"v2"')
    published = await act(api, "publish", draft["rule_set_id"], 2)
    assert (published.status_code, published.json()["status"]) == (200, "published")
    assert published.json()["number"] == before[0]["number"] + 1
    after = (await api.get("/v1/rule-sets?status=published", role="reader")).json()["items"]
    assert [one["rule_set_id"] for one in after] == [draft["rule_set_id"]]
    replaced = (await api.get(f"/v1/rule-sets/{before[0]['rule_set_id']}", role="reader")).json()
    assert replaced["status"] == "archived"


async def test_an_author_may_not_publish_the_own_draft(api: Api):
    draft = await drafted(api)
    problem(await act(api, "publish", draft["rule_set_id"], sub="ed"), 403, "SELF_APPROVAL")


async def test_whoever_revised_a_draft_may_not_publish_it(api: Api):
    draft = await drafted(api)
    path = f"/v1/rule-sets/{draft['rule_set_id']}"
    assert (await api.put(path, role="rules_editor", sub="pat", if_match=1, json=content())).status_code == 200
    problem(await act(api, "publish", draft["rule_set_id"], 2), 403, "SELF_APPROVAL")


async def test_what_was_published_never_changes(api: Api, in_force: Database):
    draft = await drafted(api)
    published = (await act(api, "publish", draft["rule_set_id"])).json()
    path, version = f"/v1/rule-sets/{draft['rule_set_id']}", published["version"]
    problem(await api.put(path, role="rules_editor", if_match=version, json=content()), 409, "RULE_SET_NOT_DRAFT")
    problem(await act(api, "publish", draft["rule_set_id"], version), 409, "RULE_SET_NOT_DRAFT")
    problem(await act(api, "archive", draft["rule_set_id"], version), 409, "RULE_SET_IN_FORCE")


async def test_of_rule_sets_published_at_the_same_moment_one_is_in_force(api: Api, in_force: Database):
    drafts = [await drafted(api) for _ in range(3)]
    answers = await asyncio.gather(*(act(api, "publish", draft["rule_set_id"]) for draft in drafts))
    assert {answer.status_code for answer in answers} <= {200, 409}
    published = [answer.json()["number"] for answer in answers if answer.status_code == 200]
    assert published
    assert len(set(published)) == len(published)
    (current,) = (await api.get("/v1/rule-sets?status=published", role="reader")).json()["items"]
    assert current["number"] == max(published)


async def test_a_draft_is_given_up_once(api: Api):
    draft = await drafted(api)
    archived = await act(api, "archive", draft["rule_set_id"])
    assert (archived.status_code, archived.json()["status"]) == (200, "archived")
    problem(await act(api, "archive", draft["rule_set_id"], 2), 409, "RULE_SET_ARCHIVED")
    problem(await act(api, "publish", draft["rule_set_id"], 2), 409, "RULE_SET_NOT_DRAFT")


@pytest.mark.parametrize(
    ("when", "code", "line", "column"),
    [
        ("lead.country ==", "CONDITION_SYNTAX", 1, 16),
        ("lead.shoe_size > 40.0", "CONDITION_UNKNOWN_NAME", 1, 5),
        ("true &&\n  lead.expected_value > 1", "CONDITION_TYPES", 2, 23),
        ("lead.country", "CONDITION_NOT_BOOLEAN", 1, 1),
        ('text.industry == "retail"', "CONDITION_FAILS", 1, 1),
        ("true || " * 200 + "true", "CONDITION_TOO_LONG", 1, 1),
    ],
)
async def test_a_condition_that_cannot_be_used_is_named_with_rule_line_and_column(api: Api, when: str, code: str, line: int, column: int):
    rules = [*RULES, {"code": "new_rule", "axis": "fit", "when": when, "points": 5}]
    response = await api.post("/v1/rule-sets", role="rules_editor", json=content(rules=rules))
    (error,) = problem(response, 422, code, "/rules/3/when")["errors"]
    assert {name: error["details"][name] for name in ("rule", "line", "column")} == {"rule": "new_rule", "line": line, "column": column}


async def test_a_draft_is_not_half_revised_by_a_bad_condition(api: Api):
    draft = await drafted(api)
    path = f"/v1/rule-sets/{draft['rule_set_id']}"
    bad = content(name="Worse", rules=[RULES[0] | {"when": "nope"}])
    problem(await api.put(path, role="rules_editor", if_match=1, json=bad), 422, "CONDITION_UNKNOWN_NAME", "/rules/0/when")
    assert (await api.get(path, role="reader")).json() == draft


@pytest.mark.parametrize("unreadable", ["\x00", "\ud800", "true \udfff\ud800"])
async def test_a_condition_that_is_no_text_is_refused(api: Api, unreadable: str):
    body = json.dumps(content(rules=[RULES[0] | {"when": unreadable}])).encode()
    response = await api.post("/v1/rule-sets", role="rules_editor", content=body, headers={"Content-Type": "application/json"})
    problem(response, 422, "CONDITION_SYNTAX", "/rules/0/when")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"rules": RULES}, "/name"),
        (content(name=7), "/name"),
        (content(name=""), "/name"),
        (content(name="nul\x00"), "/name"),
        (content(colour="red"), "/colour"),
        (content(rules="all"), "/rules"),
        (content(rules=[RULES[0] | {"axis": "luck"}]), "/rules/0/axis"),
        (content(rules=[RULES[0] | {"points": "many"}]), "/rules/0/points"),
        (content(rules=[RULES[0] | {"points": "NaN"}]), "/rules/0/points"),
        (content(rules=[RULES[0] | {"colour": "red"}]), "/rules/0/colour"),
        (content(rules=[RULES[0] | {"code": "with\x00nul"}]), "/rules/0/code"),
        (content(rules=[RULES[0] | {"points": 0}]), "/rules/0/points"),
        (content(rules=[RULES[0], RULES[0]]), "/rules/1/code"),
        (content(rules=[]), "/rules"),
        (content(terms={"colour": "red"}), "/terms/colour"),
        (content(terms={"upper_cut": "10"}), "/terms/upper_cut"),
        (content(terms={"readiness_gate": "eager"}), "/terms/readiness_gate"),
        (content(terms={"policy": {"response_hours": 0}}), "/terms/policy/response_hours"),
        (content(occurred_at="yesterday"), "/occurred_at"),
        (content(occurred_at="2999-01-01T00:00:00Z"), "/occurred_at"),
    ],
)
async def test_wrong_content_is_refused_naming_the_field(api: Api, body: dict[str, Any], field: str):
    response = await api.post("/v1/rule-sets", role="rules_editor", json=body)
    assert response.status_code == 422, response.text
    assert field in [error["field"] for error in response.json()["errors"]], response.text
    draft = await drafted(api)
    revised = await api.put(f"/v1/rule-sets/{draft['rule_set_id']}", role="rules_editor", if_match=1, json=body)
    assert revised.status_code == 422, revised.text


async def test_broken_json_is_no_rule_set(api: Api):
    response = await api.post("/v1/rule-sets", role="rules_editor", content=b'{"name": ', headers={"Content-Type": "application/json"})
    problem(response, 400, "MALFORMED_JSON")


async def test_unknown_rule_sets_are_not_found(api: Api):
    unknown = new_id()
    problem(await api.get(f"/v1/rule-sets/{unknown}", role="reader"), 404, "NOT_FOUND")
    problem(await api.put(f"/v1/rule-sets/{unknown}", role="rules_editor", if_match=1, json=content()), 404, "NOT_FOUND")
    for verb in ("publish", "archive"):
        problem(await act(api, verb, unknown), 404, "NOT_FOUND")


async def test_an_id_that_is_none_is_refused(api: Api):
    for verb in ("publish", "archive"):
        assert (await act(api, verb, "seven")).status_code == 422
    assert (await api.get("/v1/rule-sets/seven", role="reader")).status_code == 422
    assert (await api.get("/v1/rule-sets?status=torn", role="reader")).status_code == 422


async def test_the_version_that_was_seen_must_be_named_and_present(api: Api):
    draft = await drafted(api)
    path = f"/v1/rule-sets/{draft['rule_set_id']}"
    problem(await api.put(path, role="rules_editor", json=content()), 428, "IF_MATCH_REQUIRED")
    problem(await api.put(path, role="rules_editor", if_match=9, json=content()), 412, "STALE")
    for verb in ("publish", "archive"):
        problem(await act(api, verb, draft["rule_set_id"], None), 428, "IF_MATCH_REQUIRED")
        stale = await act(api, verb, draft["rule_set_id"], 9)
        problem(stale, 412, "STALE")
        assert stale.headers["etag"] == '"v1"'


async def test_unknown_fields_of_a_transition_are_refused(api: Api):
    draft = await drafted(api)
    for verb, role in (("publish", "rules_approver"), ("archive", "rules_editor")):
        response = await api.post(f"/v1/rule-sets/{draft['rule_set_id']}/{verb}", role=role, if_match=1, json={"loudly": True})
        problem(response, 422, "INVALID_CONTENT", "/loudly")


async def test_a_key_gives_one_effect_and_belongs_to_one_request(api: Api):
    key = new_id()
    first = await api.post("/v1/rule-sets", role="rules_editor", key=key, json=content())
    again = await api.post("/v1/rule-sets", role="rules_editor", key=key, json=content())
    assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
    problem(await api.post("/v1/rule-sets", role="rules_editor", key=key, json=content(name="Other")), 422, "IDEMPOTENCY_KEY_REUSED")
    draft = first.json()["rule_set_id"]
    assert (await act(api, "archive", draft, key=key)).status_code == 200
    problem(await act(api, "archive", (await drafted(api))["rule_set_id"], key=key), 422, "IDEMPOTENCY_KEY_REUSED")


async def test_scopes_are_separate(api: Api):
    draft = await drafted(api)
    path = f"/v1/rule-sets/{draft['rule_set_id']}"
    problem(await api.post("/v1/rule-sets", role="rules_approver", json=content()), 403, "SCOPE_MISSING")
    problem(await api.put(path, role="reader", if_match=1, json=content()), 403, "SCOPE_MISSING")
    problem(await api.post(f"{path}/publish", role="rules_editor", if_match=1, json={}), 403, "SCOPE_MISSING")
    problem(await api.post(f"{path}/archive", role="rules_approver", if_match=1, json={}), 403, "SCOPE_MISSING")
    problem(await api.get(path, role="account_manager"), 403, "SCOPE_MISSING")
    problem(await api.get(path), 401, "INVALID_TOKEN")


async def test_a_list_is_read_page_by_page(api: Api):
    ids = {(await drafted(api))["rule_set_id"] for _ in range(3)}
    seen: list[str] = []
    path = "/v1/rule-sets?status=draft&page_size=2"
    cursor = ""
    while True:
        page = (await api.get(path + cursor, role="reader")).json()
        seen += [one["rule_set_id"] for one in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert len(seen) == len(set(seen))
    assert ids <= set(seen)
    problem(await api.get("/v1/rule-sets?cursor=forged", role="reader"), 400, "INVALID_CURSOR")
