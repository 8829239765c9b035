"""How orders come to be: one for each won deal, following it, or called off under a blanket deal, line by line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from services.distribution.deals import domain as deals
from services.distribution.deals.domain import Deal
from services.distribution.orders import domain as orders
from services.distribution.orders.domain import NOTHING, Order, OrderLine
from shared import calendar, ids
from shared.errors import Conflict, Invalid, NotKnownYet
from shared.events.distribution.orders import OrderCancelled, OrderPromised
from shared.events.sales.deals import DealClosed, DealLine, FulfilmentType
from shared.money import Money, total

MOST_LINES = 200
"""How many lines an event tells of, and so how many an order has."""

MOST_MONEY = Decimal(10) ** 15
"""A value from here on does not fit an amount of money."""


class DealNotWon(Conflict):
    """Nothing can be called off under a deal that is lost or undone."""


class DealNotBlanket(Conflict):
    """A deal that is not blanket has one order, with its own lines."""


class OrderFollowsDeal(Conflict):
    """The lines of this order are those of its deal."""


class OrderFull(Conflict):
    """An order has at most 200 lines."""


class LineNumberTaken(Conflict):
    """Another line of the order has this number."""


class OrderAlreadyRecorded(Conflict):
    """An order of this id or name, but other content, is recorded already."""


class OrderLineAlreadyRecorded(Conflict):
    """A line of this id, but other content, is recorded already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedLine:
    """One product that is called off. Where both a price and an amount are given, the amount counts; a promised day is a confirmed one."""

    order_line_id: UUID | None = None
    line_no: int | None = None
    product_id: UUID | None = None
    sku: str | None = None
    fulfilment_type: FulfilmentType = "goods"
    quantity: Decimal
    unit: str = "piece"
    net_unit_price: Money | None = None
    net_amount: Money | None = None
    freight_amount: Money | None = None
    ship_by: datetime | None = None
    requested_date: date | None = None
    promise_date: date | None = None
    outlet_id: UUID | None = None
    ship_to_time_zone: str | None = None
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOff:
    """An order under a blanket deal, as it is asked for. Its days hold for all lines that say none of their own."""

    order_id: UUID
    deal_id: UUID
    source: str | None = None
    external_id: str | None = None
    occurred_at: datetime | None = None
    estimated: bool = False
    customer_id: UUID | None = None
    currency: str | None = None
    time_zone: str = "UTC"
    requested_date: date | None = None
    promise_date: date | None = None
    labels: dict[str, str] = field(default_factory=dict)
    lines: tuple[AskedLine, ...] = ()


def apply_deal(order: Order | None, deal: Deal, closed: DealClosed, *, now: datetime) -> Order | None:
    """A deal's order after one more close was heard of; closes may arrive in any order, and twice. `deal`: how it closed last.

    A newer close replaces the lines of which nothing has left. ValueError if its lines are in several currencies.
    """
    if deals.asks_for_order(closed) and (order is None or closed.deal_version > order.deal_version):
        order = _asked_by(closed, order, now=now)
    return None if order is None else orders.moved(replace(order, standing=deal.owes_order), ())


def follow(order: Order, deal: Deal) -> Order:
    """A call-off after its deal closed again: what is open of it is withdrawn while the deal is not won."""
    return orders.moved(replace(order, standing=deal.outcome == "won"), ())


def announce(before: Order | None, after: Order, *, at: datetime) -> list[OrderPromised | OrderCancelled]:
    """What to tell of an order that followed its deal: promised if its content is new or back, cancelled if the deal stopped asking."""
    back = after.call_off and before is not None and after.standing and not before.standing
    renewed = before is None or back or before.deal_version != after.deal_version
    events: list[OrderPromised | OrderCancelled] = [orders.promised(after, cause="received")] if renewed else []
    taken = [line for line in after.lines if line.withdrawn_quantity]
    gone = bool(taken) or (not after.lines and after.status == "cancelled" and not after.wholly_cancelled)
    if gone and not after.standing and (before is None or renewed or before.standing):
        value = sum((orders.worth(line, line.dropped) - orders.worth(line, line.cancelled_quantity) for line in taken), NOTHING)
        quantities = [(line.order_line_id, line.withdrawn_quantity) for line in taken]
        events.append(orders.cancelled(after, quantities, value=value, cause="deal_reopened", at=at))
    return events


