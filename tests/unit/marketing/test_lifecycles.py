"""How far a lead has come is a fold over facts, whatever the order in which they become known."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.marketing.lifecycles.domain import (
    DealOutcome,
    Lifecycle,
    StageEntry,
    delivery_of,
    entries_of,
    entry_of,
    locate,
    outcomes_of,
    standing,
    steps,
)
from shared.events.language import Received
from tests.unit.marketing import told
from tests.unit.marketing.told import LEAD, NOON, hours, named


def facts(*events: Received[Any]) -> tuple[list[StageEntry], list[DealOutcome]]:
    """What is stored of the events."""
    entries: list[StageEntry] = []
    outcomes: list[DealOutcome] = []
    for event in events:
        match type(event.event).__name__:
            case "OpportunityStageChanged":
                entries += entries_of(event, NOON)
            case "DealClosed":
                outcomes += outcomes_of(event, NOON)
            case _:
                entry = entry_of(event, NOON)
                entries += [entry] if entry else []
    return [entry for entry in entries if entry.lead_id == LEAD], outcomes


def located(*events: Received[Any]) -> tuple[str, datetime | None]:
    lifecycle = locate(Lifecycle(lead_id=LEAD), *facts(*events))
    return lifecycle.stage, lifecycle.entered_at


def test_a_captured_lead_of_which_nothing_was_told_is_a_lead() -> None:
    assert located() == ("lead", None)


def test_each_word_of_the_others_moves_the_lead_up() -> None:
    assert located(told.qualified()) == ("mql", NOON)
    assert located(told.qualified(), told.accepted(hours(1))) == ("sal", hours(1))
    assert located(told.qualified(), told.accepted(hours(1)), told.staged(hours(2))) == ("opportunity", hours(2))
    assert located(told.qualified(), told.staged(hours(2)), told.closed(hours(3))) == ("customer", hours(3))


def test_a_direct_purchase_is_no_mql() -> None:
    assert located(told.qualified(outcome="direct_purchase")) == ("lead", None)


def test_an_unknown_outcome_or_disposition_moves_nothing() -> None:
    assert located(told.qualified(outcome="something_new"), told.rejected(disposition="something_new")) == ("lead", None)


def test_a_late_word_about_a_lower_stage_does_not_bring_the_lead_back() -> None:
    assert located(told.staged(NOON), told.qualified(hours(5))) == ("opportunity", NOON)


def test_a_disqualified_lead_stays_so_until_a_stage_is_entered_later() -> None:
    assert located(told.qualified(), told.disqualified(hours(1))) == ("disqualified", hours(1))
    assert located(told.qualified(hours(1)), told.disqualified(hours(1))) == ("disqualified", hours(1))
    assert located(told.accepted(), told.disqualified(hours(1)), told.qualified(hours(2))) == ("mql", hours(2))


def test_a_rejection_does_with_the_lead_what_sales_suggests() -> None:
    assert located(told.qualified(), told.rejected(hours(1))) == ("recycled", hours(1))
    assert located(told.qualified(), told.rejected(hours(1), disposition="disqualify")) == ("disqualified", hours(1))
    assert located(told.qualified(), told.rejected(hours(1), disposition="re_route")) == ("mql", NOON)


def test_disqualified_outweighs_recycled_at_the_same_instant() -> None:
    assert located(told.rejected(), told.disqualified()) == ("disqualified", NOON)


def test_a_standing_won_deal_makes_a_customer_of_a_disqualified_lead() -> None:
    assert located(told.closed(NOON), told.disqualified(hours(1))) == ("customer", NOON)


def test_of_several_closes_of_a_deal_the_highest_version_stands() -> None:
    assert located(told.staged(), told.closed(hours(1)), told.closed(hours(2), version=2, won=False)) == ("opportunity", NOON)
    assert located(told.closed(hours(2), version=2), told.closed(hours(1), won=False)) == ("customer", hours(2))


def test_a_later_version_that_no_longer_names_the_lead_takes_its_deal_away() -> None:
    other = named("other lead")
    first = told.closed(lead_id=other, lead_ids=(other, LEAD))
    assert located(first) == ("customer", NOON)
    assert located(first, told.closed(lead_id=other, lead_ids=(other,), version=2)) == ("lead", None)


def test_losing_an_open_opportunity_says_nothing_new() -> None:
    assert entries_of(told.staged(stage_type="lost", previous=True), NOON) == []
    assert [entry.stage for entry in entries_of(told.staged(stage_type="lost", sized=False), NOON)] == ["opportunity"]


def test_an_opportunity_with_amount_and_close_date_makes_an_sql_of_each_of_its_leads() -> None:
    other = named("other lead")
    entries = entries_of(told.staged(lead_ids=(LEAD, other)), NOON)
    assert [(entry.lead_id, entry.stage) for entry in entries] == [
        (LEAD, "opportunity"),
        (LEAD, "sql"),
        (other, "opportunity"),
        (other, "sql"),
    ]


def test_a_deal_counts_for_all_its_leads_and_is_counted_under_the_primary_one() -> None:
    other = named("other lead")
    outcomes = outcomes_of(told.closed(lead_ids=(other,)), NOON)
    assert [(outcome.lead_id, outcome.primary) for outcome in outcomes] == [(LEAD, True), (other, False)]


def test_a_delivery_says_whether_anything_is_still_to_come() -> None:
    assert delivery_of(told.delivered(complete=False), NOON).complete is False


def test_an_entry_names_its_evidence_its_cause_and_its_reason() -> None:
    event = told.disqualified()
    entry = entry_of(event, hours(9))
    assert entry is not None
    assert (entry.cause_event_id, entry.evidence_ref) == (event.id, f"decision/{event.event.decision_id}")
    assert (entry.reason_codes, entry.recorded_at) == (("competitor",), hours(9))


def test_a_stage_left_out_is_skipped_and_not_passed() -> None:
    entries, outcomes = facts(told.accepted(hours(1)), told.closed(hours(2)))
    assert [(step.stage, step.status, step.entered_at) for step in steps(LEAD, NOON, entries, outcomes)] == [
        ("lead", "passed", NOON),
        ("mql", "skipped", None),
        ("sal", "passed", hours(1)),
        ("sql", "skipped", None),
        ("opportunity", "skipped", None),
        ("customer", "passed", hours(2)),
    ]


EVENTS = st.lists(
    st.one_of(
        st.builds(lambda h, n: told.qualified(hours(h), name=f"q{n}"), st.integers(0, 5), st.integers(0, 3)),
        st.builds(lambda h, n: told.disqualified(hours(h), name=f"d{n}"), st.integers(0, 5), st.integers(0, 3)),
        st.builds(lambda h, n: told.accepted(hours(h), name=f"a{n}"), st.integers(0, 5), st.integers(0, 3)),
        st.builds(lambda h, n: told.rejected(hours(h), name=f"r{n}"), st.integers(0, 5), st.integers(0, 3)),
        st.builds(lambda h, n: told.staged(hours(h), name=f"s{n}"), st.integers(0, 5), st.integers(0, 3)),
        st.builds(lambda v, won: told.closed(hours(v), version=v, won=won), st.integers(1, 3), st.booleans()),
    ),
    max_size=8,
    unique_by=lambda event: event.id,
)


@settings(max_examples=30)
@given(EVENTS, st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_of_the_events_matters(events: list[Received[Any]], random: Any) -> None:
    again = [*events, *random.sample(events, k=len(events) // 2)]
    random.shuffle(again)
    assert located(*again) == located(*events)
    assert steps(LEAD, NOON, *facts(*again)) == steps(LEAD, NOON, *facts(*events))


@settings(max_examples=30)
@given(EVENTS)
def test_no_step_is_open_below_one_that_was_passed(events: list[Received[Any]]) -> None:
    statuses = [step.status for step in steps(LEAD, NOON, *facts(*events))]
    last_passed = max(place for place, status in enumerate(statuses) if status == "passed")
    assert "open" not in statuses[:last_passed]
    assert set(statuses[last_passed + 1 :]) <= {"open"}


@given(EVENTS)
def test_only_the_highest_version_of_a_deal_stands(events: list[Received[Any]]) -> None:
    _, outcomes = facts(*events)
    versions = {outcome.deal_version for outcome in standing(outcomes)}
    assert versions == ({max(outcome.deal_version for outcome in outcomes)} if outcomes else set())


@pytest.mark.parametrize("event", [told.qualified(), told.disqualified(), told.accepted(), told.rejected()])
def test_the_same_event_is_always_the_same_fact(event: Received[Any]) -> None:
    assert entry_of(event, NOON) == entry_of(event, NOON)
