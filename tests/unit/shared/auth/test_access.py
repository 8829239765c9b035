"""What the access table allows, and how it says what is wrong in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.auth.access import read_table
from shared.auth.failures import Misconfigured

TABLE = """
roles:
  lead_source: [leads:create, leads:read]
  ops: [health:read]
routes:
  POST /v1/leads: leads:create
  "GET /v1/leads/{lead_id}": leads:read
topics:
  produces: [marketing.leads]
  consumes: [sales.offers, handoff.decisions]
"""
READ = read_table(TABLE, source="access.yaml")


def test_a_caller_has_the_scopes_of_all_its_roles_and_none_of_unknown_ones():
    table = read_table(TABLE, source="access.yaml")
    assert table.scopes_of(["lead_source", "ops", "root"]) == {"leads:create", "leads:read", "health:read"}
    assert table.scopes_of(["root"]) == table.scopes_of([]) == frozenset()


@given(st.sets(st.sampled_from(["lead_source", "ops", "root"])), st.sets(st.sampled_from(["lead_source", "ops", "root"])))
def test_scopes_of_two_sets_of_roles_add_up(some: set[str], others: set[str]):
    assert READ.scopes_of(some | others) == READ.scopes_of(some) | READ.scopes_of(others)


def test_a_route_has_one_scope_and_topics_have_a_direction():
    table = read_table(TABLE, source="access.yaml")
    assert table.scope_of("post", "/v1/leads") == "leads:create"
    assert table.scope_of("GET", "/v1/leads/{lead_id}") == "leads:read"
    assert (table.produces, table.consumes) == ({"marketing.leads"}, {"sales.offers", "handoff.decisions"})


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/v1/leads"), ("GET", "/v1/leads"), ("GET", "/v1/leads/{id}")])
def test_a_route_that_is_not_listed_has_no_scope(method: str, path: str):
    with pytest.raises(Misconfigured, match=f"access.yaml: routes: no scope for {method}"):
        read_table(TABLE, source="access.yaml").scope_of(method, path)


def test_topics_may_be_absent():
    table = read_table("roles: {ops: [a:b]}\nroutes: {}\n", source="x")
    assert (table.produces, table.consumes) == (frozenset(), frozenset())


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "t.yaml:1: the table must be a mapping"),
        ("roles: [", "t.yaml:1: not YAML"),
        ("roles: {}\nroles: {}\n", "t.yaml:2: roles stands twice"),
        ("roles: {ops: [a:b]}\n", "t.yaml: routes is missing"),
        ("routes: {}\n", "t.yaml: roles is missing"),
        ("roles: {}\nroutes: {}\nroute: {}\n", "t.yaml:3: unknown key route in the table"),
        ("roles:\n  ops: a:b\nroutes: {}\n", "t.yaml:2: not a list: scope of ops"),
        ("roles:\n  ops: [everything]\nroutes: {}\n", "t.yaml:2: not a scope of ops: 'everything'"),
        ("roles:\n  ops: ['*:*']\nroutes: {}\n", "t.yaml:2: not a scope of ops"),
        ("roles:\n  ops:\n  - a:b\n  - a:b\nroutes: {}\n", "t.yaml:4: a:b stands twice"),
        ("roles:\n  Ops: [a:b]\nroutes: {}\n", "t.yaml:2: not a role: 'Ops'"),
        ("roles: {ops: [a:b]}\nroutes:\n  GET /v1/x: a:c\n", "t.yaml:3: scope a:c of GET /v1/x is held by no role"),
        ("roles: {ops: [a:b]}\nroutes:\n  GET v1/x: a:b\n", "t.yaml:3: not a route: 'GET v1/x'"),
        ("roles: {ops: [a:b]}\nroutes:\n  FETCH /v1/x: a:b\n", "t.yaml:3: not a route"),
        ("roles: {ops: [a:b]}\nroutes:\n  GET /v1/x:\n", "t.yaml:3: not a scope of GET /v1/x"),
        ("roles: {ops: [a:b]}\nroutes:\n  GET /v1/x: a:b\n  GET /v1/x: a:b\n", "t.yaml:4: GET /v1/x stands twice"),
        ("roles: {ops: [a:b]}\nroutes: {}\ntopics: [a]\n", "t.yaml:3: topics must be a mapping"),
        ("roles: {ops: [a:b]}\nroutes: {}\ntopics: {reads: [a]}\n", "t.yaml:3: unknown key reads in topics"),
        ("roles: {ops: [a:b]}\nroutes: {}\ntopics: {produces: [A B]}\n", "t.yaml:3: not a topic under produces: 'A B'"),
    ],
)
def test_a_wrong_table_names_line_and_key(text: str, fault: str):
    with pytest.raises(Misconfigured) as wrong:
        read_table(text, source="t.yaml")
    assert str(wrong.value).startswith(fault)
