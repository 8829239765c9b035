"""What is odd in the marketplace's files, each oddity counted from the rows and found again in the figures."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

from shared import ids
from tests.data import olist, reading, reports
from tests.data.importing import Imported
from tests.data.test_olist_orders import ORDERS


def test_orders_that_were_at_the_carrier_before_their_approval_are_told_and_kept(baton: Imported, marketplace: olist.Sample):
    odd = [order for order in marketplace.orders.values() if order.approved and order.carrier and order.carrier < order.approved]
    total = _total(baton)
    assert total["out_of_order"]["shipped_before_approved"] == len(odd) > 100
    assert total["shipped"] == sum(order.carrier is not None for order in marketplace.orders.values())
    assert total["approved"] == sum(order.approved is not None for order in marketplace.orders.values())


def test_orders_that_were_at_the_carrier_before_their_purchase_are_told_and_kept(baton: Imported, marketplace: olist.Sample):
    odd = [order for order in marketplace.orders.values() if order.carrier and order.carrier < order.purchased]
    assert _total(baton)["out_of_order"]["shipped_before_received"] == len(odd) > 0
    assert _total(baton)["out_of_order"]["delivered_before_received"] == 0


def test_orders_that_were_at_the_customer_before_the_carrier_are_told_and_count(baton: Imported, marketplace: olist.Sample):
    odd = [order for order in marketplace.orders.values() if order.carrier and order.customer and order.customer < order.carrier]
    total = _total(baton)
    assert total["out_of_order"]["delivered_before_shipped"] == len(odd) > 0
    assert total["cycle"]["shipped_to_delivered_hours"]["n"] == total["delivered"]


def test_delivered_without_a_date_is_a_word_and_no_delivery(baton: Imported, marketplace: olist.Sample):
    called = [order for order in marketplace.orders.values() if order.status == "delivered"]
    dated = [order for order in called if order.customer]
    group = _status(baton, "delivered")
    assert len(called) > len(dated)
    assert (group["orders"], group["delivered"], group["on_time"]["delivered"]) == (len(called), len(dated), len(dated))
    undated = {_order_id(order) for order in called if not order.customer}
    told = [item for item in baton.lines("olist") if item["order_id"] in undated]
    assert {item["order_id"] for item in told} == undated
    assert not any(item["order_delivered"] or item["delivered"] for item in told)
    assert {item["order_labels"]["status"] for item in told} == {"delivered"}


def test_an_order_cancelled_after_its_delivery_is_both_and_in_no_denominator(baton: Imported, marketplace: olist.Sample):
    cancelled = [order for order in marketplace.orders.values() if order.status == "canceled"]
    both = [order for order in cancelled if order.customer]
    total, group = _total(baton), _status(baton, "canceled")
    assert total["delivered_and_cancelled"] == len(both) > 0
    assert (group["orders"], group["cancelled"], group["delivered"]) == (len(cancelled), len(cancelled), len(both))
    assert group["on_time"]["delivered"] == 0
    assert group["on_time"]["rate_by_day"] is None
    assert total["on_time"]["delivered"] == total["delivered"] - len(both)


def test_an_order_cancelled_at_the_carrier_stays_shipped(baton: Imported, marketplace: olist.Sample):
    odd = [order for order in marketplace.orders.values() if order.status == "canceled" and order.carrier]
    assert _status(baton, "canceled")["shipped"] == len(odd) > 0


def test_an_order_of_several_sellers_is_one_order_and_each_line_keeps_its_own(baton: Imported, marketplace: olist.Sample):
    several = {_order_id(order): order for order in marketplace.orders.values() if len(order.sellers) > 1}
    assert _total(baton)["orders_with_several_values"] == len(several) > 100
    told = [item for item in baton.lines("olist") if item["order_id"] in several]
    sellers = Counter((item["order_id"], item["labels"]["seller"]) for item in told)
    assert sellers == Counter((order_id, item.seller) for order_id, order in several.items() for item in order.items)
    assert len({(item["order_id"], item["deal_id"]) for item in told}) == len(several)


def test_an_order_without_items_has_a_status_and_no_line(baton: Imported, marketplace: olist.Sample):
    bare = {_order_id(order) for order in marketplace.orders.values() if not order.items}
    told = [item for item in baton.lines("olist") if item["order_line_id"] is None]
    assert len(told) == len(bare) == _total(baton)["orders_without_lines"]
    assert {item["order_id"] for item in told} == bare


def test_two_profiles_in_one_cell_are_a_value_of_their_own(baton: Imported, marketplace: olist.Sample):
    cells = Counter(deal["lead_behaviour_profile"] for deal in marketplace.deals.values())
    two = {cell: count for cell, count in cells.items() if "," in cell}
    groups = reports.groups(baton.report("pipeline", "--source", "olist", "--by", "lead_behaviour_profile"), lambda group: group["won"])
    assert len(two) > 1
    assert two == {name: count for name, count in groups.items() if "," in name}
    assert groups["cat"] == cells["cat"]


def test_a_deal_closed_before_its_first_contact_is_counted_as_such(baton: Imported, marketplace: olist.Sample):
    days = [
        reading.days(reading.known(marketplace.leads[mql]["first_contact_date"]), reading.known(deal["won_date"]))
        for mql, deal in marketplace.deals.items()
    ]
    told = _funnel(baton)["days_to_close"]
    assert told["negative"] == sum(each < 0 for each in days) > 0
    assert (told["n"], told["min"]) == (len(days), min(days))


def test_an_unknown_origin_is_not_a_missing_one(baton: Imported, marketplace: olist.Sample):
    origins = Counter(lead["origin"] for lead in marketplace.leads.values())
    leads = {group["value"]: group["leads"] for group in _funnel(baton)["groups"]}
    assert origins["unknown"] != origins[""] > 0
    assert (leads["unknown"], leads[None]) == (origins["unknown"], origins[""])


def test_deals_won_just_after_midnight_stay_on_their_day(baton: Imported, marketplace: olist.Sample):
    won = [reading.known(deal["won_date"]) for deal in marketplace.deals.values()]
    early = sorted(each.date() for each in won if f"{each:%T}" in {"02:00:00", "03:00:00"})
    assert len(early) > 10
    for day in (early[0], early[-1]):
        report = baton.report("pipeline", "--source", "olist", "--from", str(day), "--to", str(day))
        assert report["total"]["won"] == sum(each.date() == day for each in won)


def test_what_sellers_say_they_earn_is_no_value_won(baton: Imported, marketplace: olist.Sample):
    assert sum(float(deal["declared_monthly_revenue"]) for deal in marketplace.deals.values()) > 1_000_000
    total = baton.report("pipeline", "--source", "olist", "--per", "month")["total"]
    assert total["won"] == len(marketplace.deals)
    assert all(Decimal(value["won_value"]) == 0 for value in total["values"])


def test_leads_without_a_deal_are_undecided_and_not_lost(baton: Imported, marketplace: olist.Sample):
    total = baton.report("pipeline", "--source", "olist", "--per", "month")["total"]
    assert (total["count"], total["won"], total["lost"], total["open"]) == (len(marketplace.deals), len(marketplace.deals), 0, 0)
    assert _funnel(baton)["total"]["leads"] == len(marketplace.leads) > total["count"]


def test_standing_deals_and_their_leads_are_in_no_funnel_and_no_pipeline(baton: Imported, marketplace: olist.Sample):
    deals = {item["deal_id"] for item in baton.lines("olist")}
    leads = {item["lead_id"] for item in baton.lines("olist")}
    assert len(deals) > len(marketplace.deals)
    assert len(leads) > len(marketplace.deals)
    assert _funnel(baton)["total"]["leads"] == len(marketplace.leads)
    assert baton.report("pipeline", "--source", "olist", "--per", "month")["total"]["count"] == len(marketplace.deals)


def test_the_two_definitions_of_on_time_differ_by_what_came_in_the_course_of_the_promised_day(baton: Imported, marketplace: olist.Sample):
    counted = [order for order in marketplace.orders.values() if order.counts]
    assert {f"{order.promised:%T}" for order in counted} == {"00:00:00"}
    in_its_course = sum(
        order.customer > order.promised and order.customer.date() == order.promised.date() for order in counted if order.customer
    )
    told = _total(baton)["on_time"]
    assert told["by_day"] - told["by_instant"] == in_its_course > 100


def test_the_sample_holds_every_order_once(baton: Imported, marketplace: olist.Sample):
    assert _total(baton)["orders"] == len(marketplace.orders)
    assert len({item["order_id"] for item in baton.lines("olist")}) == len(marketplace.orders)


def _total(baton: Imported) -> dict[str, Any]:
    return baton.report(*ORDERS, "--by", "seller")["total"]


def _status(baton: Imported, word: str) -> dict[str, Any]:
    (group,) = [group for group in baton.report(*ORDERS, "--by", "status")["groups"] if group["value"] == word]
    return group


def _funnel(baton: Imported) -> dict[str, Any]:
    return baton.report("funnel", "--source", "olist", "--by", "origin")


def _order_id(order: olist.Order) -> str:
    return str(ids.derived_id("olist", "order", order.order_id))
