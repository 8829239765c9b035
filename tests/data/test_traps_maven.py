"""What is odd in the sales team's files, each oddity counted from the rows and found again in the figures."""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any

from tests.data import comparing, maven, reading, reports
from tests.data.importing import Imported
from tests.data.test_maven import PIPELINE


def test_a_product_of_another_name_in_its_table_loses_no_revenue(baton: Imported, crm: maven.Crm):
    renamed = {"GTXPro": "GTX Pro"}
    wanted: defaultdict[str, Decimal] = defaultdict(Decimal)
    lost_by_a_join = Decimal()
    for row in crm.opportunities:
        if row.stage == "Won" and row.value is not None:
            wanted[crm.products[renamed.get(row.product, row.product)]] += row.value
            lost_by_a_join += 0 if row.product in crm.products else row.value
    report = baton.report(*PIPELINE, "--by", "series")
    assert reports.groups(report, lambda group: Decimal(reports.money(group, "USD", "won_value"))) == wanted
    assert lost_by_a_join / sum(wanted.values()) > Decimal("0.35")


def test_a_product_keeps_the_name_that_the_opportunity_gives_it(baton: Imported, crm: maven.Crm):
    counts = Counter(row.product for row in crm.opportunities)
    told = reports.groups(baton.report(*PIPELINE, "--by", "product"), lambda group: group["count"])
    assert told == counts
    assert "GTXPro" in told
    assert "GTX Pro" not in told


def test_a_misspelt_sector_is_taken_as_it_stands(baton: Imported, crm: maven.Crm):
    rows = [row for row in crm.opportunities if row.sector == "technolgy"]
    told = reports.groups(baton.report(*PIPELINE, "--by", "sector"), lambda group: group["count"])
    assert told["technolgy"] == len(rows) > 0
    assert "technology" not in told


def test_open_opportunities_without_an_account_are_kept(baton: Imported, crm: maven.Crm):
    rows = [row for row in crm.opportunities if row.account == reading.MISSING]
    assert {row.stage for row in rows} == {"Prospecting", "Engaging"}
    (group,) = [group for group in baton.report(*PIPELINE, "--by", "account")["groups"] if group["value"] is None]
    assert (group["count"], group["open"], group["won"], group["lost"]) == (len(rows), len(rows), 0, 0)
    assert group["win_rate"] is None


def test_what_is_open_is_in_no_win_rate(baton: Imported, crm: maven.Crm):
    stages = Counter(row.stage for row in crm.opportunities)
    told = _total(baton)["win_rate"]
    assert Decimal(told) == reading.rate(stages["Won"], stages["Won"] + stages["Lost"])
    assert Decimal(told) != reading.rate(stages["Won"], len(crm.opportunities))


def test_a_prospect_without_any_day_is_open_and_in_no_duration(baton: Imported, crm: maven.Crm):
    undated = [row for row in crm.opportunities if row.engaged is None]
    assert {row.stage for row in undated} == {"Prospecting"}
    total = _total(baton)
    days = total["days_to_close"]
    closed = [row for row in crm.opportunities if row.closed]
    assert days["won"]["n"] + days["lost"]["n"] == len(closed)
    assert total["open"] == len(crm.opportunities) - len(closed) > len(undated)


def test_a_period_of_closing_leaves_out_what_is_open(baton: Imported, crm: maven.Crm):
    report = baton.report(*PIPELINE, "--from", "2017-04-01", "--to", "2017-06-30")
    rows = [row for row in crm.opportunities if row.quarter == "2017-Q2"]
    comparing.assert_same(maven.group(rows), reports.opportunities(report["total"]), at_least=5)


def test_agents_of_the_table_who_sold_nothing_are_no_groups(baton: Imported, crm: maven.Crm):
    idle = crm.agents - {row.agent for row in crm.opportunities}
    groups = {group["value"] for group in baton.report(*PIPELINE, "--by", "agent")["groups"]}
    assert len(idle) == 5
    assert groups == crm.agents - idle


def _total(baton: Imported) -> dict[str, Any]:
    return baton.report(*PIPELINE, "--by", "stage")["total"]
