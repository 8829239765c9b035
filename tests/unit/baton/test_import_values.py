"""From cells to values and from rows to entities."""

from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton.importer import dates, entities, items, mapping, shapes, values
from baton.importer.faults import UnfitError
from baton.importer.items import Item
from baton.importer.mapping import Value
from shared import calendar
from shared.ids import derived_id

FILE = """
[source]
code = "shop"
name = "Shop"
time_zone = "America/Sao_Paulo"
[defaults]
missing = ["NULL"]
dates = ["%d/%m/%Y %H:%M", "%d/%m/%Y"]
[files.f]
name = "*.csv"
[[feeds]]
entity = "lead"
file = "f"
external_id = "id"
[feeds.fields]
occurred_at = { column = "at", stand_in = { column = "seen" } }
utm_medium = "medium"
email = "mail"
need_codes = { column = "needs", split = ";" }
expected_value = { column = "worth", currency = { constant = "BRL" }, decimal_comma = true }
[feeds.labels]
origin = "origin"
long = { column = "long", truncate = true }
strict = "strict"
[feeds.facts]
staff = { column = "staff", type = "integer" }
"""
COLUMNS = ("id", "at", "seen", "medium", "mail", "needs", "worth", "origin", "long", "strict", "staff")


def made(**cells: str) -> shapes.Made:
    read = mapping.parse(FILE.encode(), "m.toml")
    context = values.Context(mapping=read, columns=COLUMNS, missing=read.defaults.missing, dates=read.defaults.dates)
    row = {"id": "a1", "at": "15/10/2017"} | cells
    return shapes.shape(read.feeds[0], entities.LEAD, context)([row.get(column, "") for column in COLUMNS])


def body(**cells: str) -> dict[str, Any]:
    result = made(**cells)
    assert result.body is not None, result.faults
    return result.body


def fault(**cells: str) -> tuple[str, str]:
    result = made(**cells)
    assert result.body is None
    ((field, unfit),) = result.faults
    return field, unfit.code


def test_the_id_follows_from_source_kind_and_external_id():
    assert body()["lead_id"] == str(derived_id("shop", "lead", "a1"))


def test_a_day_begins_at_midnight_in_the_zone_of_the_source():
    assert body(at="14/10/2017")["occurred_at"] == "2017-10-14T03:00:00+00:00"


def test_a_day_whose_midnight_the_clock_skips_is_still_that_day():
    instant = datetime.fromisoformat(body(at="15/10/2017")["occurred_at"])
    assert calendar.local_day(instant, "America/Sao_Paulo") == date(2017, 10, 15)


def test_a_time_is_wall_clock_time_of_the_source():
    assert body(at="01/02/2018 23:30")["occurred_at"] == "2018-02-02T01:30:00+00:00"


def test_a_missing_time_is_an_unknown_fact_and_no_rejection():
    assert made(at="") == shapes.Made(outcome="no_time")
    assert made(at="NULL") == shapes.Made(outcome="no_time")


def test_a_stand_in_for_a_missing_time_is_marked_as_estimated():
    assert body(at="", seen="01/02/2018")["estimated"] is True
    assert "estimated" not in body(at="01/02/2018", seen="02/02/2018")


def test_a_time_that_cannot_be_read_is_a_rejection_even_with_a_stand_in():
    assert fault(at="31/31/2017", seen="01/02/2018") == ("occurred_at", "NOT_A_DATE")


def test_a_missing_external_id_is_a_rejection():
    assert fault(id=" ") == ("external_id", "MISSING")


def test_unknown_missing_and_unregistered_are_three_values():
    assert body(origin="unknown")["labels"] == {"origin": "unknown"}
    assert body(origin="unregistered")["labels"] == {"origin": "unregistered"}
    assert "labels" not in body(origin="")


def test_a_label_that_is_too_long_is_rejected_alone():
    result = made(strict="x" * 121, origin="social")
    assert result.body is not None
    assert result.body["labels"] == {"origin": "social"}
    assert [(field, unfit.code) for field, unfit in result.faults] == [("labels.strict", "LABEL_TOO_LONG")]


def test_a_label_is_cut_only_if_the_mapping_says_so():
    assert body(long="y" * 140)["labels"] == {"long": "y" * 120}
    assert body(strict="z" * 120)["labels"] == {"strict": "z" * 120}


def test_contact_fields_stay_together():
    assert body(mail="a@b.example")["contact"] == {"email": "a@b.example"}


def test_lists_are_split():
    assert body(needs="a; b;;c ")["need_codes"] == ["a", "b", "c"]


def test_money_has_a_currency_and_no_exponent():
    assert body(worth="1.234.567,50")["expected_value"] == {"amount": "1234567.50", "currency": "BRL"}


def test_numbers_that_are_words_are_rejections():
    assert fault(worth="Freight Included") == ("expected_value", "NOT_A_NUMBER")
    assert fault(worth="NaN") == ("expected_value", "NOT_A_NUMBER")
    assert fault(worth="1E999999999") == ("expected_value", "NOT_A_NUMBER")


