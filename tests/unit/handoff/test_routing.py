"""Routing: one queue, with the reason."""

from dataclasses import replace
from datetime import timedelta

from services.handoff.routing import domain
from services.handoff.rulesets.domain import ResponsePolicy
from shared.cause import Actor, Cause
from shared.events import language
from shared.events.handoff.routing import LeadRouted
from tests.unit.handoff.factories import LEAD, NOON, an_id

REQUEST = domain.Request(
    lead_id=LEAD,
    decision_id=an_id("decision"),
    route_path="transactional",
    suggested_queue=None,
    policy=ResponsePolicy(),
    cause=Cause(actor=Actor(principal="test"), at=NOON, correlation_id=an_id("one"), causation_id=an_id("two")),
)


def test_a_qualified_lead_waits_in_the_default_queue():
    routing, told = domain.route(REQUEST)
    assert (routing.queue_code, routing.assignee_id, routing.attempt, routing.cause) == ("default", None, 1, "first")
    assert routing.reason_codes == ("no_roster", "default_queue")
    assert (told.queue_code, told.candidate_count, told.suggestion_followed) == ("default", 0, None)
    assert language.read(LeadRouted, language.write(told)) == told


def test_due_times_follow_the_policy_in_wall_time():
    routing, _ = domain.route(REQUEST)
    assert (routing.acceptance_due_at, routing.response_due_at) == (NOON + timedelta(hours=24), NOON + timedelta(hours=2))


def test_without_a_policy_no_clock_runs():
    _, told = domain.route(replace(REQUEST, policy=None))
    assert (told.acceptance_due_at, told.response_due_at, told.policy_code) == (None, None, "none")


def test_a_suggestion_is_noted_and_followed_only_where_it_can_be():
    followed, _ = domain.route(replace(REQUEST, suggested_queue="default"))
    ignored, told = domain.route(replace(REQUEST, suggested_queue="gold"))
    assert followed.suggestion_followed is True
    assert (ignored.suggestion_followed, ignored.queue_code, told.suggestion_followed) == (False, "default", False)
    assert ignored.reason_codes == ("no_roster", "default_queue", "suggestion_not_available")


def test_the_same_decision_is_routed_under_the_same_id():
    assert domain.route(REQUEST)[0].routing_id == domain.route(REQUEST)[0].routing_id
    assert domain.route(replace(REQUEST, decision_id=an_id("other")))[0].routing_id != domain.route(REQUEST)[0].routing_id
