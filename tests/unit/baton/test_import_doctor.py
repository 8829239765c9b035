"""What is found strange in files, and what is not."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baton.importer import doctor, mapping
from baton.importer.doctor import Doctor
from baton.importer.faults import UnfitError
from baton.importer.files import Row, Table
from baton.importer.plans import Plan
from baton.importer.strangeness import KINDS, Finding
from shared.ids import derived_id

FILE = """
[source]
code = "shop"
name = "Shop"
time_zone = "America/Sao_Paulo"
[defaults]
missing = ["NULL"]
currency = "EUR"
[files.deals]
name = "deals*.csv"
[files.orders]
name = "orders*.csv"
[[feeds]]
entity = "lead"
file = "deals"
external_id = "id"
fields = { occurred_at = "seen" }
[[feeds]]
entity = "opportunity"
file = "deals"
external_id = "id"
fields = { occurred_at = "seen", lead = "id" }
[[feeds]]
entity = "deal"
file = "deals"
external_id = "id"
fields = { occurred_at = "won", lead = "id", opportunity = "id", outcome = { constant = "won" }, blanket_order = { constant = true } }
labels = { profile = "profile" }
[[feeds]]
entity = "order"
file = "orders"
external_id = "id"
[feeds.fields]
deal = "deal"
occurred_at = { column = "received", missing = ["Not Captured"], stand_in = { column = "seen", missing = ["Not Captured"] } }
[feeds.labels]
status = "status"
[[feeds]]
entity = "order_line"
file = "orders"
external_id = "id"
[feeds.fields]
order = "id"
quantity = { column = "quantity", missing = ["some"] }
net_amount = { column = "amount", pattern = '[0-9]+', otherwise = "missing" }
[[feeds]]
entity = "approval"
file = "orders"
external_id = "id"
fields = { order = "id", occurred_at = "approved" }
[[feeds]]
entity = "shipment"
file = "orders"
external_id = "id"
fields = { order = "id", occurred_at = "shipped" }
[[feeds]]
entity = "delivery"
file = "orders"
external_id = "id"
when = { status = "done" }
fields = { order = "id", occurred_at = "delivered" }
[[feeds]]
entity = "cancellation"
file = "orders"
external_id = "id"
fields = { order = "id", occurred_at = "cancelled" }
"""
DEALS = ("id", "seen", "won", "profile")
ORDERS = ("id", "deal", "status", "received", "seen", "quantity", "amount", "approved", "shipped", "delivered", "cancelled")
PLAIN = {"received": "2018-01-01", "approved": "2018-01-02", "shipped": "2018-01-03", "delivered": "2018-01-04", "status": "done"}


def planned() -> Plan:
    read = mapping.parse(FILE.encode(), "m.toml")
    tables = {
        kind: [Table(path=Path(f"{kind}.csv"), columns=columns, encoding="utf-8", delimiter=",", quote='"')]
        for kind, columns in (("deals", DEALS), ("orders", ORDERS))
    }
    return Plan(mapping=read, tables=tables, feeds=read.feeds, lookups=frozenset(), digests=[])


def thing(entity: str, name: str, at: str | None = None, **more: Any) -> tuple[str, dict[str, Any]]:
    body = {"source": "shop", "external_id": name, f"{entity}_id": key(entity, name), **more}
    return entity, body | ({"occurred_at": at} if at else {})


def key(kind: str, name: str) -> str:
    return str(derived_id("shop", kind, name))


def order(name: str, at: str, **more: Any) -> tuple[str, dict[str, Any]]:
    return thing("order", name, at, deal_id=key("opportunity", "d"), **more)


def fact(entity: str, name: str, at: str, order: str = "o", **more: Any) -> tuple[str, dict[str, Any]]:
    return thing(entity, name, at, order_id=key("order", order), **more)


DEAL = [
    thing("lead", "d", "2017-01-01T00:00:00+00:00"),
    thing("opportunity", "d", "2017-01-02T00:00:00+00:00", lead_id=key("lead", "d")),
    thing("deal", "d", "2017-01-03T00:00:00+00:00", lead_id=key("lead", "d"), deal_id=key("opportunity", "d")),
]


def seen(*things: tuple[str, dict[str, Any]]) -> list[Finding]:
    """What is found in those things, seen in that order, one a line."""
    with Doctor(Path(":memory:"), planned()) as sees:
        for line, (entity, body) in enumerate(things, start=2):
            sees.see_thing(entity, body, "a.csv", line)
        return sees.findings()


def read(*rows: dict[str, str], kind: str = "orders") -> list[Finding]:
    """What is found in those rows."""
    columns = ORDERS if kind == "orders" else DEALS
    with Doctor(Path(":memory:"), planned()) as sees:
        for line, row in enumerate(rows, start=2):
            sees.see_row(kind, f"{kind}.csv", Row(line, [row.get(column, "") for column in columns], None, 0))
        return sees.findings()


def told(findings: Sequence[Finding]) -> dict[tuple[str, str], int]:
    return {(each.kind, each.subject): each.count for each in findings}


def test_files_in_order_are_not_strange():
    facts = [fact("approval", "o", "2018-01-02T10:00:00+00:00"), fact("shipment", "o", "2018-01-02T11:00:00+00:00")]
    assert seen(*DEAL, order("o", "2018-01-02T09:00:00+00:00"), *facts) == []
    assert read(PLAIN | {"id": "o", "cancelled": "2018-01-05"}) == []


@pytest.mark.parametrize(
    ("things", "subject"),
    [
        (
            [DEAL[0], thing("opportunity", "e", "2016-01-01T00:00:00+00:00", lead_id=key("lead", "d"))],
            "opportunity: opened before its lead",
        ),
        ([DEAL[0], thing("deal", "d", "2016-01-01T00:00:00+00:00", lead_id=key("lead", "d"))], "deal: closed before its lead"),
        ([*DEAL, order("o", "2016-01-01T00:00:00+00:00")], "order: received before its deal"),
        ([fact("approval", "o", "2017-12-31T00:00:00+00:00")], "order: approved before it was received"),
        ([fact("shipment", "o", "2017-12-31T00:00:00+00:00")], "order: shipped before it was received"),
        ([fact("delivery", "o", "2017-12-31T00:00:00+00:00")], "order: delivered before it was received"),
        ([fact("approval", "a", "2018-02-02T10:00:00+00:00"), fact("shipment", "s", "2018-02-02T09:59:59+00:00")], "order: shipped before"),
        (
            [fact("shipment", "s", "2018-02-02T10:00:00+00:00"), fact("delivery", "d", "2018-02-02T09:00:01+00:00")],
            "order: delivered before",
        ),
        (
            [fact("cancellation", "c", "2018-02-02T10:00:00+00:00"), fact("delivery", "d", "2018-02-03T10:00:01+00:00")],
            "order: delivered after",
        ),
    ],
)
def test_dates_in_the_wrong_order_are_found_across_files(things: list[tuple[str, dict[str, Any]]], subject: str):
    started = [] if any(entity == "order" for entity, _ in things) else [order("o", "2018-01-01T10:00:00+00:00")]
    for order_of_sight in (started + things, (started + things)[::-1]):
        (found,) = [each for each in seen(*order_of_sight) if each.kind == "dates_out_of_order"]
        assert (found.subject.startswith(subject), found.count, found.file) == (True, 1, "a.csv")


def test_a_deal_that_closed_before_its_opportunity_is_found_by_their_common_id():
    early = thing("deal", "d", "2017-01-01T10:00:00+00:00", lead_id=key("lead", "d"), deal_id=key("opportunity", "d"))
    assert told(seen(*DEAL[:2], early)) == {("dates_out_of_order", "deal: closed before its opportunity was opened"): 1}


def test_a_day_and_a_time_of_that_day_are_in_order():
    # 2018-01-05 in the zone of the source begins at 02:00 UTC.
    on_that_day = fact("delivery", "d", "2018-01-05T02:00:00+00:00", day_only=True)
    assert seen(*DEAL, order("o", "2018-01-06T01:59:59+00:00"), on_that_day) == []
    assert len(seen(*DEAL, order("o", "2018-01-06T02:00:00+00:00"), on_that_day)) == 1


def test_an_estimated_time_is_counted_and_proves_nothing():
    early = fact("shipment", "s", "2017-01-01T00:00:00+00:00", estimated=True)
    assert told(seen(*DEAL, order("o", "2018-01-01T10:00:00+00:00"), early)) == {("estimated", "shipment: another time stands in"): 1}


def test_the_estimated_times_of_standing_deals_are_not_strange():
    since: dict[str, Any] = {"estimated": True, "labels": {"standing": "true"}}
    lead = thing("lead", "standing", "2018-01-01T00:00:00+00:00", **since)
    assert seen(lead, thing("deal", "standing", "2018-01-01T00:00:00+00:00", lead_id=key("lead", "standing"), **since))[1:] == []


def test_facts_about_different_lines_are_not_compared():
    def line(name: str) -> dict[str, Any]:
        return {"lines": [{"order_line_id": key("order_line", name)}]}

    lines = [thing("order_line", name, order_id=key("order", "o")) for name in "ab"]
    shipped = fact("shipment", "s", "2018-01-05T10:00:00+00:00", **line("a"))
    another = fact("delivery", "d", "2018-01-04T10:00:00+00:00", **line("b"))
    same = fact("delivery", "e", "2018-01-04T10:00:00+00:00", **line("a"))
    assert seen(*DEAL, order("o", "2018-01-01T10:00:00+00:00"), *lines, shipped, another) == []
    (found,) = seen(*DEAL, order("o", "2018-01-01T10:00:00+00:00"), *lines, shipped, another, same)
    assert (found.subject, found.count, found.line, found.example) == (
        "order: delivered before it was shipped",
        1,
        10,
        "shipment in a.csv, line 8",
    )


def test_a_delivery_is_compared_with_the_shipment_it_names():
    sent = [fact("shipment", "first", "2018-01-02T10:00:00+00:00"), fact("shipment", "second", "2018-01-09T10:00:00+00:00")]
    named = fact("delivery", "d", "2018-01-05T10:00:00+00:00", shipment_id=key("shipment", "second"))
    unnamed = fact("delivery", "e", "2018-01-05T10:00:00+00:00")
    assert told(seen(*DEAL, order("o", "2018-01-01T10:00:00+00:00"), *sent, named, unnamed)) == {
        ("dates_out_of_order", "order: delivered before it was shipped"): 1
    }


def test_what_was_reported_before_it_happened_is_found():
    early = fact("delivery", "d", "2018-01-05T10:00:00+00:00", reported_at="2018-01-05T09:00:00+00:00")
    in_time = fact("delivery", "e", "2018-01-05T10:00:00+00:00", reported_at="2018-01-05T02:00:00+00:00")
    assert told(seen(*DEAL, order("o", "2018-01-01T10:00:00+00:00"), early, in_time)) == {
        ("dates_out_of_order", "delivery: reported before it happened"): 1
    }


def test_an_order_both_delivered_and_cancelled_is_a_contradiction():
    facts = [fact(kind, "f", "2018-01-05T10:00:00+00:00") for kind in ("shipment", "delivery")]
    cancelled = fact("cancellation", "c", "2018-01-05T10:00:00+00:00")
    assert told(seen(*DEAL, order("o", "2018-01-01T10:00:00+00:00"), *facts, cancelled)) == {
        ("contradiction", "order: both cancelled and delivered"): 1,
        ("contradiction", "order: both cancelled and shipped"): 1,
    }


def test_the_few_orders_of_a_label_that_lack_a_fact_are_found():
    def many(lacking: int, count: int) -> list[Finding]:
        orders = [order(f"o{n}", "2018-01-01T10:00:00+00:00", labels={"status": "secret", "own": f"x{n}"}) for n in range(count)]
        facts = [
            fact(kind, f"f{n}", "2018-01-01T10:00:00+00:00", f"o{n}")
            for n in range(count)
            for kind in ("approval", "shipment", "delivery")
            if kind != "delivery" or n >= lacking
        ]
        return seen(*DEAL, *orders, *facts)

    assert many(2, 100) == []
    (found,) = many(2, 200)
    assert (found.kind, found.subject, found.count) == ("fact_missing", "order: no delivery, unlike nearly all of the same status", 2)
    assert (found.line, found.example) == (5, "198 orders with the same status have one")


def test_a_thing_that_is_told_twice_is_found_whatever_the_order_of_its_fields():
    entity, body = order("o", "2018-01-01T10:00:00+00:00", labels={"a": "1", "b": "2"})
    turned = (entity, dict(reversed(body.items())) | {"labels": {"b": "2", "a": "1"}})
    other = (entity, body | {"occurred_at": "2018-01-02T10:00:00+00:00"})
    found = seen(*DEAL, (entity, body), turned, turned, other)
    assert told(found) == {
        ("duplicate", "order: told of again, with the same content"): 2,
        ("duplicate", "order: told of again, with other content"): 1,
    }
    assert {(each.line, each.example) for each in found} == {(6, "first in a.csv, line 5"), (8, "first in a.csv, line 5")}


def test_rows_that_repeat_are_counted():
    with Doctor(Path(":memory:"), planned()) as sees:
        for line in (3, 4):
            sees.see_repeat("order", "a.csv", line)
        assert sees.findings() == [Finding("duplicate", "order: told of again, the first row counts", 2, "a.csv", 3, "")]


def test_what_refers_to_nothing_in_the_files_is_found():
    lost = fact("delivery", "d", "2018-01-05T10:00:00+00:00", "gone", shipment_id=key("shipment", "gone"))
    partly = fact("shipment", "s", "2018-01-05T10:00:00+00:00", "gone", lines=[{"order_line_id": key("order_line", "gone")}])
    deal = thing("deal", "d", "2017-01-03T00:00:00+00:00", lead_id=key("lead", "gone"), deal_id=key("opportunity", "gone"))
    assert told(seen(lost, partly, deal, order("o", "2018-01-01T10:00:00+00:00"))) == {
        ("orphan", "deal: of no lead in these files"): 1,
        ("orphan", "deal: of no opportunity in these files"): 1,
        ("orphan", "delivery: of no order in these files"): 1,
        ("orphan", "delivery: of no shipment in these files"): 1,
        ("orphan", "order: of no deal in these files"): 1,
        ("orphan", "shipment: of no order in these files"): 1,
        ("orphan", "shipment: of no order_line in these files"): 1,
    }


def test_words_where_dates_and_numbers_belong_are_counted_by_column():
    found = read(
        PLAIN | {"id": "1", "received": "Not Captured", "quantity": "some"},
        PLAIN | {"id": "2", "received": " Not Captured ", "approved": "NULL", "amount": "See row 7"},
        PLAIN | {"id": "3", "amount": "12", "status": "NULL"},
        PLAIN | {"id": "4", "status": "open", "delivered": ""},
    )
    assert told(found) == {
        ("word_for_a_date", "received: Not Captured"): 2,
        ("word_for_a_date", "approved: NULL"): 1,
        ("word_for_a_number", "quantity: some"): 1,
        ("left_out", "amount"): 1,
        ("no_date", "approval: approved is missing"): 1,
        ("no_date", "cancellation: cancelled is missing"): 4,
        ("no_date", "order: received or seen is missing"): 2,
    }
    assert [each.line for each in found if each.kind == "left_out"] == [3]


def test_a_date_is_missed_only_in_rows_that_are_meant():
    assert ("no_date", "delivery: delivered is missing") not in told(read(PLAIN | {"status": "open", "delivered": ""}))
    assert told(read(PLAIN | {"delivered": ""}))["no_date", "delivery: delivered is missing"] == 1


def test_a_broken_row_is_nothing_for_the_doctor():
    with Doctor(Path(":memory:"), planned()) as sees:
        sees.see_row("orders", "orders.csv", Row(2, (), UnfitError("BAD_CSV", "is broken"), 0))
        assert sees.findings() == []


def test_several_values_in_a_cell_are_found_only_if_each_stands_alone_elsewhere():
    cells = ["cat", "wolf", "cat, wolf", "wolf;cat", "shark, wolf", "Orgenics, Ltd", "cat, wolf"]
    (found,) = read(*({"id": str(at), "seen": "x", "won": "x", "profile": cell} for at, cell in enumerate(cells)), kind="deals")
    assert (found.kind, found.subject, found.count, found.line) == (
        "several_values_in_a_cell",
        "profile: values that other rows have alone",
        3,
        4,
    )


def test_a_column_of_many_values_is_no_list_of_words():
    rows = [{"id": str(at), "seen": "x", "won": "x", "profile": f"p{at}"} for at in range(600)]
    assert read(*rows, {"id": "x", "seen": "x", "won": "x", "profile": "p1, p2"}, kind="deals") == []


@settings(max_examples=20)
@given(st.permutations(range(7)))
def test_what_is_found_does_not_depend_on_the_order_of_sight(places: Sequence[int]):
    things = [
        *DEAL,
        order("o", "2016-01-01T10:00:00+00:00"),
        fact("approval", "a", "2016-01-03T10:00:00+00:00"),
        fact("shipment", "s", "2016-01-02T10:00:00+00:00"),
        fact("cancellation", "c", "2015-01-01T10:00:00+00:00", "gone"),
    ]
    assert told(seen(*(things[at] for at in places))) == told(seen(*things))


@settings(max_examples=20)
@given(st.text(min_size=9).filter(lambda text: text.strip() == text and not text.isspace()))
def test_a_cell_is_never_told(secret: str):
    row: dict[str, str] = dict.fromkeys(ORDERS, secret)
    assert all(secret not in str(each) for each in read(row, row | {"received": "", "seen": "", "approved": ""}))


def test_every_kind_can_be_shown():
    findings = [Finding(kind, "[bold] is no markup", 1_000, "a[1].csv", 2, "") for kind in KINDS]
    assert doctor.table(findings).row_count == len(KINDS)
