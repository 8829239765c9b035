"""Won deals become orders, whatever arrives first, late or twice."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from itertools import permutations
from typing import Any

from sqlalchemy import text

from services.distribution.calloffs import usecases as calloffs
from services.distribution.deals import usecases as deals
from services.distribution.orders import domain, usecases
from services.distribution.orders.domain import Order
from services.distribution.promises import usecases as promises
from services.distribution.shipments import usecases as shipments
from shared.db.transaction import Database, Transaction
from shared.errors import NotFound
from shared.events.distribution.orders import OrderCancelled, OrderPromised
from shared.events.sales.deals import DealClosed
from shared.ids import new_id
from shared.money import Money
from tests import kit
from tests.integration.distribution.ordering import closing, counted, timeless, told
from tests.unit.distribution.closings import DAY, NOON, make_closed, make_deal_line


def heard(closed: DealClosed) -> Any:
    return kit.received(closed, at=closed.closed_at)


async def order_of(tx: Transaction, closed: DealClosed) -> Order | None:
    try:
        return await usecases.get_order(tx, domain.order_id_of(closed.deal_id))
    except NotFound:
        return None


async def test_a_won_deal_becomes_one_order_and_one_event(tx: Transaction):
    closed = closing(make_deal_line(1, requested_date=DAY), make_deal_line(2, "0.5", "3.33", fulfilment_type="service"))
    await calloffs.open_orders(tx, [heard(closed)])
    order = await order_of(tx, closed)
    assert order is not None
    assert (order.deal_id, order.lead_id, order.version) == (closed.deal_id, closed.lead_id, 1)
    assert (order.received_at.astimezone(UTC), order.recorded_at) == (NOON, tx.now)
    assert [(line.line_no, line.quantity, line.net_amount) for line in order.lines] == [
        (1, Decimal(10), Decimal("25.00")),
        (2, Decimal("0.5"), Decimal("1.66")),
    ]
    (event,) = told(tx)
    assert isinstance(event, OrderPromised)
    assert (event.order_id, event.cause, event.promise_date, event.received_at) == (order.order_id, "received", DAY, NOON)
    assert event.order_value == Money(amount=Decimal("26.66"), currency="EUR")
    (emitted,) = tx.emitted
    assert emitted.cause.at == NOON
    assert await tx.flush() == 1


async def test_lost_and_blanket_deals_get_no_order(tx: Transaction):
    closes = [closing(lost=True), closing(blanket=True)]
    await calloffs.open_orders(tx, [heard(closed) for closed in closes])
    assert [await order_of(tx, closed) for closed in closes] == [None, None]
    assert told(tx) == []


async def test_the_same_batch_twice_changes_nothing(tx: Transaction):
    closes = [closing(), closing(lost=True), closing(blanket=True), closing(make_deal_line(1), make_deal_line(2))]
    batch = [heard(closed) for closed in closes]
    await calloffs.open_orders(tx, [*batch, *batch])
    first, events = [await order_of(tx, closed) for closed in closes], told(tx)
    await calloffs.open_orders(tx, batch)
    assert [await order_of(tx, closed) for closed in closes] == first
    assert told(tx) == events
    assert len(events) == 2


async def test_an_event_applied_after_the_order_moved_on_changes_nothing(tx: Transaction):
    closed = closing()
    await calloffs.open_orders(tx, [heard(closed)])
    order_id = domain.order_id_of(closed.deal_id)
    await promises.promise_order(tx, order_id, DAY, reason="replanned", expected=1, cause=kit.cause())
    before = await order_of(tx, closed)
    await calloffs.open_orders(tx, [heard(closed)])
    assert await order_of(tx, closed) == before


async def test_closes_of_a_deal_give_one_state_in_every_order_of_arrival(database: Database):
    deal_id = new_id()
    versions = [
        make_closed([make_deal_line(1), make_deal_line(2)], version=1, deal_id=deal_id),
        make_closed(lost=True, version=2, deal_id=deal_id),
        make_closed([make_deal_line(2, "4"), make_deal_line(3, "1", requested_date=DAY)], version=3, deal_id=deal_id),
        make_closed(blanket=True, version=4, deal_id=deal_id),
    ]
    for count in (2, 3, 4):
        seen: list[Order | None] = []
        for arrival in permutations(versions[:count]):
            for batches in ([[closed] for closed in arrival], [list(arrival)], [list(arrival[:1]), list(arrival), list(arrival[1:])]):
                async with kit.rolled_back(database) as tx:
                    for batch in batches:
                        await calloffs.open_orders(tx, [heard(closed) for closed in batch])
                    seen.append(timeless(await order_of(tx, versions[0])))
                    assert await tx.flush() == len(told(tx))
        assert seen == [seen[0]] * len(seen)
        assert seen[0] is not None
        assert seen[0].standing == (count == 3)


async def test_a_deal_that_is_lost_after_all_cancels_its_order(tx: Transaction):
    closed = closing()
    await calloffs.open_orders(tx, [heard(closed)])
    lost = make_closed(lost=True, version=2, deal_id=closed.deal_id, lead_id=closed.lead_id)
    await calloffs.open_orders(tx, [heard(lost)])
    order = await order_of(tx, closed)
    assert order is not None
    assert (order.status, order.standing) == ("cancelled", False)
    event = told(tx)[-1]
    assert isinstance(event, OrderCancelled)
    assert (event.cause, event.whole_order, event.cancelled_value.amount) == ("deal_reopened", True, Decimal("25.00"))


async def test_what_has_left_stays_when_the_deal_closes_again(tx: Transaction):
    closed = closing(make_deal_line(1), make_deal_line(2))
    await calloffs.open_orders(tx, [heard(closed)])
    order_id = domain.order_id_of(closed.deal_id)
    given: dict[str, Any] = {"shipment_id": None, "carrier_code": None, "expected_delivery_date": None}
    await shipments.ship_order(tx, order_id, [(1, Decimal(3))], **given, expected=1, cause=kit.cause())
    again = make_closed([make_deal_line(3, "1")], version=2, deal_id=closed.deal_id, lead_id=closed.lead_id)
    await calloffs.open_orders(tx, [heard(again)])
    order = await order_of(tx, closed)
    assert order is not None
    assert [(line.line_no, line.deal_version, line.shipped_quantity) for line in order.lines] == [(1, 1, 3), (3, 2, 0)]


async def test_the_newest_close_of_a_deal_is_kept_even_without_an_order(tx: Transaction):
    closed = closing(blanket=True)
    await calloffs.open_orders(tx, [heard(closed)])
    noted = await deals.note_deals(tx, [heard(closed)])
    deal = noted[closed.deal_id]
    assert (deal.outcome, deal.blanket_order, deal.lead_id, deal.version) == ("won", True, closed.lead_id, 1)


async def test_the_number_of_statements_does_not_grow_with_the_batch(database: Database):
    numbers: list[int] = []
    for size in (1, 60):
        async with kit.rolled_back(database) as tx, counted(database) as sent:
            first = [closing(make_deal_line(1), make_deal_line(2)) for _ in range(size)]
            await calloffs.open_orders(tx, [heard(closed) for closed in first])
            again = [make_closed([make_deal_line(1)], version=2, deal_id=closed.deal_id, lead_id=closed.lead_id) for closed in first]
            await calloffs.open_orders(tx, [heard(closed) for closed in again])
            lines = (await tx.execute(text("SELECT count(*) FROM order_lines WHERE deal_version = 2"))).scalar_one()
        assert lines >= size
        numbers.append(len(sent))
    assert numbers[0] == numbers[1]
