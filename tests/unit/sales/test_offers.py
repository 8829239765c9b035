"""A lead is offered, taken or refused."""

from __future__ import annotations

from functools import reduce
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sales.offers import domain
from shared.errors import Invalid
from shared.events.sales.offers import RejectReason
from shared.ids import new_id
from tests.unit.sales import examples
from tests.unit.sales.examples import NOON, OTHER_REP, REP

LEAD = new_id()
NOTE = new_id()


def offered(attempt: int) -> domain.Offer:
    return domain.offer(examples.routed(LEAD, attempt=attempt), at=NOON, recorded_at=NOON)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6).flatmap(lambda attempts: st.permutations([offered(a) for a in attempts])))
def test_an_offer_does_not_depend_on_the_order_of_its_routings(routings: list[domain.Offer]):
    folded = reduce(domain.reroute, routings, None)
    ordered = reduce(domain.reroute, sorted(routings, key=lambda o: (o.attempt, o.routing_id)), None)
    twice = reduce(domain.reroute, [*routings, *routings], None)
    assert folded == ordered == twice


def test_a_routing_told_again_does_not_open_an_answered_offer():
    first = offered(1)
    taken, _ = domain.accept(first, by=examples.actor(REP), at=NOON)
    assert domain.reroute(taken, first) == taken


def test_a_higher_attempt_opens_the_offer_again_for_its_assignee():
    refused, _ = domain.reject(offered(1), domain.Reason(reason_code="no_need"), by=examples.actor(REP), at=NOON, note_id=NOTE)
    again = domain.reroute(refused, domain.offer(examples.routed(LEAD, attempt=2, assignee_id=OTHER_REP), at=NOON, recorded_at=NOON))
    assert (again.status, again.assignee_id, again.answered_at) == ("open", OTHER_REP, None)


def test_accepting_makes_the_person_the_assignee():
    taken, accepted = domain.accept(offered(1), by=examples.actor(REP), at=NOON)
    assert (taken.status, taken.assignee_id, taken.answered_at) == ("accepted", REP, NOON)
    assert (accepted.accepted_by_id, accepted.accepted_at, accepted.routing_id) == (REP, NOON, taken.routing_id)


@pytest.mark.parametrize("status", ["accepted", "rejected"])
def test_an_answered_offer_cannot_be_accepted(status: str):
    with pytest.raises(domain.OfferAlreadyAnswered):
        domain.accept(examples.offer(status=status), by=examples.actor(), at=NOON)


@pytest.mark.parametrize("status", ["accepted", "rejected"])
def test_an_answered_offer_cannot_be_rejected(status: str):
    with pytest.raises(domain.OfferAlreadyAnswered):
        domain.reject(examples.offer(status=status), domain.Reason(reason_code="no_need"), by=examples.actor(), at=NOON, note_id=NOTE)


def test_the_reason_other_needs_a_note():
    with pytest.raises(Invalid) as refused:
        domain.reject(offered(1), domain.Reason(reason_code="other"), by=examples.actor(), at=NOON, note_id=NOTE)
    assert [(error.field, error.code) for error in refused.value.errors] == [("/note", "NOTE_REQUIRED")]


def test_a_rejection_tells_the_id_of_its_note_and_never_the_text():
    reason = domain.Reason(reason_code="other", note="Knows our boss.")
    _, rejected = domain.reject(offered(1), reason, by=examples.actor(), at=NOON, note_id=NOTE)
    assert rejected.note_id == NOTE
    assert "boss" not in repr(rejected)


def test_a_rejection_without_note_names_none():
    _, rejected = domain.reject(offered(1), domain.Reason(reason_code="no_need"), by=examples.actor(), at=NOON, note_id=NOTE)
    assert rejected.note_id is None


def test_a_system_refuses_no_lead():
    with pytest.raises(domain.NobodyAnswers):
        domain.reject(offered(1), domain.Reason(reason_code="no_need"), by=examples.actor(None), at=NOON, note_id=NOTE)


def test_every_reason_suggests_what_to_do_and_the_person_may_differ():
    assert set(domain.DISPOSITIONS) == set(get_args(RejectReason))
    reason = domain.Reason(reason_code="competitor", suggested_disposition="re_route")
    _, rejected = domain.reject(offered(1), reason, by=examples.actor(), at=NOON, note_id=NOTE)
    assert rejected.suggested_disposition == "re_route"
