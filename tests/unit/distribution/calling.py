"""Call-offs and what sources tell of them, for tests: a fold of facts in whatever order they arrive."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from services.distribution.approvals import domain as approvals
from services.distribution.approvals.domain import ToldApproval
from services.distribution.calloffs import domain as calloffs
from services.distribution.calloffs.domain import AskedLine, CallOff
from services.distribution.cancellations import domain as cancellations
from services.distribution.cancellations.domain import ToldCancellation
from services.distribution.deals import domain as deals
from services.distribution.deals.domain import Deal
from services.distribution.deliveries import domain as deliveries
from services.distribution.deliveries.domain import ToldDelivery
from services.distribution.orders.domain import Order, Told
from services.distribution.shipments import domain as shipments
from services.distribution.shipments.domain import ToldShipment
from shared.errors import NotKnownYet
from shared.ids import derived_id
from shared.money import Money
from tests.unit.distribution.closings import NOON, NOW, make_closed

ORDER = UUID(int=3)

KINDS: dict[type[Told], tuple[Any, str]] = {
    ToldApproval: (approvals, "approved"),
    ToldShipment: (shipments, "shipped"),
    ToldDelivery: (deliveries, "delivered"),
    ToldCancellation: (cancellations, "cancelled"),
}


def fact_id(name: str) -> UUID:
    """The id of a fact or line of that name."""
    return derived_id("test", "fact", name)


def euros(amount: str) -> Money:
    """An amount in euros."""
    return Money(amount=Decimal(amount), currency="EUR")


def blanket(*, version: int = 1, lost: bool = False) -> Deal:
    """A blanket deal that was won, or lost after all."""
    return deals.hear(None, make_closed(blanket=not lost, lost=lost, version=version), now=NOW)


def asked_line(line_no: int | None = 1, quantity: str = "10", amount: str = "25.00", **given: Any) -> AskedLine:
    """A line of goods that is called off."""
    said: dict[str, Any] = {"order_line_id": line_no and fact_id(f"line {line_no}"), "sku": f"SKU-{line_no}", "net_amount": euros(amount)}
    return AskedLine(line_no=line_no, quantity=Decimal(quantity), **(said | given))


def called_off(*lines: AskedLine, at: datetime = NOON, **given: Any) -> Order:
    """A call-off under a standing blanket deal."""
    said: dict[str, Any] = {"order_id": ORDER, "deal_id": blanket().deal_id, "currency": "EUR", "lines": lines}
    return calloffs.call_off(CallOff(**(said | given)), blanket(), at=at, now=NOW)[0]


def told(kind: Callable[..., Any], name: str, *, at: datetime = NOON, **said: Any) -> Any:
    """A fact of that kind and name, as a source tells it."""
    return kind(fact_id=fact_id(name), order_id=ORDER, occurred_at=at, **said)


def after(order: Order, *facts: Told) -> Order:
    """The order after facts."""
    for fact in facts:
        order = KINDS[type(fact)][0].record(order, fact, NOW)[0]
    return order


@dataclass
class Arrivals:
    """An order that lines and facts arrive for, each applied once, and again later if what it speaks of is not known yet."""

    order: Order = field(default_factory=called_off)
    parts: list[tuple[str, Any]] = field(default_factory=list)
    wholes: list[Any] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)
    seen: set[UUID] = field(default_factory=set)

    def apply(self, things: Sequence[AskedLine | Told]) -> Arrivals:
        """Applies all of them."""
        waiting = deque(things)
        while waiting:
            thing = waiting.popleft()
            try:
                self._one(thing)
            except NotKnownYet:
                waiting.append(thing)
        return self

    def total(self, kind: str, order_line_id: UUID) -> Decimal:
        """What the parts of facts of a kind say of a line, added up."""
        return sum((part.quantity for name, part in self.parts if name == kind and part.order_line_id == order_line_id), Decimal(0))

    def _one(self, thing: AskedLine | Told) -> None:
        name = thing.order_line_id if isinstance(thing, AskedLine) else thing.fact_id
        assert name is not None
        if name in self.seen:
            return
        if isinstance(thing, AskedLine):
            self.order = calloffs.add_line(self.order, thing, now=NOW)
            for whole in self.wholes:
                module, kind = self._kind(whole)
                self.order, fact, events = module.take_in(self.order, whole, {name}, NOW)
                self._keep(kind, fact, events)
        else:
            module, kind = KINDS[type(thing)]
            self.order, fact, events = module.record(self.order, thing, NOW)
            self._keep(kind, fact, events)
            if getattr(fact, "whole", False):
                self.wholes.append(fact)
        self.seen.add(name)

    def _kind(self, whole: Any) -> tuple[Any, str]:
        found = {shipments.Shipment: ToldShipment, deliveries.Delivery: ToldDelivery, cancellations.Cancellation: ToldCancellation}
        return KINDS[found[type(whole)]]

    def _keep(self, kind: str, fact: Any, events: Sequence[Any]) -> None:
        self.parts += [(kind, part) for part in getattr(fact, "lines", ())]
        self.events += events


LONG_AGO = datetime(2017, 5, 1, 23, 30, tzinfo=UTC)
