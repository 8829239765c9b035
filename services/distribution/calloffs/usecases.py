"""Orders come to be and grow: by deals that close, by call-offs, by lines that are added."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol, TypeVar
from uuid import UUID

from services.distribution.calloffs import domain
from services.distribution.calloffs.domain import AskedLine, CallOff
from services.distribution.cancellations import domain as cancellation
from services.distribution.cancellations import usecases as cancellations
from services.distribution.deals import usecases as deals
from services.distribution.deliveries import domain as delivery
from services.distribution.deliveries import usecases as deliveries
from services.distribution.orders import domain as order_domain
from services.distribution.orders import usecases as orders
from services.distribution.orders.domain import Order, Status
from services.distribution.orders.usecases import Asked, Recorded
from services.distribution.shipments import domain as shipment
from services.distribution.shipments import usecases as shipments
from shared.cause import Cause, Version
from shared.db.bulk import all_or_each
from shared.db.saving import Change
from shared.db.transaction import Transaction
from shared.errors import NotKnownYet, Refusal
from shared.events.language import Received
from shared.events.sales.deals import DealClosed


class Fact(Protocol):
    """Something that may hold for a whole order."""

    @property
    def order_id(self) -> UUID: ...

    @property
    def occurred_at(self) -> datetime: ...


F = TypeVar("F", bound=Fact)
TakeIn = Callable[[Order, F, Collection[UUID], datetime], tuple[Order, F, Sequence[object]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Growth:
    """Orders with the lines that are new to them, and what is to be told of them so far."""

    orders: dict[UUID, Order]
    added: Mapping[UUID, Collection[UUID]]
    told: Mapping[UUID, list[object]]
    now: datetime

    def taken_in(self, wholes: Sequence[F], take_in: TakeIn[F]) -> list[F]:
        """What facts of whole orders say of the new lines; the orders and what is told of them go on with it."""
        facts: list[F] = []
        for whole in wholes:
            order_id = whole.order_id
            self.orders[order_id], fact, events = take_in(self.orders[order_id], whole, self.added[order_id], self.now)
            self.told[order_id].extend(events)
            facts.append(fact)
        return facts


@dataclass(frozen=True, slots=True, kw_only=True)
class AddLine:
    """One more line for a call-off."""

    order_id: UUID
    line: AskedLine


async def open_orders(tx: Transaction, received: Sequence[Received[DealClosed]]) -> None:
    """One live order per won deal that is not blanket, and live call-offs only under won ones, whatever arrives first, late or twice."""
    closed = await deals.note_deals(tx, received)
    before = await orders.lock_orders(tx, [order_domain.order_id_of(deal_id) for deal_id in closed])
    won = {deal_id for deal_id, deal in closed.items() if deal.outcome == "won"}
    called_off = await orders.lock_calloffs(tx, undone=closed.keys() - won, won=won)
    own: dict[UUID, Order | None] = {deal_id: before.get(order_domain.order_id_of(deal_id)) for deal_id in closed}
    causes: dict[UUID, Cause] = {}
    for each in sorted(received, key=lambda each: each.event.deal_version):
        deal_id = each.event.deal_id
        own[deal_id] = domain.apply_deal(own[deal_id], closed[deal_id], each.event, now=tx.now)
        causes[deal_id] = each.cause
    before |= called_off
    after = {order.order_id: order for order in own.values() if order is not None and order != before.get(order.order_id)}
    after |= {order_id: domain.follow(order, closed[order.deal_id]) for order_id, order in called_off.items()}
    changes = [
        Change(order, domain.announce(before.get(order_id), order, at=closed[order.deal_id].closed_at), causes[order.deal_id])
        for order_id, order in after.items()
    ]
    await orders.drop_lines(tx, [order for order in after.values() if not order.call_off])
    await _save(tx, before, changes)


async def call_off_order(tx: Transaction, asked: Asked[CallOff]) -> tuple[Order, Status]:
    """Calls off an order under a blanket deal, once.

    Raises NotKnownYet for a deal, DealNotWon, DealNotBlanket, OrderAlreadyRecorded, OrderLineAlreadyRecorded, Invalid.
    """
    (outcome,) = await _call_off(tx, [asked])
    if isinstance(outcome, Refusal):
        raise outcome
    return await orders.get_order(tx, outcome.id), outcome.status


async def call_off_orders(tx: Transaction, asked: Sequence[Asked[CallOff]]) -> list[Recorded | Refusal]:
    """Calls off many, each once; a refusal is the outcome of its item alone."""
    return await all_or_each(tx, asked, partial(_call_off, tx), failed=_refused)


async def add_line(tx: Transaction, asked: Asked[AddLine], *, expected: Version | None) -> tuple[Order, Status]:
    """Adds a line to a call-off, once; facts of the whole order take it in.

    Raises NotFound, Stale, OrderFollowsDeal, DealNotWon, OrderFull, LineNumberTaken, OrderLineAlreadyRecorded, Invalid.
    """
    await orders.lock_order(tx, asked.command.order_id, expected)
    (outcome,) = await _add_lines(tx, [asked])
    if isinstance(outcome, Refusal):
        raise outcome
    return await orders.get_order(tx, asked.command.order_id), outcome.status


async def add_lines(tx: Transaction, asked: Sequence[Asked[AddLine]]) -> list[Recorded | Refusal]:
    """Adds many, each once; a refusal is the outcome of its item alone."""
    return await all_or_each(tx, asked, partial(_add_lines, tx), failed=_refused)


async def _call_off(tx: Transaction, asked: Sequence[Asked[CallOff]]) -> list[Recorded | Refusal]:
    commands = [item.command for item in asked]
    held = await deals.hold_deals(tx, {command.deal_id for command in commands})
    names = [(command.source, command.external_id) for command in commands if command.source and command.external_id]
    found = await orders.find_orders(tx, [command.order_id for command in commands], names)
    known = {order.order_id: order.asked for order in found}
    versions = {order.order_id: order.version for order in found}
    named: dict[tuple[str | None, str | None], UUID] = {
        (each.source, each.external_id): each.order_id for each in found if each.external_id
    }
    lines = set(await orders.find_lines(tx, {line.order_line_id for command in commands for line in command.lines if line.order_line_id}))
    fresh: list[Change[Order]] = []
    outcomes: list[tuple[UUID, Status] | Refusal] = []
    for item in asked:
        command, name = item.command, (item.command.source, item.command.external_id)
        try:
            recorded_as = command.order_id if command.order_id in known else named.get(name)
            if recorded_as is not None:
                if known[recorded_as] != order_domain.digest(command):
                    raise domain.OrderAlreadyRecorded(order_id=recorded_as)
                outcomes.append((recorded_as, "unchanged"))
                continue
            order, promised = domain.call_off(command, held.get(command.deal_id), at=item.cause.at, now=tx.now)
            if taken := lines.intersection(line.order_line_id for line in order.lines):
                raise domain.OrderLineAlreadyRecorded(order_line_id=min(taken))
        except Refusal as refusal:
            outcomes.append(refusal)
            continue
        known[order.order_id] = order.asked
        lines |= {line.order_line_id for line in order.lines}
        if command.external_id is not None:
            named[name] = order.order_id
        fresh.append(Change(order, [promised], item.cause))
        outcomes.append((order.order_id, "created"))
    versions |= {order.order_id: order.version for order in await orders.save_orders(tx, fresh, before={})}
    return [each if isinstance(each, Refusal) else Recorded(id=each[0], status=each[1], version=versions[each[0]]) for each in outcomes]


async def _add_lines(tx: Transaction, asked: Sequence[Asked[AddLine]]) -> list[Recorded | Refusal]:
    before = await orders.lock_orders(tx, {item.command.order_id for item in asked})
    found = await orders.find_lines(tx, {item.command.line.order_line_id for item in asked if item.command.line.order_line_id})
    known = {line_id: (line.order_id, line.asked) for line_id, line in found.items()}
    after = dict(before)
    causes: dict[UUID, Cause] = {}
    outcomes: list[tuple[UUID, UUID, Status] | Refusal] = []
    for item in asked:
        order_id, line = item.command.order_id, item.command.line
        try:
            if order_id not in after:
                raise NotKnownYet(order_id=order_id)
            if line.order_line_id is not None and line.order_line_id in known:
                if known[line.order_line_id] != (order_id, order_domain.digest(line)):
                    raise domain.OrderLineAlreadyRecorded(order_line_id=line.order_line_id)
                outcomes.append((order_id, line.order_line_id, "unchanged"))
                continue
            grown = domain.add_line(after[order_id], line, now=tx.now)
        except Refusal as refusal:
            outcomes.append(refusal)
            continue
        (added,) = domain.added_lines(after[order_id], grown)
        after[order_id] = grown
        known[added] = (order_id, next(each.asked for each in grown.lines if each.order_line_id == added))
        causes.setdefault(order_id, item.cause)
        outcomes.append((order_id, added, "created"))
    changes = [Change(after[each], [order_domain.promised(after[each], cause="received")], cause) for each, cause in causes.items()]
    after |= {order.order_id: order for order in await _save(tx, before, changes)}
    return [
        each if isinstance(each, Refusal) else Recorded(id=each[1], status=each[2], version=after[each[0]].version) for each in outcomes
    ]


async def _save(tx: Transaction, before: Mapping[UUID, Order], changes: Sequence[Change[Order]]) -> list[Order]:
    """Keeps orders that grew: what holds for a whole order takes in the lines that it did not have before."""
    after = {change.thing.order_id: change.thing for change in changes}
    added = {order_id: domain.added_lines(before.get(order_id), order) for order_id, order in after.items()}
    told = {change.thing.order_id: list(change.events) for change in changes}
    growth = _Growth(orders=dict(after), added=added, told=told, now=tx.now)
    grown = [order for order_id, order in after.items() if order_id in before and added[order_id]]
    sent = growth.taken_in(await shipments.list_whole(tx, _ids(grown, lambda order: order.wholly_shipped)), shipment.take_in)
    came = growth.taken_in(await deliveries.list_whole(tx, _ids(grown, lambda order: order.wholly_delivered)), delivery.take_in)
    undone = growth.taken_in(await cancellations.list_whole(tx, _ids(grown, lambda order: order.wholly_cancelled)), cancellation.take_in)
    causes = {change.thing.order_id: change.cause for change in changes}
    grown_changes = [Change(order, growth.told[order_id], causes[order_id]) for order_id, order in growth.orders.items()]
    saved = await orders.save_orders(tx, grown_changes, before=before)
    await shipments.save_parts(tx, sent)
    await deliveries.save_parts(tx, came)
    await cancellations.save_parts(tx, undone)
    return saved


def _ids(grown: Sequence[Order], holds: Callable[[Order], bool]) -> list[UUID]:
    return [order.order_id for order in grown if holds(order)]


def _refused(_: object, refusal: Refusal) -> Recorded | Refusal:
    return refusal