def added_lines(before: Order | None, after: Order) -> frozenset[UUID]:
    """The lines whose content is new: whatever holds for the whole order has to take them in."""
    known = {line.order_line_id: line.deal_version for line in before.lines} if before else {}
    return frozenset(line.order_line_id for line in after.lines if known.get(line.order_line_id) != line.deal_version)


def call_off(command: CallOff, deal: Deal | None, *, at: datetime, now: datetime) -> tuple[Order, OrderPromised]:
    """An order under a won blanket deal. `at`: when it was received (UTC).

    Raises NotKnownYet for a deal nobody heard of, DealNotWon, DealNotBlanket, Invalid.
    """
    if deal is None:
        raise NotKnownYet(deal_id=command.deal_id)
    if deal.outcome != "won":
        raise DealNotWon(deal_id=deal.deal_id)
    if not deal.blanket_order:
        raise DealNotBlanket(deal_id=deal.deal_id)
    _must_be_zone(command.time_zone, "/time_zone")
    order = Order(
        order_id=command.order_id,
        deal_id=deal.deal_id,
        lead_id=deal.lead_id,
        deal_version=deal.deal_version,
        call_off=True,
        standing=True,
        source=command.source,
        external_id=command.external_id,
        customer_id=command.customer_id,
        time_zone=command.time_zone,
        estimated=command.estimated,
        labels=command.labels,
        whole_requested_date=command.requested_date,
        whole_promise_date=command.promise_date,
        status="received",
        currency=_currency(command),
        order_value=Decimal("0.00"),
        promise_date=command.promise_date,
        received_at=at,
        recorded_at=now,
        asked=orders.digest(command),
    )
    order = orders.moved(order, _numbered(order, command.lines, now=now))
    _must_fit(order, "/lines")
    return order, orders.promised(order, cause="received")


def add_line(order: Order, asked: AskedLine, *, now: datetime) -> Order:
    """The call-off with one more line, with the next free number unless it brings one.

    Raises OrderFollowsDeal, DealNotWon, OrderFull, LineNumberTaken, Invalid.
    """
    if not order.call_off:
        raise OrderFollowsDeal(order_id=order.order_id)
    if not order.standing:
        raise DealNotWon(deal_id=order.deal_id)
    taken = {line.line_no for line in order.lines}
    if len(taken) >= MOST_LINES:
        raise OrderFull(order_id=order.order_id)
    if asked.line_no in taken:
        raise LineNumberTaken(order_id=order.order_id, line_no=asked.line_no)
    number = max(taken, default=0) + 1 if asked.line_no is None else asked.line_no
    after = orders.moved(order, [_called_off(order, asked, number, "", now=now)])
    _must_fit(after, "/net_amount")
    return after


def _asked_by(closed: DealClosed, order: Order | None, *, now: datetime) -> Order:
    order_id = orders.order_id_of(closed.deal_id)
    former = {line.line_no: line for line in order.lines} if order else {}
    lines = {no: line for no, line in former.items() if line.left}
    for asked in closed.lines:
        if asked.line_no not in lines:
            known = former.get(asked.line_no)
            lines[asked.line_no] = _agreed(order_id, closed, asked, now=now, version=known.version if known else 0)
    value = total((line.net_amount for line in closed.lines), closed.lines[0].net_amount.currency)
    asked_anew = Order(
        order_id=order_id,
        deal_id=closed.deal_id,
        lead_id=closed.lead_id,
        deal_version=closed.deal_version,
        standing=True,
        status="received",
        currency=value.currency,
        order_value=value.amount,
        promise_date=None,
        received_at=closed.closed_at,
        recorded_at=now,
        lines=tuple(lines[no] for no in sorted(lines)),
    )
    if order is None:
        return asked_anew
    return replace(
        asked_anew,
        version=order.version,
        recorded_at=order.recorded_at,
        wholly_shipped=order.wholly_shipped,
        wholly_delivered=order.wholly_delivered,
        wholly_cancelled=order.wholly_cancelled,
        approved_at=order.approved_at,
    )


def _agreed(order_id: UUID, closed: DealClosed, asked: DealLine, *, now: datetime, version: int) -> OrderLine:
    return OrderLine(
        order_line_id=orders.line_id_of(order_id, asked.line_no),
        order_id=order_id,
        line_no=asked.line_no,
        deal_version=closed.deal_version,
        product_id=asked.product_id,
        sku=asked.sku,
        fulfilment_type="service" if asked.fulfilment_type == "service" else "goods",
        quantity=asked.quantity,
        unit=asked.unit,
        net_unit_price=asked.net_unit_price.amount,
        net_amount=asked.net_amount.amount,
        outlet_id=asked.outlet_id,
        ship_to_time_zone=asked.ship_to_time_zone,
        requested_date=asked.requested_date,
        confirmed_date=asked.confirmed_date,
        promise_date=asked.confirmed_date or asked.requested_date,
        occurred_at=closed.closed_at,
        recorded_at=now,
        version=version,
    )