def test_facts_have_the_type_the_mapping_says():
    assert body(staff="2822.0")["facts"] == [{"fact_code": "staff", "value": 2822}]
    assert fault(staff="many") == ("facts.staff", "NOT_A_NUMBER")


def test_all_faults_of_a_row_are_told_at_once():
    assert {field for field, _ in made(worth="x", staff="y", id="").faults} == {"external_id", "expected_value", "facts.staff"}


def test_a_fault_never_repeats_the_cell():
    for _, unfit in made(worth="secret", staff="secret", at="secret").faults:
        assert "secret" not in unfit.message


def read(value: dict[str, Any], cell: str, wanted: entities.Field | None = None) -> object:
    context = values.Context(mapping=mapping.parse(FILE.encode(), "m.toml"), columns=("c",), dates=("iso",))
    return values.typed(Value.model_validate(value), wanted or entities.Field(), context)([cell])


def test_words_are_mapped_and_others_kept_rejected_or_missing():
    words = {"column": "c", "map": {"GTXPro": "GTX Pro"}}
    assert read(words, "GTXPro") == "GTX Pro"
    assert read(words, "MG Special") == "MG Special"
    assert read({**words, "otherwise": "missing"}, "MG Special") is None
    with pytest.raises(UnfitError, match="map"):
        read({**words, "otherwise": "reject"}, "MG Special")


def test_a_map_does_not_fill_what_is_missing():
    assert read({"column": "c", "map": {"": "unknown"}}, " ") is None


def test_words_where_dates_belong_can_be_missing():
    day = entities.Field(kind="day")
    value = {"column": "c", "dates": ["%d-%b-%y", "%m/%d/%y"], "missing": ["Pre-PQ Process"]}
    assert read(value, "Pre-PQ Process", day) is None
    assert read(value, "2-Jun-06", day) == "2006-06-02"
    assert read(value, "11/14/06", day) == "2006-11-14"


def test_a_time_with_an_offset_is_that_instant():
    assert read({"column": "c"}, "2018-02-01T23:30:00-05:00", entities.Field(kind="instant")) == "2018-02-02T04:30:00+00:00"


def test_a_pattern_keeps_what_matches_as_a_whole():
    number = {"column": "c", "pattern": r"[0-9]+(\.[0-9]+)?", "otherwise": "missing"}
    assert read(number, "780.34") == "780.34"
    assert read(number, "See DN-304 (ID#:10589)") is None
    assert read({**number, "map": {"free": "0"}}, "free") == "0"
    with pytest.raises(UnfitError, match="pattern"):
        read({**number, "otherwise": "reject"}, "Invoiced Separately")


@pytest.mark.parametrize(
    ("formats", "text", "only_day"),
    [
        (["%d-%b-%y"], "2-Jun-06", True),
        (["%Y-%m-%d %H:%M:%S", "%Y-%m-%d"], "2018-02-01", True),
        (["%Y-%m-%d %H:%M:%S", "%Y-%m-%d"], "2018-02-01 00:00:00", False),
        (["%m/%d/%Y %I %p"], "02/01/2018 11 AM", False),
        (["iso"], "2018-02-01", True),
        (["iso"], "2018-02-01T00:00", False),
        (["iso"], "20180201T00", False),
    ],
)
def test_whether_only_a_day_was_written_is_known(formats: list[str], text: str, only_day: bool):
    assert dates.moments(formats, "America/Sao_Paulo")(text)[1] is only_day


def test_choices_are_checked():
    outcome = entities.DEAL.fields["outcome"]
    assert read({"column": "c", "map": {"Won": "won"}}, "Won", outcome) == "won"
    with pytest.raises(UnfitError, match="won, lost"):
        read({"column": "c"}, "WON", outcome)


@pytest.mark.parametrize("form", ["%Y-%m", "%H:%M", "%q", "", "yesterday", "%d.%m"])
def test_a_date_format_that_fixes_no_day_is_refused(form: str):
    with pytest.raises(ValueError, match="bad date format"):
        dates.checked([form])


@given(st.datetimes(), st.sampled_from(["%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%Y%m%dT%H%M%S"]))
def test_a_written_time_is_read_back(moment: datetime, form: str):
    text = f"{moment.year:04d}" + moment.strftime(form.replace("%Y", "", 1)) if form.startswith("%Y") else moment.strftime(form)
    if moment.year >= 1000:
        assert dates.wall_clock(text, [form]) == moment.replace(microsecond=0)


@given(st.lists(st.integers(1, 400_000), max_size=60), st.integers(1, 7))
def test_batches_keep_order_and_bounds(sizes: list[int], most: int):
    given_items = [Item("f", at, bytes(size)) for at, size in enumerate(sizes)]
    cut = list(items.batches(iter(given_items), most))
    assert [item for batch in cut for item in batch] == given_items
    assert all(1 <= len(batch) <= most for batch in cut)
    assert all(len(batch) == 1 or sum(len(item.body) for item in batch) <= items.LARGEST_BATCH_BYTES for batch in cut)
