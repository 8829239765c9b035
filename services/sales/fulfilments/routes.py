"""How far the orders of a deal are, over HTTP."""

from datetime import date
from typing import Annotated
from uuid import UUID

from services.sales.fulfilments import domain, usecases
from shared.errors import NotFound
from shared.events.distribution.orders import FulfilmentStatus
from shared.http import edge
from shared.http.bodies import Answer
from shared.http.edge import Call, requires
from shared.http.problems import problems
from shared.money import PlainDecimal

router = edge.router(tags=["deals"])


class LineOut(Answer):
    """Exact quantities of one order line; `ordered` and `line_no` are null until the order itself is known."""

    order_line_id: UUID
    line_no: int | None
    product_id: UUID | None
    ordered: PlainDecimal | None
    promised: PlainDecimal
    shipped: PlainDecimal
    delivered: PlainDecimal
    cancelled: PlainDecimal
    promise_date: date | None


class OrderOut(Answer):
    """How far one order is."""

    order_id: UUID
    status: FulfilmentStatus
    promise_date: date | None
    lines: list[LineOut]


class FulfilmentOut(Answer):
    """How far a deal is; status null while nothing is known of any order."""

    deal_id: UUID
    status: FulfilmentStatus | None
    promise_date: date | None
    orders: list[OrderOut]
    version: int

    @classmethod
    def of(cls, fulfilment: domain.Fulfilment) -> "FulfilmentOut":
        """The state as it is known."""
        return cls.model_validate(fulfilment)


@router.get("/deals/{deal_id}/fulfilment", responses=problems(NotFound))
async def get_fulfilment(deal_id: UUID, call: Annotated[Call, requires("deals:read")]) -> FulfilmentOut:
    """What of a deal is promised, shipped, delivered and cancelled."""
    return FulfilmentOut.of(await usecases.get_fulfilment(call.tx, deal_id, seen_by=call.cause.actor))
