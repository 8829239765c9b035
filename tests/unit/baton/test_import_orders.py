"""Orders, their lines and facts from rows: what hangs on what, whose time is known, what stands in for a missing deal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from baton.importer import entities, mapping, shapes, standing, values
from shared.ids import derived_id

HEAD = """
[source]
code = "shop"
name = "Shop"
time_zone = "America/Sao_Paulo"
[defaults]
dates = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d"]
currency = "BRL"
[files.f]
name = "*.csv"
[files.items]
name = "items.csv"
[files.deals]
name = "deals.csv"
[[feeds]]
file = "f"
external_id = "id"
"""
ORDER = """
entity = "order"
[feeds.fields]
occurred_at = { column = "at", stand_in = { column = "sent", stand_in = "due" } }
promise_date = "due"
[feeds.fields.deal]
column = "deal"
lookup = { file = "deals", key = "seller", by = { column = "seller", lookup = { file = "items", key = "order", by = "id" } } }
"""
STANDING = """
[feeds.standing]
since = 2016-01-01
customer = { column = "seller", lookup = { file = "items", key = "order", by = "id" } }
"""
LINE = """
entity = "order_line"
[feeds.fields]
order = "order"
sku = "sku"
quantity = { constant = 2 }
net_amount = "price"
ship_by = "at"
"""
DELIVERY = """
entity = "delivery"
[feeds.fields]
order = "order"
occurred_at = "at"
reported_at = "sent"
"""
CANCELLATION = """
entity = "cancellation"
[feeds.fields]
order = "order"
occurred_at = { stand_in = "at" }
"""
COLUMNS = ("id", "order", "at", "sent", "due", "sku", "price")
Rows = Mapping[str, Sequence[str]]


def finder(rows: Rows) -> values.Find:
    def find(key: str) -> Iterator[str]:
        yield from rows.get(key, ())

    return find


def made(feed: str, items: Rows | None = None, deals: Rows | None = None, **cells: str) -> shapes.Made:
    read = mapping.parse((HEAD + feed).encode(), "m.toml")
    context = values.Context(
        mapping=read,
        columns=COLUMNS,
        dates=read.defaults.dates,
        finders={("items", "order", "seller"): finder(items or {}), ("deals", "seller", "deal"): finder(deals or {})},
    )
    row = {"id": "o1", "order": "o1", "at": "2018-02-01 10:00:00", "sku": "x", "price": "3.50"} | cells
    entity = entities.ENTITIES[read.feeds[0].entity]
    return shapes.shape(read.feeds[0], entity, context)([row.get(column, "") for column in COLUMNS])


def body(feed: str, items: Rows | None = None, deals: Rows | None = None, **cells: str) -> dict[str, Any]:
    result = made(feed, items, deals, **cells)
    assert result.body is not None, (result.outcome, result.faults)
    return result.body


def deal_of(found: dict[str, Any], name: str) -> bool:
    return found["deal_id"] == str(derived_id("shop", "deal", name))


def test_an_order_has_the_zone_of_its_source_and_the_currency_of_the_mapping():
    found = body(ORDER + STANDING)
    assert (found["time_zone"], found["currency"], found["order_id"]) == (
        "America/Sao_Paulo",
        "BRL",
        str(derived_id("shop", "order", "o1")),
    )


def test_an_order_hangs_on_the_deal_of_the_first_seller_that_has_one():
    assert deal_of(body(ORDER, {"o1": ["s1", "s2", "s3"]}, {"s2": ["d2"], "s3": ["d3"]}), "d2")
    assert made(ORDER, {"o1": ["s1", "s2", "s3"]}, {"s2": ["d2"]}).standing is None


@given(st.lists(st.sampled_from("abcdef"), max_size=6), st.dictionaries(st.sampled_from("abcdef"), st.lists(st.text("xyz", min_size=1))))
def test_a_nested_lookup_finds_the_first_value_there_is(sellers: list[str], deals: dict[str, list[str]]):
    expected = next((deal for seller in sellers for deal in deals.get(seller, ())), None)
    found = made(ORDER + STANDING, {"o1": sellers}, deals)
    assert found.body is not None
    assert (found.standing is None) == (expected is not None)
    assert expected is None or deal_of(found.body, expected)


def test_an_order_without_a_deal_is_a_rejection_unless_a_standing_one_stands_in():
    assert [(place, fault.code) for place, fault in made(ORDER).faults] == [("deal", "MISSING")]
    assert made(ORDER + STANDING).outcome == "made"


def test_an_order_can_hang_on_the_deal_that_ended_an_opportunity():
    found = body('entity = "order"\n[feeds.fields]\noccurred_at = "at"\nopportunity = "sku"\n')
    assert found["deal_id"] == str(derived_id("shop", "opportunity", "x"))


def test_a_standing_deal_is_of_the_customer_or_else_of_the_source():
    found = made(ORDER + STANDING, {"o1": ["s1", "s2"]})
    assert found.standing is not None
    assert found.standing.external_id == "standing/s1"
    assert deal_of(found.body or {}, "standing/s1")
    alone = made(ORDER + STANDING)
    assert alone.standing is not None
    assert alone.standing.external_id == "standing"
    assert deal_of(alone.body or {}, "standing")


def test_a_standing_deal_and_its_lead_are_labelled_and_estimated():
    found = made(ORDER + STANDING, {"o1": ["s1"]}).standing
    assert found is not None
    lead, deal = standing.lead(found), standing.deal(found)
    for each in (lead, deal):
        assert (each["labels"], each["estimated"], each["occurred_at"]) == ({"standing": "true"}, True, "2016-01-01T02:00:00+00:00")
    assert lead["origin"] == "sales_generated"
    assert (deal["lead_id"], deal["blanket_order"], deal["outcome"]) == (lead["lead_id"], True, "won")
    assert deal["customer_id"] == str(derived_id("shop", "customer", "s1"))


def test_a_customer_with_an_endless_name_is_a_rejection():
    assert [(place, fault.code) for place, fault in made(ORDER + STANDING, {"o1": ["s" * 200]}).faults] == [
        ("standing.customer", "TOO_LONG")
    ]


def test_each_stand_in_is_tried_in_turn_and_the_time_is_estimated():
    known = body(ORDER + STANDING, due="2018-03-01", sent="2018-02-02")
    assert (known["occurred_at"], known.get("estimated")) == ("2018-02-01T12:00:00+00:00", None)
    second = body(ORDER + STANDING, at="", sent="2018-02-02", due="2018-03-01")
    assert (second["occurred_at"], second["estimated"]) == ("2018-02-02T02:00:00+00:00", True)
    third = body(ORDER + STANDING, at="", due="2018-03-01")
    assert (third["occurred_at"], third["estimated"]) == ("2018-03-01T03:00:00+00:00", True)
    assert made(ORDER + STANDING, at="").outcome == "no_time"


def test_a_time_that_is_never_known_is_always_estimated():
    found = body(CANCELLATION)
    assert (found["occurred_at"], found["estimated"], found["cause"]) == ("2018-02-01T12:00:00+00:00", True, "imported")
    assert made(CANCELLATION, at="").outcome == "no_time"


def test_a_line_names_its_order_and_has_no_time_of_its_own():
    found = body(LINE, id="7")
    assert found["order_id"] == str(derived_id("shop", "order", "o1"))
    assert found["order_line_id"] == str(derived_id("shop", "order_line", "7"))
    assert (found["net_amount"], found["ship_by"]) == ({"amount": "3.50", "currency": "BRL"}, "2018-02-01T12:00:00+00:00")
    assert "occurred_at" not in found


def test_a_delivery_of_a_day_says_so():
    assert body(DELIVERY, at="2018-02-01")["day_only"] is True
    assert "day_only" not in body(DELIVERY)
    assert "day_only" not in body(CANCELLATION, at="2018-02-01")


def test_a_fact_without_lines_is_of_the_whole_order():
    assert "lines" not in body(DELIVERY)


def test_a_fact_of_lines_never_becomes_one_of_the_whole_order():
    text = DELIVERY + '[[feeds.lines]]\nline = "sku"\n'
    assert body(text)["lines"] == [{"order_line_id": str(derived_id("shop", "order_line", "x"))}]
    assert [(place, fault.code) for place, fault in made(text, sku="").faults] == [("lines", "MISSING")]


def test_the_lines_in_an_order_are_numbered():
    text = ORDER + STANDING + '[[feeds.lines]]\nsku = "sku"\nquantity = { constant = 1 }\nnet_unit_price = "price"\n'
    (line,) = body(text)["lines"]
    assert (line["line_no"], line["sku"], line["net_unit_price"]) == (1, "x", {"amount": "3.50", "currency": "BRL"})


def test_a_lead_can_be_found_by_sales():
    text = 'entity = "lead"\n[feeds.fields]\noccurred_at = "at"\n'
    assert body(text)["origin"] == "import"
    assert body(text + 'origin = { constant = "sales_generated" }\n')["origin"] == "sales_generated"
