"""Orders called off under blanket deals, and the lines they get."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from services.distribution.calloffs import domain
from services.distribution.calloffs.domain import (
    AskedLine,
    CallOff,
    DealNotBlanket,
    DealNotWon,
    LineNumberTaken,
    OrderFollowsDeal,
    OrderFull,
)
from services.distribution.deals import domain as deals
from services.distribution.deals.domain import Deal
from services.distribution.orders import domain as orders
from services.distribution.shipments.domain import ToldShipment
from shared.errors import Invalid, NotKnownYet
from shared.events.distribution.orders import OrderCancelled, OrderPromised
from shared.events.language import write
from shared.ids import derived_id
from shared.money import Money
from tests.unit.distribution.calling import ORDER, after, asked_line, blanket, called_off, euros, told
from tests.unit.distribution.closings import DAY, NOON, NOW, make_closed, make_order

CALL = CallOff(order_id=ORDER, deal_id=blanket().deal_id, currency="EUR")
DOLLARS = Money(amount=Decimal(1), currency="USD")


def call(deal: Deal | None, **said: Any) -> OrderPromised:
    return domain.call_off(replace(CALL, **said), deal, at=NOON, now=NOW)[1]


def test_a_call_off_is_told_with_its_lines_days_and_money():
    event = call(blanket(), lines=(asked_line(2, "3", "10.01", promise_date=DAY), asked_line(None, "1", "0.10")), promise_date=DAY)
    assert (event.order_value, event.promise_date, event.cause) == (euros("10.11"), DAY, "received")
    assert [(line.deal_line_no, line.quantity, line.promise_date) for line in event.lines] == [(2, 3, DAY), (3, 1, DAY)]
    assert write(event)


@pytest.mark.parametrize(
    ("deal", "refusal"),
    [
        (None, NotKnownYet),
        (blanket(lost=True), DealNotWon),
        (deals.hear(None, make_closed(), now=NOW), DealNotBlanket),
    ],
)
def test_only_under_a_won_blanket_deal_can_be_called_off(deal: Deal | None, refusal: type[Exception]):
    with pytest.raises(refusal):
        call(deal)


@pytest.mark.parametrize(
    ("said", "code", "field"),
    [
        ({"currency": None}, "CURRENCY_REQUIRED", "/currency"),
        ({"time_zone": "Mars/Olympus"}, "UNKNOWN_TIME_ZONE", "/time_zone"),
        ({"lines": (asked_line(), asked_line())}, "DUPLICATE_LINE", "/lines"),
        ({"lines": (asked_line(), asked_line(None, sku=None))}, "PRODUCT_REQUIRED", "/lines/1/sku"),
        ({"lines": (asked_line(net_amount=None),)}, "PRICE_REQUIRED", "/lines/0/net_amount"),
        ({"lines": (asked_line(net_amount=DOLLARS),)}, "CURRENCY_DIFFERS", "/lines/0/net_amount"),
        ({"lines": (asked_line(net_unit_price=DOLLARS),)}, "CURRENCY_DIFFERS", "/lines/0/net_unit_price"),
        ({"lines": (asked_line(freight_amount=DOLLARS),)}, "CURRENCY_DIFFERS", "/lines/0/freight_amount"),
        ({"lines": (asked_line(ship_to_time_zone="Nowhere"),)}, "UNKNOWN_TIME_ZONE", "/lines/0/ship_to_time_zone"),
        ({"lines": (asked_line(amount="999999999999999"), asked_line(2))}, "TOTAL_TOO_LARGE", "/lines"),
    ],
)
def test_a_call_off_that_says_too_little_or_too_much_is_invalid(said: dict[str, Any], code: str, field: str):
    with pytest.raises(Invalid) as refused:
        call(blanket(), **said)
    assert [(error.code, error.field) for error in refused.value.errors] == [(code, field)]


def test_the_days_of_an_order_hold_for_lines_that_say_none_of_their_own():
    own = asked_line(1, promise_date=DAY, requested_date=DAY - timedelta(days=1))
    order = called_off(own, asked_line(2), promise_date=DAY + timedelta(days=3), requested_date=DAY + timedelta(days=2))
    order = domain.add_line(order, asked_line(3), now=NOW)
    assert [(line.requested_date, line.promise_date) for line in order.lines] == [
        (DAY - timedelta(days=1), DAY),
        (DAY + timedelta(days=2), DAY + timedelta(days=3)),
        (DAY + timedelta(days=2), DAY + timedelta(days=3)),
    ]
    assert order.promise_date == DAY + timedelta(days=3)


def test_an_order_without_lines_is_promised_for_its_own_day():
    assert called_off(promise_date=DAY).promise_date == DAY
    assert called_off(asked_line(promise_date=date(2026, 3, 1)), promise_date=DAY).promise_date == date(2026, 3, 1)


def test_an_amount_counts_more_than_a_price_and_a_price_gives_the_amount():
    priced = asked_line(1, "3", net_unit_price=euros("3.3350"), net_amount=None)
    order = called_off(priced, asked_line(2, "3", "10.00", net_unit_price=euros("3.33")))
    assert [(line.net_unit_price, line.net_amount) for line in order.lines] == [
        (Decimal("3.3350"), Decimal("10.00")),
        (Decimal("3.33"), Decimal("10.00")),
    ]
    assert order.order_value == Decimal("20.00")


def test_a_product_has_the_same_id_wherever_it_is_named_by_its_article():
    (line,) = called_off(asked_line(sku="A-1")).lines
    assert line.product_id == derived_id("sales", "product", "A-1")
    (line,) = called_off(asked_line(sku=None, product_id=UUID(int=9))).lines
    assert (line.product_id, line.sku) == (UUID(int=9), str(UUID(int=9)))


def test_a_line_is_in_the_zone_of_its_order_unless_it_says_another():
    order = called_off(asked_line(1), asked_line(2, ship_to_time_zone="Asia/Tokyo"), time_zone="America/Sao_Paulo")
    assert [line.ship_to_time_zone for line in order.lines] == ["America/Sao_Paulo", "Asia/Tokyo"]


def test_a_line_gets_the_next_free_number_and_no_other_line_s():
    order = domain.add_line(called_off(asked_line(7)), asked_line(None), now=NOW)
    assert [line.line_no for line in order.lines] == [7, 8]
    assert order.lines[1].order_line_id == orders.line_id_of(ORDER, 8)
    with pytest.raises(LineNumberTaken):
        domain.add_line(order, asked_line(8), now=NOW)


def test_twenty_one_lines_are_twenty_one_lines():
    order = called_off()
    for number in range(1, 22):
        order = domain.add_line(order, asked_line(number, "1", "0.33"), now=NOW)
    assert (len(order.lines), order.order_value) == (21, Decimal("6.93"))


def test_an_order_has_as_many_lines_as_an_event_tells():
    order = called_off(*(asked_line(number, "1", "1.00") for number in range(1, domain.MOST_LINES + 1)))
    assert write(orders.promised(order, cause="received"))
    with pytest.raises(OrderFull):
        domain.add_line(order, asked_line(201), now=NOW)


def test_the_lines_of_an_order_that_follows_its_deal_are_those_of_the_deal():
    with pytest.raises(OrderFollowsDeal):
        domain.add_line(make_order(), asked_line(2), now=NOW)


def test_a_call_off_is_withdrawn_when_its_deal_is_lost_after_all_and_back_when_it_is_won_again():
    order = after(called_off(asked_line(1, "10", "10.00"), asked_line(2, "4", "1.00")), told(ToldShipment, "s", lines=_only(2)))
    gone = domain.follow(order, blanket(version=2, lost=True))
    assert ([line.withdrawn_quantity for line in gone.lines], gone.status, gone.standing) == ([10, 0], "shipped", False)
    (event,) = domain.announce(order, gone, at=NOON)
    assert isinstance(event, OrderCancelled)
    assert (event.cause, event.cancelled_value, event.whole_order) == ("deal_reopened", euros("10.00"), False)
    with pytest.raises(DealNotWon):
        domain.add_line(gone, asked_line(3), now=NOW)
    back = domain.follow(gone, blanket(version=3))
    assert back == order
    assert [type(event) for event in domain.announce(gone, back, at=NOON)] == [OrderPromised]
    assert domain.announce(gone, gone, at=NOON) == []


def test_a_call_off_without_lines_is_cancelled_with_its_deal():
    order = called_off()
    gone = domain.follow(order, blanket(version=2, lost=True))
    assert gone.status == "cancelled"
    (event,) = domain.announce(order, gone, at=NOON)
    assert isinstance(event, OrderCancelled)
    assert (event.whole_order, event.lines, event.cancelled_value) == (True, (), euros("0.00"))
    assert write(event)


def test_the_same_command_has_the_same_digest_however_it_is_written():
    line = asked_line(1, "2.0", ship_by=NOON)
    same = replace(line, quantity=Decimal("2.000"), ship_by=NOON.astimezone())
    assert orders.digest(line) == orders.digest(same)
    for other in (replace(line, quantity=Decimal(3)), replace(line, labels={"seller": "x"}), replace(line, unit="kg")):
        assert orders.digest(line) != orders.digest(other)
    assert orders.digest(replace(CALL, labels={"a": "1", "b": "2"})) == orders.digest(replace(CALL, labels={"b": "2", "a": "1"}))


def test_an_external_id_belongs_to_a_source():
    with pytest.raises(Invalid):
        orders.id_of(None, source=None, external_id="7", kind="order")
    assert orders.id_of(None, source="shop", external_id="7", kind="order") == derived_id("shop", "order", "7")
    assert orders.id_of(ORDER, source="shop", external_id="7", kind="order") == ORDER
    assert orders.id_of(None, source="shop", external_id=None, kind="order") is None


def _only(line_no: int) -> tuple[orders.Named, ...]:
    return (orders.Named(line_no=line_no),)


def test_a_line_without_number_or_id_gets_both():
    (line,) = called_off(AskedLine(sku="A", quantity=Decimal(1), net_amount=euros("1.00"))).lines
    assert (line.line_no, line.order_line_id) == (1, orders.line_id_of(ORDER, 1))
