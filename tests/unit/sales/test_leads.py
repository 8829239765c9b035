"""What counts of several decisions about a lead."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.sales.leads import domain
from shared.ids import new_id
from tests.unit.sales import examples
from tests.unit.sales.examples import NOON

LEAD = new_id()


def decisions() -> st.SearchStrategy[list[domain.Decision]]:
    minutes_and_ids = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**128 - 1)), max_size=6, unique_by=lambda pair: pair[1])
    return minutes_and_ids.map(lambda pairs: [_decision(minutes, UUID(int=number)) for minutes, number in pairs])


def _decision(minutes: int, decision_id: UUID) -> domain.Decision:
    event = examples.disqualified(LEAD, decision_id=decision_id, decided_at=NOON + timedelta(minutes=minutes))
    return domain.disqualified(event, recorded_at=NOON)


@given(decisions().flatmap(lambda told: st.tuples(st.just(told), st.permutations(told))))
def test_the_decision_that_counts_does_not_depend_on_the_order_of_arrival(told: tuple[list[domain.Decision], list[domain.Decision]]):
    as_made, as_arrived = told
    assert domain.latest(as_arrived) == domain.latest(as_made)


def test_the_latest_decision_counts_even_if_it_says_less():
    lead = domain.learned(examples.generated(LEAD), recorded_at=NOON)
    yes = domain.qualified(examples.qualified(LEAD), recorded_at=NOON)
    no = domain.disqualified(examples.disqualified(LEAD, decided_at=NOON + timedelta(hours=1)), recorded_at=NOON)
    assert domain.DecidedLead(lead=lead, decisions=(no, yes)).standing == no
    assert domain.DecidedLead(lead=lead, decisions=(no, replace(yes, decided_at=NOON + timedelta(hours=2)))).standing != no


def test_a_lead_without_decision_has_none_that_counts():
    known = domain.DecidedLead(lead=domain.learned(examples.generated(LEAD), recorded_at=NOON), decisions=())
    assert known.standing is None
    assert known.version == 1


def test_a_direct_purchase_keeps_its_outcome():
    assert domain.qualified(examples.qualified(LEAD, outcome="direct_purchase"), recorded_at=NOON).outcome == "direct_purchase"


def test_an_outcome_of_a_later_version_is_kept_as_it_came():
    assert domain.qualified(examples.qualified(LEAD, outcome="postponed"), recorded_at=NOON).outcome == "postponed"
