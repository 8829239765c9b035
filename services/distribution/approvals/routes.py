"""Approvals over HTTP, as sources tell of them. A person approves an order by a command of the order."""

from functools import partial
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field

from services.distribution.approvals import domain, usecases
from services.distribution.orders import domain as orders
from services.distribution.orders.usecases import Asked, Recorded
from shared import ids
from shared.http import edge
from shared.http.bodies import STORABLE, Body, ItemList, Result, Results, Word
from shared.http.edge import Call, requires

router = edge.router(tags=["orders"])

ExternalId = Annotated[str, Field(min_length=1, max_length=128, pattern=STORABLE)]


class TellApproval(Body):
    """That an order was approved. The same id or name and content again has no second effect."""

    order_id: UUID
    approval_id: UUID | None = None
    source: Word | None = None
    external_id: ExternalId | None = None
    occurred_at: AwareDatetime
    estimated: bool = False

    def asked(self, call: Call) -> Asked[domain.ToldApproval]:
        """The same for the use case, under an id of its own. Raises Invalid."""
        cause = call.cause_at(self)
        fact_id = orders.id_of(self.approval_id, source=self.source, external_id=self.external_id, kind="approval")
        told = domain.ToldApproval(fact_id=fact_id or ids.new_id(), order_id=self.order_id, occurred_at=cause.at, estimated=self.estimated)
        return Asked(command=told, cause=cause)


class TellApprovals(Body):
    """Up to 500 approvals."""

    items: ItemList[TellApproval]


@router.post("/approvals/batch")
async def record_approvals(body: TellApprovals, call: Annotated[Call, requires("orders:write", bulk=True)]) -> Results:
    """Record up to 500 approvals, each with a result of its own."""
    return await body.items.results(lambda item: item.asked(call), partial(usecases.record_approvals, call.tx), _result)


def _result(index: int, recorded: Recorded) -> Result:
    return Result(index=index, status=recorded.status, id=recorded.id, version=recorded.version)
