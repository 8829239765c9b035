"""Distribution, wired: the only file that knows all of it."""

from pathlib import Path

from services.distribution.approvals import routes as approvals
from services.distribution.calloffs import routes as calloffs
from services.distribution.cancellations import routes as cancellations
from services.distribution.deliveries import routes as deliveries
from services.distribution.handlers import HANDLERS
from services.distribution.measures import routes as measures
from services.distribution.schema import METADATA
from services.distribution.shipments import routes as shipments
from shared.runtime.service import Service

SERVICE = Service(
    name="distribution",
    metadata=METADATA,
    routers=[calloffs.router, approvals.router, cancellations.router, shipments.router, deliveries.router, measures.router],
    handlers=HANDLERS,
    folder=Path(__file__).parent,
)
