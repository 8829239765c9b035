"""Olist's marketing qualified leads and won deals: the expected figures, by marketing and by sales."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.data import comparing, olist, reading, reports
from tests.data.importing import Imported

BY_PERSON = {"deals_by_sdr_id": "sdr", "deals_by_sr_id": "sr"}


def test_the_funnel_by_origin(baton: Imported, expected: dict[str, Any]):
    funnel = expected["olist"]["funnel"]
    found = reports.funnel(baton.report("funnel", "--source", "olist", "--by", "origin"))
    comparing.assert_same({name: funnel[name] for name in reports.FUNNEL}, found, at_least=60)


def test_the_funnel_by_landing_page(baton: Imported, marketplace: olist.Sample, expected: dict[str, Any]):
    funnel = expected["olist"]["funnel"]
    pages = reports.groups(baton.report("funnel", "--source", "olist", "--by", "landing_page"), reports.lead_counts)
    assert len(pages) == funnel["landing_pages"]
    assert sum(page["deals"] > 0 for page in pages.values()) == funnel["landing_pages_with_a_deal"]
    comparing.assert_same(funnel["landing_pages_top10"], {name: pages[name] for name in funnel["landing_pages_top10"]}, at_least=30)
    leads = Counter(lead["landing_page_id"] for lead in marketplace.leads.values())
    assert {name: page["mqls"] for name, page in pages.items()} == leads


def test_the_won_deals_by_everything_that_qualified_them(baton: Imported, marketplace: olist.Sample, expected: dict[str, Any]):
    funnel = expected["olist"]["funnel"]
    for label in olist.DEAL_LABELS:
        found = reports.groups(baton.report("pipeline", "--source", "olist", "--by", label), lambda group: group["won"])
        comparing.assert_same(funnel[f"deals_by_{label}"], found, at_least=3)
        assert found == Counter(reading.named(deal[label]) for deal in marketplace.deals.values())


def test_the_won_deals_by_the_people_who_won_them(baton: Imported, expected: dict[str, Any]):
    funnel = expected["olist"]["funnel"]
    for name, label in BY_PERSON.items():
        wanted = {person: {"deals": figures["deals"]} for person, figures in funnel[name].items()}
        report = baton.report("pipeline", "--source", "olist", "--by", label)
        comparing.assert_same(wanted, reports.groups(report, lambda group: {"deals": group["won"]}), at_least=20)


def test_the_won_deals_by_month(baton: Imported, expected: dict[str, Any]):
    report = baton.report("pipeline", "--source", "olist", "--per", "month")
    comparing.assert_same(
        expected["olist"]["funnel"]["by_won_month"], reports.groups(report, lambda group: group["won"], "period"), at_least=12
    )
