"""How reports are read: groups, instants and money in the words of the expected figures."""

from __future__ import annotations

import pytest

from tests.data import reports


def test_the_group_without_a_value_is_called_missing():
    group = {"value": None, "leads": 1, "won_deals": 1, "conversion": "1.000000"}
    report = {
        "total": {"leads": 2, "won_deals": 1, "conversion": "0.500000"},
        "groups": [group],
        "days_to_close": {"n": 1},
        "days_to_close_by_group": [{"value": None, "n": 1, "median": "7"}],
    }
    found = reports.funnel(report)
    assert tuple(found) == reports.FUNNEL
    assert found["by_origin"] == {"(missing)": {"mqls": 1, "deals": 1, "conversion": "1.000000"}}


def test_two_groups_of_one_name_are_refused():
    group = {"value": "a", "leads": 1, "won_deals": 1, "conversion": "1.000000"}
    with pytest.raises(AssertionError):
        reports.groups({"groups": [group, group]}, reports.lead_counts)


def test_instants_are_told_as_the_files_write_them():
    assert reports.naive("2016-09-04T21:15:19Z") == "2016-09-04 21:15:19"
    with pytest.raises(AssertionError):
        reports.naive("2016-09-04T21:15:19+02:00")


def test_money_of_another_currency_is_refused():
    assert reports.money({"values": []}, "BRL", "value") == 0
    assert reports.money({"values": [{"currency": "BRL", "value": "1.50"}]}, "BRL", "value") == "1.50"
    with pytest.raises(AssertionError):
        reports.money({"values": [{"currency": "USD", "value": "1.50"}]}, "BRL", "value")
