"""What handoff keeps of a lead, and the view that conditions get."""

from datetime import timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from services.handoff.leads.domain import inputs_of
from shared.events.marketing.leads import Consent, ConsentState, Fact
from shared.money import Money
from tests.unit.handoff.factories import NOON, an_id, make_fact, make_generated, make_lead


def test_what_is_not_known_of_a_lead_is_absent_from_its_inputs():
    assert inputs_of(make_lead(), as_of=NOON) == {
        "lead.origin": "form",
        "lead.source": "api",
        "lead.verification": "unverified",
        "lead.age_days": 0,
    }


def test_amounts_are_inputs_in_their_shortest_plain_form():
    lead = make_lead(expected_value=Money(amount=Decimal("1250.5000"), currency="EUR"), expected_units=Decimal("1E+3"))
    inputs = inputs_of(lead, as_of=NOON)
    assert (inputs["lead.expected_value"], inputs["lead.currency"], inputs["lead.expected_units"]) == ("1250.5", "EUR", "1000")


def test_only_granted_purposes_are_consents():
    states: list[tuple[str, ConsentState]] = [("newsletter", "granted"), ("profiling", "withdrawn")]
    consents = tuple(Consent(purpose=purpose, state=state, lawful_basis="consent", recorded_at=NOON) for purpose, state in states)
    assert inputs_of(make_lead(consents=consents), as_of=NOON)["lead.consents"] == ["newsletter"]


def test_a_fact_is_text_number_or_flag_by_its_value():
    facts = (make_fact("industry", "retail"), make_fact("seats", 40), make_fact("budget", "1200.50"), make_fact("bant_need", True))
    inputs = inputs_of(make_lead(facts=facts), as_of=NOON)
    assert inputs["text"] == {"budget": "1200.50", "industry": "retail"}
    assert inputs["number"] == {"budget": "1200.5", "seats": "40"}
    assert inputs["flag"] == {"bant_need": True}


def test_a_number_too_large_to_compare_stays_readable_as_text():
    inputs = inputs_of(make_lead(facts=(make_fact("seats", 10**30),)), as_of=NOON)
    assert inputs["text"] == {"seats": str(10**30)}
    assert "number" not in inputs


def test_the_last_observation_of_a_fact_counts():
    facts = (make_fact("industry", "food", NOON), make_fact("industry", "retail", NOON - timedelta(days=1)))
    assert inputs_of(make_lead(facts=facts), as_of=NOON)["text"] == {"industry": "food"}


def test_age_is_counted_in_whole_days_from_the_capture():
    assert inputs_of(make_lead(), as_of=NOON + timedelta(days=2, hours=23))["lead.age_days"] == 2


def test_only_imported_leads_are_history():
    assert make_lead(make_generated(origin="import")).is_history
    assert not make_lead(make_generated(origin="api")).is_history


def test_a_repeated_need_counts_once():
    assert inputs_of(make_lead(need_codes=("b", "a", "b")), as_of=NOON)["lead.need_codes"] == ["a", "b"]


@settings(max_examples=40)
@given(st.permutations([make_fact(code, value) for code in ("one", "two") for value in ("a", "b", 7, True)]))
def test_inputs_do_not_depend_on_the_order_of_facts(facts: list[Fact]):
    inputs = inputs_of(make_lead(facts=tuple(facts), organisation_id=an_id("organisation")), as_of=NOON)
    assert inputs == inputs_of(make_lead(facts=tuple(sorted(facts, key=repr)), organisation_id=an_id("organisation")), as_of=NOON)