def _currency(command: CallOff) -> str:
    amounts = (amount for line in command.lines for amount in (line.net_amount, line.net_unit_price) if amount)
    currency = command.currency or next((amount.currency for amount in amounts), None)
    if currency is None:
        raise Invalid.at("/currency", "CURRENCY_REQUIRED", "An order without lines names its currency.")
    return currency


def _numbered(order: Order, asked: Sequence[AskedLine], *, now: datetime) -> list[OrderLine]:
    given = [line.line_no for line in asked if line.line_no is not None]
    named = [line.order_line_id for line in asked if line.order_line_id is not None]
    if len(set(given)) < len(given) or len(set(named)) < len(named):
        raise Invalid.at("/lines", "DUPLICATE_LINE", "Each line has a number and an id of its own.")
    following = max(given, default=0)
    lines: list[OrderLine] = []
    for index, line in enumerate(asked):
        if line.line_no is None:
            following += 1
        lines.append(_called_off(order, line, following if line.line_no is None else line.line_no, f"/lines/{index}", now=now))
    return lines


def _called_off(order: Order, asked: AskedLine, line_no: int, place: str, *, now: datetime) -> OrderLine:
    """The line as it is stored. `place`: where in the body it stands (JSON pointer)."""
    if asked.product_id is None and asked.sku is None:
        raise Invalid.at(f"{place}/sku", "PRODUCT_REQUIRED", "A line names its product by product_id or sku.")
    if asked.ship_to_time_zone is not None:
        _must_be_zone(asked.ship_to_time_zone, f"{place}/ship_to_time_zone")
    sku = asked.sku or str(asked.product_id)
    requested = asked.requested_date or order.whole_requested_date
    confirmed = asked.promise_date or order.whole_promise_date
    return OrderLine(
        order_line_id=asked.order_line_id or orders.line_id_of(order.order_id, line_no),
        order_id=order.order_id,
        line_no=line_no,
        deal_version=order.deal_version,
        # sales derives a product's id from its article in the same way
        product_id=asked.product_id or ids.derived_id("sales", "product", sku),
        sku=sku,
        fulfilment_type=asked.fulfilment_type,
        quantity=asked.quantity,
        unit=asked.unit,
        net_unit_price=_in(order, asked.net_unit_price, f"{place}/net_unit_price"),
        net_amount=_net_amount(order, asked, place),
        freight_amount=_in(order, asked.freight_amount, f"{place}/freight_amount"),
        ship_by=asked.ship_by,
        labels=asked.labels,
        outlet_id=asked.outlet_id,
        ship_to_time_zone=asked.ship_to_time_zone or order.time_zone,
        requested_date=requested,
        confirmed_date=confirmed,
        promise_date=confirmed or requested,
        occurred_at=order.received_at,
        recorded_at=now,
        asked=orders.digest(asked),
    )


def _net_amount(order: Order, asked: AskedLine, place: str) -> Decimal:
    if asked.net_amount is not None:
        return _in(order, asked.net_amount, f"{place}/net_amount") or Decimal("0.00")
    if asked.net_unit_price is None:
        raise Invalid.at(f"{place}/net_amount", "PRICE_REQUIRED", "A line has a unit price or an amount.")
    return asked.net_unit_price.times(asked.quantity).amount


def _in(order: Order, money: Money | None, field: str) -> Decimal | None:
    if money is not None and money.currency != order.currency:
        raise Invalid.at(field, "CURRENCY_DIFFERS", "An order has one currency.")
    return None if money is None else money.amount


def _must_be_zone(name: str, field: str) -> None:
    try:
        calendar.zone(name)
    except ValueError:
        raise Invalid.at(field, "UNKNOWN_TIME_ZONE", "There is no such time zone.") from None


def _must_fit(order: Order, field: str) -> None:
    if order.order_value >= MOST_MONEY:
        raise Invalid.at(field, "TOTAL_TOO_LARGE", "The lines add up to more than an amount of money can hold.")
