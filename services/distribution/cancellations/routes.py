"""Cancellations over HTTP, as sources tell of them. A person cancels by a command of the order."""

from functools import partial
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field

from services.distribution.cancellations import domain, usecases
from services.distribution.orders import domain as orders
from services.distribution.orders.usecases import Asked, Recorded
from shared import ids
from shared.http import edge
from shared.http.bodies import STORABLE, Body, ItemList, Result, Results, Word
from shared.http.edge import Call, requires
from shared.money import PlainDecimal

router = edge.router(tags=["orders"])

ExternalId = Annotated[str, Field(min_length=1, max_length=128, pattern=STORABLE)]


class CancelledPart(Body):
    """A line by its id or number; without a quantity, all of it that no other cancellation names."""

    order_line_id: UUID | None = None
    line_no: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    quantity: Annotated[PlainDecimal, Field(gt=0)] | None = None

    def named(self) -> orders.Named:
        """The part as the domain has it."""
        return orders.Named(order_line_id=self.order_line_id, line_no=self.line_no, quantity=self.quantity)


class TellCancellation(Body):
    """That something of an order was cancelled; without lines, all of it, lines to come included."""

    order_id: UUID
    cancellation_id: UUID | None = None
    source: Word | None = None
    external_id: ExternalId | None = None
    occurred_at: AwareDatetime
    estimated: bool = False
    cause: domain.CancellationCause = "imported"
    lines: Annotated[tuple[CancelledPart, ...], Field(min_length=1, max_length=200)] | None = None

    def asked(self, call: Call) -> Asked[domain.ToldCancellation]:
        """The same for the use case, under an id of its own. Raises Invalid."""
        cause = call.cause_at(self)
        fact_id = orders.id_of(self.cancellation_id, source=self.source, external_id=self.external_id, kind="cancellation")
        told = domain.ToldCancellation(
            fact_id=fact_id or ids.new_id(),
            order_id=self.order_id,
            occurred_at=cause.at,
            estimated=self.estimated,
            cause=self.cause,
            lines=None if self.lines is None else tuple(line.named() for line in self.lines),
        )
        return Asked(command=told, cause=cause)


class TellCancellations(Body):
    """Up to 500 cancellations."""

    items: ItemList[TellCancellation]


@router.post("/cancellations/batch")
async def record_cancellations(body: TellCancellations, call: Annotated[Call, requires("orders:write", bulk=True)]) -> Results:
    """Record up to 500 cancellations, each with a result of its own."""
    return await body.items.results(lambda item: item.asked(call), partial(usecases.record_cancellations, call.tx), _result)


def _result(index: int, recorded: Recorded) -> Result:
    return Result(index=index, status=recorded.status, id=recorded.id, version=recorded.version)
