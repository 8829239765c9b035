"""What the load does with orders: persons command them one by one, sources tell of many."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.chaos.checker.calling import Caller, Write
from tests.chaos.checker.history import Item
from tests.chaos.checker.known import LEARN_SECONDS, Known, Order
from tests.chaos.checker.plans import Body, Plans
from tests.chaos.checker.shapes import create, write_many


@dataclass(slots=True, kw_only=True)
class Fulfilling:
    """Deeds upon orders."""

    known: Known
    plans: Plans

    async def find_order(self, caller: Caller) -> None:
        """The order that a won deal has become, to be worked on."""
        if not self.known.won or self.known.won[0][0] > time.monotonic() - LEARN_SECONDS:
            return
        at, deal_id = self.known.won.popleft()
        page = await caller.look("distribution", f"/v1/orders?deal_id={deal_id}")
        if page and page["items"]:
            order = page["items"][0]
            self.known.orders.append(
                Order(order_id=order["order_id"], version=order["version"], lines=[line["line_no"] for line in order["lines"]])
            )
        elif at > time.monotonic() - 60:
            self.known.won.append((at, deal_id))

    async def command_order(self, caller: Caller) -> None:
        """A person does something with an order, against the version that somebody saw last."""
        if not self.known.orders:
            return
        order = caller.chance.choice(self.known.orders)
        verb = caller.chance.choices(("promise", "approve", "shipments", "deliveries", "cancel"), (34, 8, 22, 22, 14))[0]
        if await self.refresh(caller, order):
            await self.command(caller, order, verb)

    async def refresh(self, caller: Caller, order: Order) -> bool:
        """Whether the order can be commanded; its version is read if nobody knows it."""
        if order.version is None:
            seen = await caller.read("distribution", f"/v1/orders/{order.order_id}", order.order_id)
            order.version = seen["version"] if seen else None
        return order.version is not None and bool(order.lines)

    async def command(self, caller: Caller, order: Order, verb: str) -> None:
        """One deed upon one order."""
        if order.version is None:
            return
        path = f"/v1/orders/{order.order_id}"
        body, item = self._command(caller, order, verb)
        write = Write(
            f=verb,
            service="distribution",
            route=f"POST /v1/orders/.../{verb}",
            path=f"{path}/{verb}",
            body=body,
            key=order.order_id,
            items=[item],
            etag=order.version,
            wants=201 if verb in {"shipments", "deliveries"} else 200,
            versioned=True,
            read=path,
        )
        answer = await caller.write(write)
        order.version = answer["version"] if answer else None

    def _command(self, caller: Caller, order: Order, verb: str) -> tuple[Body, Item]:
        line = {"line_no": caller.chance.choice(order.lines), "quantity": str(caller.chance.randrange(1, 4))}
        if verb == "promise":
            self.known.days += 1
            year, day = divmod(self.known.days, 28 * 12)
            promised = f"{2100 + year}-{1 + day // 28:02}-{1 + day % 28:02}"
            claims = (("distribution.line_promises", "order_id", order.order_id),)
            return {"promise_date": promised}, Item(claims=claims, tells=(("order-promised", order.order_id),))
        if verb == "approve":
            return {}, Item(claims=(("distribution.approvals", "order_id", order.order_id),))
        if verb == "cancel":
            claims = (("distribution.cancellations", "order_id", order.order_id),)
            return {"cause": "imported", "lines": [line]}, Item(claims=claims, tells=(("order-cancelled", order.order_id),))
        kind = "shipment" if verb == "shipments" else "delivery"
        fact_id = caller.new_id()
        _, item = self.plans.moved(kind, fact_id, order.order_id, [line])
        return {f"{kind}_id": fact_id, "lines": [line]}, item

    async def tell_many(self, caller: Caller) -> None:
        """A source tells of many orders in one transaction, while persons command some of them."""
        orders = [order for order in self.known.orders if order.lines]
        if len(orders) < 2:
            return
        kind = caller.chance.choices(("shipment", "delivery", "cancellation", "approval"), (35, 35, 15, 15))[0]
        await self.tell(caller, kind, caller.chance.sample(orders, caller.chance.randrange(2, min(12, len(orders)) + 1)))

    async def tell(self, caller: Caller, kind: str, orders: Sequence[Order], *, quantity: str = "1") -> None:
        """One fact of that kind for each of the orders, in one transaction."""
        chosen = {caller.new_id(): order for order in orders}

        def made(fact_id: str) -> tuple[Body, Item]:
            order = chosen[fact_id]
            if kind == "approval":
                return self.plans.approval(fact_id, order.order_id)
            line = {"line_no": caller.chance.choice(order.lines), "quantity": quantity}
            return self.plans.moved(kind, fact_id, order.order_id, [line])

        plural = {"delivery": "deliveries"}.get(kind, f"{kind}s")
        await write_many(caller, f"tell-{plural}", list(chosen), service="distribution", path=f"/v1/{plural}/batch", made=made)
        for order in chosen.values():
            order.version = None

    async def call_off(self, caller: Caller) -> None:
        """An order under a blanket deal."""
        deal_id = self.known.blanket(caller.chance)
        if deal_id is None:
            return
        order_id = caller.new_id()
        body, item = self.plans.call_off(caller.chance, order_id)
        path = f"/v1/deals/{deal_id}/orders"
        answer = await caller.write(
            create("call-off", "distribution", path, body=body, key=order_id, item=item, read=f"/v1/orders/{order_id}")
        )
        if answer is not None:
            lines = [line["line_no"] for line in answer["lines"]]
            self.known.orders.append(Order(order_id=order_id, version=answer["version"], lines=lines, call_off=True))

    async def call_off_many(self, caller: Caller) -> None:
        """Many orders under blanket deals."""
        chosen = {caller.new_id(): deal_id for _ in range(caller.chance.randrange(2, 15)) if (deal_id := self.known.blanket(caller.chance))}

        def made(order_id: str) -> tuple[Body, Item]:
            body, item = self.plans.call_off(caller.chance, order_id)
            return body | {"deal_id": chosen[order_id]}, item

        if chosen:
            await write_many(caller, "call-off-many", list(chosen), service="distribution", path="/v1/orders/batch", made=made)

    async def add_lines(self, caller: Caller) -> None:
        """Lines for call-offs, several orders at a time."""
        orders = [order for order in self.known.orders if order.call_off]
        if not orders:
            return
        chosen = {caller.new_id(): caller.chance.choice(orders) for _ in range(caller.chance.randrange(1, 6))}

        def made(line_id: str) -> tuple[Body, Item]:
            body, item = self.plans.order_line(caller.chance, chosen[line_id].order_id, line_id)
            return body | {"order_id": chosen[line_id].order_id}, item

        await write_many(caller, "add-lines", list(chosen), service="distribution", path="/v1/order-lines/batch", made=made)
        for order in chosen.values():
            order.version = None
