"""A deal is closed with exact money, or refused with the field at fault."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sales.deals import domain
from shared.errors import Invalid
from shared.events import language
from shared.events.marketing.leads import SegmentVersion
from shared.events.sales.deals import DealClosed
from shared.ids import derived_id, new_id
from shared.money import Money
from tests.unit.sales import examples
from tests.unit.sales.examples import NOON, OTHER_REP, REP, euro, line

CENT = Decimal("0.01")


def closed(
    pipeline: domain.Pipeline | None = None, origins: list[domain.Origin] | None = None, **given: Any
) -> tuple[domain.Deal, DealClosed]:
    command = examples.asked_deal(**given)
    known = origins or [domain.Origin(lead_id=command.lead_id or new_id())]
    return domain.close(command, origins=known, pipeline=pipeline, at=NOON, recorded_at=NOON)


def refused(**given: Any) -> tuple[str, str]:
    with pytest.raises(Invalid) as refusal:
        closed(**given)
    (error,) = refusal.value.errors
    return error.field, error.code


prices = st.decimals(0, Decimal("999999999999"), places=4).map(lambda amount: Money(amount=amount, currency="EUR"))
quantities = st.decimals(Decimal("0.0001"), Decimal("999999"), places=4)
agreed = st.lists(st.tuples(quantities, prices, st.none() | prices), min_size=1, max_size=8).map(
    lambda rows: tuple(
        line(number, quantity=quantity, net_unit_price=net, list_unit_price=listed)
        for number, (quantity, net, listed) in enumerate(rows, start=1)
    )
)


@given(agreed.filter(lambda lines: sum(each.quantity * each.net_unit_price.amount for each in lines) < domain.MOST_MONEY - 1))
def test_the_money_of_a_deal_is_the_sum_of_its_lines_to_the_cent(lines: tuple[domain.AgreedLine, ...]):
    if sum(each.quantity * (each.list_unit_price or euro("0")).amount for each in lines) >= domain.MOST_MONEY - 1:
        return
    deal, event = closed(lines=lines)
    amounts = [(each.quantity * each.net_unit_price.amount).quantize(CENT, ROUND_HALF_EVEN) for each in lines]
    assert [each.net_amount.amount for each in event.lines] == amounts
    assert event.net_total is not None
    assert event.net_total.amount == sum(amounts)
    everyone_listed = all(each.list_unit_price for each in lines)
    assert (event.list_total is not None) == (event.discount_total is not None) == everyone_listed
    if event.list_total and event.discount_total:
        assert event.list_total - event.discount_total == event.net_total
    assert language.read(DealClosed, language.write(event)) == event
    assert deal.net_total == event.net_total


def test_a_won_deal_needs_lines_or_is_a_blanket_order():
    assert refused(lines=()) == ("/lines", "LINES_REQUIRED")
    deal, event = closed(lines=(), blanket_order=True)
    assert (deal.net_total, event.won.blanket_order if event.won else None) == (None, True)


def test_a_blanket_order_has_no_total_even_with_lines():
    assert closed(blanket_order=True)[0].net_total is None


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"lost_reasons": ("pricing",)}, ("/lost_reasons", "NOT_LOST")),
        ({"outcome": "lost"}, ("/lost_reasons", "REASON_REQUIRED")),
        ({"outcome": "lost", "lost_reasons": ("other",)}, ("/note", "NOTE_REQUIRED")),
        ({"outcome": "lost", "lost_reasons": ("not_recorded",)}, ("/lost_reasons", "IMPORTS_ONLY")),
        ({"outcome": "lost", "lost_reasons": ("pricing",), "blanket_order": True}, ("/blanket_order", "NOT_WON")),
        ({"external_id": "7"}, ("/source", "SOURCE_REQUIRED")),
        ({"lines": (line(1), line(1))}, ("/lines/1/line_no", "DUPLICATE_LINE")),
        ({"lines": (line(1, sku=None),)}, ("/lines/0/sku", "PRODUCT_REQUIRED")),
        ({"lines": (line(1, quantity=Decimal(0)),)}, ("/lines/0/quantity", "NOT_POSITIVE")),
        ({"lines": (line(1, ship_to_time_zone="Mars/Olympus"),)}, ("/lines/0/ship_to_time_zone", "UNKNOWN_TIME_ZONE")),
        (
            {"lines": (line(1), line(2, net_unit_price=Money(amount=Decimal(1), currency="USD")))},
            ("/lines/1/net_unit_price", "CURRENCY_DIFFERS"),
        ),
        (
            {"lines": (line(1, list_unit_price=Money(amount=Decimal(1), currency="USD")),)},
            ("/lines/0/net_unit_price", "CURRENCY_DIFFERS"),
        ),
        ({"currency": "USD"}, ("/lines/0/net_unit_price", "CURRENCY_DIFFERS")),
        (
            {"lines": (line(1, quantity=Decimal("99999999"), net_unit_price=euro("999999999999")),)},
            ("/lines", "TOTAL_TOO_LARGE"),
        ),
    ],
)
def test_a_deal_that_cannot_be_names_the_field_at_fault(given: dict[str, Any], fault: tuple[str, str]):
    assert refused(**given) == fault


def test_a_lost_deal_keeps_its_reasons_and_what_was_offered():
    deal, event = closed(outcome="lost", lost_reasons=("pricing", "other"), note="They said so.")
    assert event.won is None
    assert event.lost is not None
    assert event.lost.lost_reasons == ("pricing", "other")
    assert event.net_total == euro("20.00")
    assert deal.note == "They said so."
    assert "They said so" not in language.write(event).decode()


def test_an_imported_deal_may_lack_its_reason_of_loss():
    deal, _ = closed(outcome="lost", lost_reasons=("not_recorded",), lines=(), source="crm", external_id="7")
    assert (deal.lost_reasons, deal.net_total) == (("not_recorded",), None)


def test_a_product_is_named_by_its_sku_or_its_id():
    product = new_id()
    _, event = closed(lines=(line(1, sku="A-1"), line(2, sku=None, product_id=product)))
    assert [(each.product_id, each.sku) for each in event.lines] == [
        (derived_id("sales", "product", "A-1"), "A-1"),
        (product, str(product)),
    ]


def test_the_owner_gets_the_whole_credit_and_nobody_gets_none():
    (credit,) = closed(owner_id=REP, owner_role="sales_rep")[1].rep_credits
    assert (credit.user_id, credit.role, credit.share) == (REP, "sales_rep", Decimal(1))
    assert closed()[1].rep_credits == ()


def test_labels_note_and_estimate_stay_out_of_the_event():
    _, event = closed(labels={"segment": "cats"}, estimated=True)
    assert "cats" not in language.write(event).decode()


def test_a_deal_takes_over_from_all_its_leads_the_primary_first():
    one, two, campaign, channel = new_id(), new_id(), new_id(), new_id()
    segment = SegmentVersion(segment_id=new_id(), version=1)
    origins = [
        domain.Origin(lead_id=one, campaign_id=campaign, channel_id=channel, need_codes=("b",), customer_type="smb"),
        domain.Origin(lead_id=two, campaign_id=campaign, segment_versions=(segment, segment), need_codes=("a", "b")),
    ]
    deal, event = closed(origins=origins, lead_id=one, lead_ids=(two,))
    assert (event.lead_id, event.lead_ids, event.campaign_ids, event.channel_id) == (one, (one, two), (campaign,), channel)
    assert (event.segment_versions, event.need_codes, event.customer_type) == ((segment,), ("b", "a"), "smb")
    assert deal.customer_type == "smb"


def test_a_customer_type_of_a_later_version_is_left_out():
    _, event = closed(origins=[domain.Origin(lead_id=new_id(), customer_type="galactic")])
    assert event.customer_type is None
    language.write(event)


def test_an_event_lists_no_more_than_200_needs():
    codes = tuple(f"need_{number}" for number in range(300))
    _, event = closed(origins=[domain.Origin(lead_id=new_id(), need_codes=codes)])
    assert event.need_codes == codes[:200]
    language.write(event)


def test_a_deal_that_no_event_holds_is_refused_and_a_smaller_one_is_announced():
    def wordy(count: int) -> tuple[domain.AgreedLine, ...]:
        text = "\x01" * 64  # six bytes each as JSON
        price = Money(amount=Decimal("999.9999"), currency="EUR")
        given: dict[str, Any] = {"sku": text, "unit": text, "ship_to_country": text, "ship_to_time_zone": "America/Argentina/Buenos_Aires"}
        ids = {"product_id": new_id(), "outlet_id": new_id(), "ship_to_id": new_id()}
        days = {"requested_date": NOON.date(), "confirmed_date": NOON.date()}
        prices = {"quantity": Decimal("99999.9999"), "net_unit_price": price, "list_unit_price": price}
        return tuple(line(number, **given, **ids, **days, **prices) for number in range(900_000, 900_000 + count))

    assert refused(lines=wordy(domain.MOST_LISTED)) == ("/lines", "DEAL_TOO_LARGE")
    needs = tuple(str(number).rjust(64, "\x01") for number in range(50))
    lead = domain.Origin(lead_id=new_id(), need_codes=needs)
    language.write(closed(lines=wordy(domain.SURELY_FITS - len(needs)), origins=[lead])[1])
    language.write(closed(lines=wordy(domain.SURELY_FITS))[1])


def test_a_deal_of_an_opportunity_takes_over_owner_labels_and_begin():
    pipeline = domain.Pipeline(
        opportunity_id=new_id(), opened_at=NOON, owner_id=REP, owner_role="sales_rep", labels={"a": "1", "b": "1"}, source="crm"
    )
    deal, event = closed(pipeline, labels={"b": "2"})
    assert (deal.owner_id, deal.owner_role, deal.labels, deal.source) == (REP, "sales_rep", {"a": "1", "b": "2"}, "crm")
    assert (event.opportunity_id, event.opportunity_created_at) == (pipeline.opportunity_id, NOON)
    assert closed(pipeline, owner_id=OTHER_REP)[0].owner_id == OTHER_REP


def test_the_primary_lead_of_an_opportunity_never_changes():
    command = examples.asked_deal()
    domain.must_have_lead(command.lead_id or new_id(), command)
    domain.must_have_lead(new_id(), replace(command, lead_id=None))
    with pytest.raises(domain.PrimaryLeadDiffers):
        domain.must_have_lead(new_id(), command)


def test_the_same_request_is_known_again_and_another_is_refused():
    known, _ = closed()
    assert domain.must_ask_the_same(known, replace(known.asked)) is known
    with pytest.raises(domain.DealAlreadyClosed):
        domain.must_ask_the_same(known, replace(known.asked, labels={"a": "b"}))
