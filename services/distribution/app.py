"""Distribution, wired: the only file that knows all of it."""

from pathlib import Path

from services.distribution.handlers import HANDLERS
from services.distribution.orders import routes as orders
from services.distribution.schema import METADATA
from services.distribution.shipments import routes as shipments
from shared.runtime.service import Service

SERVICE = Service(
    name="distribution",
    metadata=METADATA,
    routers=[orders.router, shipments.router],
    handlers=HANDLERS,
    folder=Path(__file__).parent,
)
