"""Journeys: folded from facts, whatever arrives first."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.handoff.decisions import domain as decisions
from services.handoff.journeys import domain
from services.handoff.journeys.domain import JourneyFact
from services.handoff.rulesets import conditions
from services.handoff.rulesets.domain import DEFAULT_RULES
from shared.events.handoff.decisions import LeadDisqualified, LeadQualified
from tests.unit.handoff.factories import (
    LEAD,
    NOON,
    an_id,
    make_accepted,
    make_cancelled,
    make_closed,
    make_delivered,
    make_generated,
    make_lead,
    make_promised,
    make_promising,
    make_rejected,
    make_rule_set,
    make_shipped,
    make_stage_change,
    receive,
    whole_way,
)


def told(*events: Any) -> list[JourneyFact]:
    """The facts of events that happen a day apart, numbered in that order."""
    return [
        fact
        for day, event in enumerate(events)
        for fact in domain.note(receive(event, sequence=day + 1, at=NOON + timedelta(days=day)))
        if fact.lead_id == LEAD
    ]


def journey(*events: Any) -> domain.Journey:
    return domain.fold(LEAD, told(*events))


def statuses(folded: domain.Journey) -> dict[str, str]:
    return {passage.stage: passage.status for passage in folded.stages}


def own(verification: str = "unverified") -> list[JourneyFact]:
    lead = make_lead(make_promising(verification=verification))
    _, event = decisions.qualify(lead, make_rule_set(DEFAULT_RULES), as_of=NOON, judge=conditions.judge)
    assert isinstance(event, LeadQualified | LeadDisqualified)
    return domain.note_own(event, occurred_at=NOON, recorded_at=NOON)


ONE_LEAD = [fact for received in whole_way() for fact in domain.note(received)] + own()


def test_a_whole_journey_passes_every_stage_it_was_told_of():
    folded = domain.fold(LEAD, ONE_LEAD)
    assert statuses(folded) == dict.fromkeys(domain.STAGES, "passed") | {"routed": "skipped"}
    assert (folded.state, folded.final) == ("delivered", True)
    assert [passage.status for passage in folded.funnel] == ["passed"] * 4


def test_each_stage_carries_the_time_at_which_it_happened():
    folded = domain.fold(LEAD, ONE_LEAD)
    times = {passage.stage: passage.at for passage in folded.stages}
    assert (times["captured"], times["won"], times["delivered"]) == (NOON, NOON + timedelta(days=3), NOON + timedelta(days=6))
    assert times["routed"] is None


def test_a_skipped_stage_is_not_passed():
    folded = journey(make_generated(), make_closed(blanket=True))
    assert statuses(folded) == {
        "captured": "passed",
        "qualified": "skipped",
        "routed": "skipped",
        "accepted": "skipped",
        "opportunity": "skipped",
        "won": "passed",
        "promised": "open",
        "shipped": "open",
        "delivered": "open",
    }
    assert [(passage.stage, passage.status) for passage in folded.funnel] == [
        ("reached", "passed"),
        ("at_door", "skipped"),
        ("handed_off", "skipped"),
        ("through", "passed"),
    ]


def test_the_first_response_is_the_arrival_at_the_door():
    response = NOON + timedelta(minutes=5)
    asked, answered = journey(make_generated(customer_initiated=True)), journey(make_generated(first_response_at=response))
    assert (asked.funnel[1].status, asked.funnel[1].at) == ("passed", NOON)
    assert (answered.funnel[1].status, answered.funnel[1].at) == ("passed", response)
    assert journey(make_generated()).funnel[1].status == "open"


@pytest.mark.parametrize(
    ("events", "state", "final"),
    [
        ([make_accepted()], "accepted", False),
        ([make_generated()], "captured", False),
        ([make_generated(), make_accepted()], "accepted", False),
        ([make_generated(), make_accepted(), make_rejected()], "rejected", False),
        ([make_generated(), make_rejected(), make_accepted()], "accepted", False),
        ([make_generated(), make_stage_change()], "opportunity", False),
        ([make_generated(), make_stage_change(), make_closed(won=False)], "lost", True),
        ([make_generated(), make_closed(won=False), make_stage_change(deal_id=an_id("second"))], "opportunity", False),
        ([make_generated(), make_closed()], "won", False),
        ([make_generated(), make_closed(blanket=True)], "won", True),
        ([make_generated(), make_closed(), make_promised(day=None)], "won", False),
        ([make_generated(), make_closed(), make_promised()], "promised", False),
        ([make_generated(), make_closed(), make_promised(), make_shipped()], "shipped", False),
        ([make_generated(), make_closed(), make_shipped(), make_delivered(complete=False)], "shipped", False),
        ([make_generated(), make_closed(), make_delivered()], "delivered", True),
        ([make_generated(), make_closed(), make_promised(), make_cancelled()], "cancelled", True),
        ([make_generated(), make_closed(), make_promised(), make_cancelled(whole=False)], "promised", False),
        ([make_closed(), make_delivered(), make_closed(deal_id=an_id("second"))], "delivered", False),
        ([make_closed(), make_delivered(), make_closed(deal_id=an_id("second"), blanket=True)], "delivered", True),
        ([make_closed(), make_delivered(), make_stage_change(deal_id=an_id("second"))], "delivered", False),
        ([make_closed(), make_delivered(), make_promised(order_id=an_id("second"))], "shipped", False),
        ([make_closed(), make_delivered(), make_cancelled(order_id=an_id("second"))], "delivered", True),
        ([make_promised(day=date(2026, 4, 1))], "promised", False),
    ],
)
def test_a_journey_stands_in_exactly_one_state(events: list[Any], state: str, final: bool):
    folded = journey(*events)
    assert (folded.state, folded.final) == (state, final)


def test_a_partial_delivery_does_not_pass_the_last_stage():
    assert statuses(journey(make_shipped(), make_delivered(complete=False)))["delivered"] == "open"


def test_the_last_version_of_a_close_counts_whatever_arrives_last():
    lost_again = [*told(make_closed(deal_version=1), make_closed(deal_version=2, won=False))]
    for facts in (lost_again, lost_again[::-1]):
        folded = domain.fold(LEAD, facts)
        assert (folded.state, statuses(folded)["won"]) == ("lost", "open")


def test_a_disqualified_lead_ends_unless_sales_works_on():
    assert domain.fold(LEAD, [*told(make_generated()), *own("bot")]).state == "disqualified"
    assert domain.fold(LEAD, [*told(make_generated()), *own("bot")]).final
    assert domain.fold(LEAD, [*told(make_generated(), make_accepted()), *own("bot")]).state == "accepted"


def test_own_events_are_noted_under_the_same_id_again():
    assert own() == own()


def test_a_deal_of_several_leads_is_a_fact_of_each():
    other = an_id("other lead")
    facts = domain.note(receive(make_closed(lead_ids=(LEAD, other))))
    assert {fact.lead_id for fact in facts} == {LEAD, other}
    assert {fact.event_id for fact in facts} == {facts[0].event_id}


def test_events_at_the_same_time_stand_in_their_usual_order():
    facts = [fact for received in whole_way() for fact in domain.note(receive(received.event, sequence=received.sequence))]
    names = [fact.event for fact in domain.fold(LEAD, facts[::-1]).events]
    assert names == [
        "lead-generated",
        "lead-accepted",
        "opportunity-stage-changed",
        "deal-closed",
        "order-promised",
        "order-shipped",
        "order-delivered",
    ]


MANY = [
    *ONE_LEAD,
    *told(make_rejected(), make_closed(deal_version=2, won=False), make_closed(deal_version=3), make_cancelled(order_id=an_id("second"))),
]


@given(st.lists(st.sampled_from(MANY), min_size=1, max_size=40))
def test_a_journey_does_not_depend_on_order_or_repetition(facts: list[JourneyFact]):
    once = sorted({(fact.event_id, fact.lead_id) for fact in facts})
    by_id = {(fact.event_id, fact.lead_id): fact for fact in MANY}
    assert domain.fold(LEAD, facts) == domain.fold(LEAD, [by_id[key] for key in once])


@given(st.permutations(MANY))
def test_every_order_of_arrival_ends_in_the_same_journey(facts: list[JourneyFact]):
    assert domain.fold(LEAD, facts) == domain.fold(LEAD, MANY)
