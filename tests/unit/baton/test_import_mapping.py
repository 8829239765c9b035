"""A mapping that cannot work says why, where, and all of it at once."""

import pytest

from baton.importer import mapping
from baton.importer.faults import MappingError

GOOD = """
[source]
code = "shop"
name = "Shop"
time_zone = "UTC"
[files.f]
name = "*.csv"
[[feeds]]
entity = "deal"
file = "f"
external_id = "id"
[feeds.fields]
occurred_at = "at"
lead = "lead"
outcome = { constant = "won" }
"""


def faults(text: str) -> list[str]:
    with pytest.raises(MappingError) as caught:
        mapping.parse(text.encode(), "m.toml")
    assert caught.value.exit_code == 2
    return list(caught.value.faults)


def fault(before: str, after: str) -> str:
    assert before in GOOD
    (only,) = faults(GOOD.replace(before, after, 1))
    return only


def test_a_good_mapping_is_read():
    assert mapping.parse(GOOD.encode(), "m.toml").source.code == "shop"


def test_faults_name_file_and_place():
    assert fault('entity = "deal"', 'entity = "parcel"').startswith("m.toml: feeds[0].entity: unknown entity 'parcel'; known: lead")
    assert fault('lead = "lead"', 'led = "lead"\nlead = "lead"').startswith("m.toml: feeds[0].fields.led: unknown field of deal")
    assert fault('lead = "lead"\n', "") == "m.toml: feeds[0].fields.lead: is missing, and every deal needs it"
    assert fault('file = "f"', 'file = "g"') == "m.toml: feeds[0].file: there is no [files.g]"
    assert fault('time_zone = "UTC"', 'time_zone = "Mars/Base"') == "m.toml: source.time_zone: unknown time zone: Mars/Base"
    assert fault('name = "*.csv"', 'name = "*.csv"\nnmae = 1') == "m.toml: files.f.nmae: is not known here"
    assert fault('name = "*.csv"', 'name = "*.csv"\nencoding = "utf-9"') == "m.toml: files.f.encoding: unknown encoding utf-9"


def test_a_bad_date_format_is_named():
    text = fault('occurred_at = "at"', 'occurred_at = { column = "at", dates = ["%Y-%Q-%d"] }')
    assert text.startswith("m.toml: feeds[0].fields.occurred_at.dates: bad date format '%Y-%Q-%d'")


def test_a_value_has_one_origin():
    assert "name one of column, columns, constant" in fault('lead = "lead"', 'lead = { column = "a", constant = "b" }')
    assert "name one of column, columns, constant" in fault('lead = "lead"', "lead = {}")


def test_only_the_time_of_the_fact_can_be_estimated():
    assert "stand_in: only the time" in fault('lead = "lead"', 'lead = { column = "lead", stand_in = { constant = "x" } }')


def test_what_stands_in_can_have_a_stand_in_and_stand_alone():
    twice = 'occurred_at = { column = "at", stand_in = { column = "seen", stand_in = "made" } }'
    for text in (twice, 'occurred_at = { stand_in = "made" }'):
        mapping.parse(GOOD.replace('occurred_at = "at"', text).encode(), "m.toml")


def test_a_pattern_is_checked_and_says_what_becomes_of_the_others():
    assert "is no regular expression" in fault('lead = "lead"', 'lead = { column = "a", pattern = "(", otherwise = "missing" }')
    assert 'pattern needs otherwise = "missing" or "reject"' in fault('lead = "lead"', 'lead = { column = "a", pattern = "[0-9]" }')


ORDER = """
[source]
code = "shop"
name = "Shop"
time_zone = "UTC"
[defaults]
currency = "EUR"
[files.f]
name = "*.csv"
[[feeds]]
entity = "order"
file = "f"
external_id = "id"
repeats = "first"
[feeds.standing]
since = 2016-01-01
customer = "who"
[feeds.fields]
occurred_at = "at"
"""


def test_an_order_needs_a_deal_or_a_standing_one():
    mapping.parse(ORDER.encode(), "m.toml")
    without = ORDER.replace('[feeds.standing]\nsince = 2016-01-01\ncustomer = "who"\n', "")
    assert faults(without) == ["m.toml: feeds[0].fields.deal: is missing, and every order needs it, or [feeds.standing]"]
    for field in ("deal", "opportunity"):
        mapping.parse((without + f'{field} = "sold"\n').encode(), "m.toml")


def test_only_an_order_stands_on_a_standing_deal():
    text = faults(GOOD + "[feeds.standing]\nsince = 2016-01-01\n")
    assert text == ["m.toml: feeds[0].standing: a deal has none"]
    assert faults(ORDER.replace("2016-01-01", '"soon"'))[0].startswith("m.toml: feeds[0].standing.since")
    assert faults(ORDER.replace("since = 2016-01-01", "")) == ["m.toml: feeds[0].standing.since: is missing"]


def test_an_order_needs_a_currency_from_somewhere():
    text = ORDER.replace('currency = "EUR"', "")
    assert faults(text) == ["m.toml: feeds[0].fields.currency: is missing: name it here, or in [defaults]"]
    mapping.parse((text + 'currency = "money"\n').encode(), "m.toml")


def test_a_lookup_names_a_file_of_the_mapping():
    text = fault('lead = "lead"', 'lead = { column = "lead", lookup = { file = "g", key = "k", by = "id" } }')
    assert text == "m.toml: feeds[0].fields.lead.lookup.file: there is no [files.g]"


def test_what_a_deal_has_not_is_refused():
    both = faults(GOOD + '[feeds.facts]\nx = "x"\n[[feeds.consents]]\npurpose = "p"\n')
    assert any("facts: a deal has none" in each for each in both)
    assert any("consents: a deal has none" in each for each in both)


def test_labels_are_few_and_their_names_short():
    many = "[feeds.labels]\n" + "\n".join(f'l{at} = "c"' for at in range(21))
    assert "at most 20" in faults(GOOD + many)[0]
    assert "at most 32" in faults(GOOD + f'[feeds.labels]\n{"n" * 33} = "c"')[0]


def test_all_faults_are_told_at_once():
    broken = GOOD.replace('lead = "lead"\n', "").replace('file = "f"', 'file = "g"') + "[feeds.labels]\n" + "x" * 33 + ' = "c"\n'
    assert len(faults(broken)) == 3


def test_what_is_not_toml_is_said():
    assert faults("[source")[0].startswith("m.toml: is not TOML")
