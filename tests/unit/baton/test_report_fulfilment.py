"""Fulfilment by the labels of deals and leads: what meets what, what is counted once, that order does not matter."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from baton.report import fulfilment
from baton.report.fulfilment import Deal, Joined, OrderLine
from shared.money import Money

WON = datetime(2018, 1, 10, 9, tzinfo=UTC)


def make_line(number: int = 1, order: int = 1, **overrides: Any) -> OrderLine:
    line = OrderLine(
        order_id=UUID(int=order),
        deal_id=UUID(int=1),
        received_at=datetime(2018, 3, 1, 9, tzinfo=UTC),
        received_on=date(2018, 3, 1),
        order_labels={"status": "delivered"},
        order_on_time_by_day=True,
        order_on_time_by_instant=False,
        days=8,
        line_id=UUID(int=100 + number),
        labels={"seller": "a"},
        amount=Money(amount=Decimal("10.10"), currency="BRL"),
        on_time_by_day=True,
        on_time_by_instant=True,
    )
    return replace(line, **overrides)


def make_deal(number: int = 1, **overrides: Any) -> Deal:
    deal = Deal(deal_id=UUID(int=number), lead_id=UUID(int=50 + number), closed_at=WON, estimated=False, labels={"seller": "a"})
    return replace(deal, **overrides)


def through_seller(*lines: OrderLine, deals: tuple[Deal, ...] = (make_deal(),)) -> list[Joined]:
    return fulfilment.join(lines, deals, through="seller")


def test_a_line_meets_the_deal_that_has_the_same_value():
    other = make_deal(2, labels={"seller": "b"})
    joined = through_seller(make_line(labels={"seller": "b"}), make_line(2), deals=(make_deal(), other))
    assert [(each.deal.deal_id, each.through) for each in joined] == [(UUID(int=2), "b"), (UUID(int=1), "a")]


def test_a_line_meets_the_deal_of_its_order_where_no_label_is_named():
    joined = fulfilment.join([make_line(), make_line(2, deal_id=UUID(int=9))], [make_deal()], through=None)
    assert [each.line.line_id for each in joined] == [UUID(int=101)]


def test_lines_without_a_deal_or_without_the_label_are_left_out():
    assert through_seller(make_line(labels={"seller": "z"}), make_line(labels={}), make_line(deal_id=None, labels={})) == []


def test_a_deal_without_the_label_meets_no_line_without_it():
    assert through_seller(make_line(labels={}), deals=(make_deal(labels={}),)) == []


def test_of_several_deals_with_one_value_the_first_closed_counts():
    later = make_deal(2, closed_at=WON + timedelta(days=1))
    for deals in ((make_deal(), later), (later, make_deal())):
        assert [each.deal.deal_id for each in through_seller(make_line(), deals=deals)] == [UUID(int=1)]


def test_a_deal_of_the_source_asked_for_counts_before_an_earlier_one_of_another():
    own = make_deal(2, closed_at=WON + timedelta(days=1), preferred=True)
    assert [each.deal.deal_id for each in through_seller(make_line(), deals=(make_deal(), own))] == [UUID(int=2)]


def test_an_order_of_two_lines_is_one_order():
    found = fulfilment.summary(through_seller(make_line(1), make_line(2)), "order")
    assert (found.through_values, found.orders, found.lines, found.delivered, found.on_time_by_day, found.days.n) == (1, 1, 2, 1, 1, 1)
    assert [(each.currency, each.value) for each in found.values] == [("BRL", Decimal("20.20"))]


def test_an_order_with_lines_in_two_groups_is_in_both_and_once_in_the_total():
    deals = (make_deal(1, labels={"seller": "a", "region": "north"}), make_deal(2, labels={"seller": "b", "region": "south"}))
    joined = through_seller(make_line(1), make_line(2, labels={"seller": "b"}), deals=deals)
    groups = fulfilment.by_group(joined, lambda deal: deal.labels.get("region"), "order")
    assert [(value, each.orders, each.lines) for value, each in groups] == [("north", 1, 1), ("south", 1, 1)]
    assert fulfilment.summary(joined, "order").orders == 1


def test_what_is_not_in_the_denominator_is_in_no_rate():
    cancelled = make_line(1, 1, order_on_time_by_day=None, order_on_time_by_instant=None, days=None)
    found = fulfilment.summary(through_seller(cancelled, make_line(2, 2), make_line(3, 3, order_on_time_by_day=False)), "order")
    assert (found.orders, found.delivered, found.on_time_by_day, found.rate_by_day) == (3, 2, 1, Decimal("0.500000"))
    assert (found.on_time_by_instant, found.rate_by_instant, found.days.n) == (0, Decimal("0.000000"), 2)


def test_without_deliveries_there_is_no_rate():
    found = fulfilment.summary(through_seller(make_line(order_on_time_by_day=None, days=None)), "order")
    assert (found.delivered, found.rate_by_day, found.rate_by_instant, found.days.median, found.days.mean) == (0, None, None, None, None)


def test_by_line_each_line_is_on_time_or_not():
    found = fulfilment.summary(through_seller(make_line(1), make_line(2, on_time_by_day=False), make_line(3, on_time_by_day=None)), "line")
    assert (found.orders, found.lines, found.delivered, found.on_time_by_day) == (1, 3, 2, 1)


def test_an_order_without_lines_is_an_order_and_no_line():
    bare = make_line(line_id=None, labels={}, amount=None, on_time_by_day=None, on_time_by_instant=None)
    joined = fulfilment.join([bare], [make_deal()], through=None)
    assert (fulfilment.summary(joined, "order").orders, fulfilment.summary(joined, "order").delivered) == (1, 1)
    assert (fulfilment.summary(joined, "line").lines, fulfilment.summary(joined, "line").delivered) == (0, 0)


def test_currencies_are_never_added_up():
    dollars = make_line(2, amount=Money(amount=Decimal("1.00"), currency="USD"))
    found = fulfilment.summary(through_seller(make_line(), dollars, make_line(3, amount=None)), "order")
    assert [(each.currency, each.value) for each in found.values] == [("BRL", Decimal("10.10")), ("USD", Decimal("1.00"))]


def test_groups_stand_by_orders_and_the_missing_one_last_among_equals():
    deals = tuple(make_deal(number, labels={"seller": str(number)}) for number in range(1, 5))
    values = {UUID(int=1): "b", UUID(int=2): "a", UUID(int=3): None, UUID(int=4): "many"}
    lines = [make_line(number, number, labels={"seller": str(min(number, 4))}) for number in range(1, 6)]
    groups = fulfilment.by_group(through_seller(*lines, deals=deals), lambda deal: values[deal.deal_id], "order")
    assert [(value, each.orders) for value, each in groups] == [("many", 2), ("a", 1), ("b", 1), (None, 1)]


def test_orders_are_counted_by_each_label_of_their_own():
    lines = [make_line(1, 1), make_line(2, 1), make_line(3, 2, order_labels={"status": "shipped", "shop": "x"}), make_line(4, 3)]
    found = fulfilment.orders_by_label(through_seller(*lines))
    assert found == {"shop": {"x": 1}, "status": {"delivered": 2, "shipped": 1}}
    assert list(found["status"]) == ["delivered", "shipped"]


def test_days_to_the_first_order_count_from_the_local_day_of_winning():
    later = make_line(2, 2, received_at=datetime(2018, 4, 1, tzinfo=UTC), received_on=date(2018, 4, 1))
    joined = through_seller(later, make_line(), deals=(make_deal(closed_at=datetime(2018, 1, 10, 1, tzinfo=UTC)),))
    assert str(fulfilment.days_to_first_order(joined, lambda _: "UTC").median) == "50"
    assert str(fulfilment.days_to_first_order(joined, lambda _: "America/Sao_Paulo").median) == "51"


def test_an_order_before_its_deal_is_counted_and_is_negative():
    early = make_line(received_at=datetime(2018, 1, 1, tzinfo=UTC), received_on=date(2018, 1, 1))
    joined = through_seller(early, make_line(2, 2))
    found = fulfilment.days_to_first_order(joined, lambda _: "UTC")
    assert (found.n, found.median, found.negative) == (1, Decimal(-9), 1)
    assert fulfilment.received_before_won(joined) == 1


def test_a_deal_whose_closing_is_an_estimate_is_in_no_duration():
    joined = through_seller(make_line(), deals=(make_deal(estimated=True),))
    assert fulfilment.days_to_first_order(joined, lambda _: "UTC") == fulfilment.DaysToFirstOrder(n=0, median=None, mean=None, negative=0)
    assert fulfilment.received_before_won(joined) == 0
    assert fulfilment.summary(joined, "order").orders == 1


orders = st.builds(
    lambda number, order, seller, cents: make_line(
        number,
        order,
        labels={"seller": seller},
        amount=Money(amount=Decimal(cents) / 100, currency="BRL" if number % 2 else "USD"),
        order_on_time_by_day=(None, True, False)[order % 3],
        days=None if order % 3 == 0 else order,
    ),
    st.integers(1, 500),
    st.integers(1, 12),
    st.sampled_from(["a", "b", "c", "nobody"]),
    st.integers(0, 10_000_000),
)
DEALS = tuple(make_deal(number, labels={"seller": seller}) for number, seller in enumerate("abc", 1))


@given(st.lists(orders, max_size=12), st.randoms(use_true_random=False))
def test_figures_do_not_depend_on_the_order_of_lines_and_deals(lines: list[OrderLine], chance: Random):
    mixed, deals = list(lines), list(DEALS)
    chance.shuffle(mixed)
    chance.shuffle(deals)
    first, second = through_seller(*lines, deals=DEALS), through_seller(*mixed, deals=tuple(deals))
    assert fulfilment.summary(first, "order") == fulfilment.summary(second, "order")
    assert fulfilment.by_group(first, seller_of, "line") == fulfilment.by_group(second, seller_of, "line")


@given(st.lists(orders, max_size=12))
def test_lines_and_money_of_the_groups_add_up_to_the_total(lines: list[OrderLine]):
    joined = through_seller(*lines, deals=DEALS)
    total, groups = fulfilment.summary(joined, "order"), [each for _, each in fulfilment.by_group(joined, seller_of, "order")]
    assert sum(group.lines for group in groups) == total.lines
    for value in total.values:
        assert sum(each.value for group in groups for each in group.values if each.currency == value.currency) == value.value
    assert max((group.orders for group in groups), default=0) <= total.orders <= sum(group.orders for group in groups)


def seller_of(deal: Deal) -> str | None:
    return deal.labels.get("seller")
