"""An opportunity moves through its stages."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from services.sales.opportunities import domain
from shared.errors import Invalid, NotFound
from shared.events.sales.opportunities import OpportunityStageChanged
from shared.ids import new_id
from tests.unit.sales import examples
from tests.unit.sales.examples import NOON, OTHER_REP, REP, euro


def opened(**given: object) -> tuple[domain.Opportunity, OpportunityStageChanged]:
    command = examples.asked_opportunity(**given)
    return domain.open_opportunity(command, organisation_id=None, need_codes=("storage",), by=examples.actor(), at=NOON, recorded_at=NOON)


def test_an_open_stage_never_has_probability_0_or_1():
    for stage in domain.STAGES.values():
        assert (stage.stage_type == "open") == (0 < stage.probability < 1)


def test_opening_tells_of_no_previous_stage():
    opportunity, event = opened()
    assert (event.previous, event.current.stage_code, event.current.probability) == (None, "prospecting", Decimal("0.10"))
    assert event.need_codes == opportunity.need_codes == ("storage",)


def test_the_primary_lead_comes_first_and_none_stands_twice():
    primary, joined = new_id(), new_id()
    opportunity, event = opened(lead_id=primary, lead_ids=(joined, primary, joined))
    assert opportunity.lead_ids == event.lead_ids == (primary, joined)


def test_whoever_opens_owns_unless_somebody_is_named():
    assert opened()[0].owner_id == REP
    named, _ = opened(owner_id=OTHER_REP, owner_role="account_manager")
    assert (named.owner_id, named.owner_role) == (OTHER_REP, "account_manager")
    assert opened()[0].owner_role == "sales_rep"


def test_an_import_owns_nothing():
    importer = examples.actor(REP, "importer")
    assert domain.owner_of(None, None, importer) == (None, None)
    assert domain.owner_of(OTHER_REP, None, importer) == (OTHER_REP, None)


def test_an_opportunity_opens_in_an_open_stage_that_exists():
    with pytest.raises(domain.ClosingStage):
        opened(stage_code="closed_won")
    with pytest.raises(Invalid) as refused:
        opened(stage_code="dreaming")
    assert refused.value.errors[0].field == "/stage_code"


def test_an_external_id_needs_its_source():
    with pytest.raises(Invalid):
        opened(external_id="7")


def test_changing_the_stage_keeps_what_is_not_given():
    before = replace(opened()[0], amount=euro("100.00"), expected_close_date=date(2026, 4, 1))
    later = NOON + timedelta(days=1)
    after, event = domain.change_stage(before, stage_code="proposal", amount=None, expected_close_date=None, at=later)
    assert (after.amount, after.expected_close_date, after.stage_entered_at) == (before.amount, before.expected_close_date, later)
    assert event.previous == domain.STAGES["prospecting"]
    assert event.current == domain.STAGES["proposal"]


def test_a_closing_stage_is_entered_only_by_winning_or_losing():
    for stage_code in ("closed_won", "closed_lost"):
        with pytest.raises(domain.ClosingStage):
            domain.change_stage(opened()[0], stage_code=stage_code, amount=None, expected_close_date=None, at=NOON)


def test_the_same_stage_is_no_change():
    with pytest.raises(domain.StageUnchanged):
        domain.change_stage(opened()[0], stage_code="prospecting", amount=None, expected_close_date=None, at=NOON)


@pytest.mark.parametrize("outcome", ["won", "lost"])
def test_a_closed_opportunity_does_not_move(outcome: domain.Outcome):
    closed, event = domain.close(opened()[0], outcome=outcome, at=NOON)
    assert (closed.stage_type, event.current.stage_type) == (outcome, outcome)
    with pytest.raises(domain.OpportunityAlreadyClosed):
        domain.change_stage(closed, stage_code="proposal", amount=None, expected_close_date=None, at=NOON)
    with pytest.raises(domain.OpportunityAlreadyClosed):
        domain.close(closed, outcome="won", at=NOON)


def test_losing_tells_why_and_winning_tells_what_and_for_how_much():
    _, lost = domain.close(opened()[0], outcome="lost", lost_reasons=("pricing",), at=NOON)
    assert lost.lost_reasons == ("pricing",)
    _, won = domain.close(opened()[0], outcome="won", amount=euro("20.00"), product_ids=(UUID(int=5), UUID(int=5)), at=NOON)
    assert (won.amount, won.product_ids) == (euro("20.00"), (UUID(int=5),))


def test_the_same_request_is_known_again_and_another_is_refused():
    known, _ = opened(amount=euro("1.0"))
    assert domain.must_ask_the_same(known, replace(known.asked, amount=euro("1.00"))) is known
    with pytest.raises(domain.OpportunityAlreadyExists):
        domain.must_ask_the_same(known, replace(known.asked, amount=euro("2.00")))


def test_another_persons_opportunity_is_not_found_but_by_a_manager():
    mine = examples.opportunity(owner_id=REP)
    domain.must_be_seen(mine, by=examples.actor(REP))
    domain.must_be_seen(mine, by=examples.actor(OTHER_REP, "sales_manager"))
    domain.must_be_seen(examples.opportunity(owner_id=None), by=examples.actor(OTHER_REP))
    with pytest.raises(NotFound):
        domain.must_be_seen(mine, by=examples.actor(OTHER_REP))


def test_a_step_is_recorded_with_the_version_it_made():
    opportunity, event = opened()
    step = domain.step_of(replace(opportunity, version=1), event, recorded_at=NOON)
    assert (step.opportunity_version, step.previous_stage_code, step.stage.stage_code) == (1, None, "prospecting")
